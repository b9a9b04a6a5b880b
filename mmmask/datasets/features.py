"""What a frozen backbone sees in each photo, in a file: computed once, learned from often.

The file is a :class:`PhotoStore` of what the first layer that learns gets of each photo, or of
several views of it. It knows the preprocessing, the views, the frozen layers and their weights, and
is stale once any of them, or a photo, is another.
"""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from mmmask.blocks import plain, test_steps
from mmmask.datasets.packed import made_by
from mmmask.datasets.photo_store import PhotoStore, write_store
from mmmask.errors import InputError

if TYPE_CHECKING:
    from mmengine.config import Config

KIND, _MAKER = "file of features", "tools/linear_probe.py"


class Features:
    """The features of photos.

    Attributes:
        images: Paths of the photos, relative to the data root.
        values: In the order of ``images``, of V views each: (N, V, D) float32, or maps
            (N, V, C, H, W) float16.
    """

    def __init__(self, path: Path, images: pd.Index, values: NDArray[np.floating]) -> None:
        self.path, self.images, self.values = path, images, values

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of photos and features."""
        digest = hashlib.sha256("\n".join(self.images).encode())
        digest.update(self.values.tobytes())
        return digest.hexdigest()

    def of(self, images: Iterable[str]) -> NDArray[np.float32]:
        """Return one feature of each of some photos, (n, D): of the first view, maps as means.

        Raises:
            InputError: One of them is not in the file.
        """
        first = self.values[self.rows_of(images), 0]
        return first if first.ndim == 2 else first.mean(axis=(2, 3), dtype=np.float32)

    def over_views(self, images: Iterable[str]) -> NDArray[np.float32]:
        """Return one feature of each of some photos, (n, D): the mean of its views; of maps too.

        Raises:
            InputError: One of them is not in the file.
        """
        seen = self.values[self.rows_of(images)].mean(axis=1, dtype=np.float32)
        return seen if seen.ndim == 2 else seen.mean(axis=(2, 3))

    def rows_of(self, images: Iterable[str]) -> NDArray[np.int64]:
        """Return the rows of some photos, (n,); errors as in :meth:`of`."""
        wanted = pd.Index(images)
        rows = self.images.get_indexer(wanted)
        if (rows < 0).any():
            raise InputError(
                f"{self.path}: {int((rows < 0).sum())} of {len(wanted)} photos are not in it, the "
                f"first is {wanted[rows < 0][0]}"
            )
        return rows


def _features_of(store: PhotoStore) -> Features:
    values = store.array()
    one = len(store.made_by.get("views", ("identity",))) == 1
    return Features(store.path, store.images, values[:, None] if one else values)


def read_features(path: str | Path) -> Features:
    """Return all that a file of features holds, whatever made it; the photos are not looked at."""
    store = PhotoStore(path, None, data_root=None, made_by=None, kind=KIND, maker=_MAKER)
    return _features_of(store)


def open_features(
    cfg: "Config", model: nn.Module, images: Sequence[str], path: str | Path
) -> Features:
    """Return what the first layer that learns gets for photos, from a file.

    Raises:
        MissingFileError: No such file, or a photo is gone.
        StalePackError: Something else made it, or photos are missing or have changed since.
        InputError: It is none.
    """
    made, root = features_made_by(cfg, model), cfg.data.data_root
    store = PhotoStore(path, images, data_root=root, made_by=made, kind=KIND, maker=_MAKER)
    return _features_of(store)


def write_features(
    cfg: "Config",
    model: nn.Module,
    images: Sequence[str],
    batches: Iterable[NDArray[np.floating]],
    path: str | Path,
) -> None:
    """Write what the first layer that learns gets for photos, in batches of their order.

    A batch is (n, ...) of one view, or (n, V, ...).
    """
    rows = iter(batches)
    first = next(rows)
    write_store(
        path,
        images,
        chain([first], rows),
        data_root=cfg.data.data_root,
        made_by=features_made_by(cfg, model),
        kind=KIND,
        shape=first.shape[1:],
        dtype=first.dtype,
    )


def parts_behind(neck: nn.Module | None) -> tuple[list[nn.Module], list[nn.Module]]:
    """Return the parts of a neck that only reshape, up to the first with weights, and the rest."""
    if neck is None:
        return [], []
    parts = list(neck) if isinstance(neck, nn.Sequential) else [neck]
    fixed = list(takewhile(lambda part: next(part.parameters(), None) is None, parts))
    return fixed, parts[len(fixed) :]


def features_made_by(cfg: "Config", model: nn.Module) -> dict[str, Any]:
    """Return what decides the features of a photo, as JSON has it."""
    fixed, learning = parts_behind(getattr(model, "neck", None))
    digest = hashlib.sha256()
    for part in (model.data_preprocessor, model.backbone, *fixed):
        for name, value in part.state_dict().items():
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    backbone = {key: value for key, value in cfg.model.backbone.items() if key != "init_cfg"}
    neck, views = cfg.model.get("neck"), views_of(cfg)
    return {
        **made_by(test_steps(cfg)),
        "backbone": plain(backbone),
        "neck": plain(neck[: len(fixed)] if learning and isinstance(neck, list) else neck),
        "normalisation": [plain(cfg.model.data_preprocessor.get(key)) for key in ("mean", "std")],
        "weights": digest.hexdigest(),
        **({} if tuple(views) == ("identity",) else {"views": list(views)}),
    }


def views_of(cfg: "Config") -> Sequence[str]:
    """Return the views of each photo that are learned from and predicted by: those of ``tta``."""
    return cfg.tta.views if cfg.tta.enabled else ("identity",)
