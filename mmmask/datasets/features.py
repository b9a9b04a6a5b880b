"""What a frozen backbone sees in each photo, in a file: computed once, learned from often.

The file is a :class:`PhotoStore` of the head's inputs. It knows the preprocessing, the backbone
with its neck and their weights, and is stale once any of them, or a photo, is another.
"""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.blocks import plain, test_steps
from mmmask.datasets.packed import made_by
from mmmask.datasets.photo_store import PhotoStore, write_store
from mmmask.errors import InputError

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn

#: The view, of those of test-time augmentation, that leaves a photo as it is.
AS_IT_IS = "identity"
KIND, _MAKER = "file of features", "tools/linear_probe.py"


class Features:
    """The features of photos.

    Attributes:
        images: Paths of the photos, relative to the data root.
        values: (N, D) float32, in the order of ``images``.
    """

    def __init__(self, path: Path, images: pd.Index, values: NDArray[np.float32]) -> None:
        self.path, self.images, self.values = path, images, values

    def digest(self) -> str:
        """Return the SHA-256 of photos and features."""
        digest = hashlib.sha256("\n".join(self.images).encode())
        digest.update(self.values.tobytes())
        return digest.hexdigest()

    def of(self, images: Iterable[str]) -> NDArray[np.float32]:
        """Return the features of some photos, (n, D).

        Raises:
            InputError: One of them is not in the file.
        """
        wanted = pd.Index(images)
        rows = self.images.get_indexer(wanted)
        if (rows < 0).any():
            raise InputError(
                f"{self.path}: {int((rows < 0).sum())} of {len(wanted)} photos are not in it, the "
                f"first is {wanted[rows < 0][0]}"
            )
        return self.values[rows]


def read_features(path: str | Path) -> Features:
    """Return all that a file of features holds, whatever made it; the photos are not looked at."""
    store = PhotoStore(path, None, data_root=None, made_by=None, kind=KIND, maker=_MAKER)
    return Features(store.path, store.images, store.array())


def open_features(
    cfg: "Config",
    model: "nn.Module",
    images: Sequence[str],
    path: str | Path,
    view: str = AS_IT_IS,
) -> Features:
    """Return what a classifier's head gets for a view of photos, from a file.

    Raises:
        MissingFileError: No such file, or a photo is gone.
        StalePackError: Something else made it, or photos are missing or have changed since.
        InputError: It is none.
    """
    made, root = features_made_by(cfg, model, view), cfg.data.data_root
    store = PhotoStore(path, images, data_root=root, made_by=made, kind=KIND, maker=_MAKER)
    return Features(store.path, store.images, store.array())


def write_features(
    cfg: "Config",
    model: "nn.Module",
    images: Sequence[str],
    batches: Iterable[NDArray[np.float32]],
    path: str | Path,
    view: str = AS_IT_IS,
) -> None:
    """Write what a head gets for a view of photos: batches of rows (n, D) in their order."""
    rows = iter(batches)
    first = next(rows)
    write_store(
        path,
        images,
        chain([first], rows),
        data_root=cfg.data.data_root,
        made_by=features_made_by(cfg, model, view),
        kind=KIND,
        shape=first.shape[1:],
        dtype=np.float32,
    )


def features_made_by(cfg: "Config", model: "nn.Module", view: str = AS_IT_IS) -> dict[str, Any]:
    """Return what decides the features of a photo, as JSON has it."""
    parts = {name: getattr(model, name) for name in ("data_preprocessor", "backbone", "neck")}
    digest = hashlib.sha256()
    for part in filter(None, parts.values()):
        for name, value in part.state_dict().items():
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    backbone = {key: value for key, value in cfg.model.backbone.items() if key != "init_cfg"}
    return {
        **made_by(test_steps(cfg)),
        "backbone": plain(backbone),
        "neck": plain(cfg.model.get("neck")),
        "normalisation": [plain(cfg.model.data_preprocessor.get(key)) for key in ("mean", "std")],
        "weights": digest.hexdigest(),
        **({} if view == AS_IT_IS else {"view": view}),
    }
