"""Photos packed once: decoded, cropped and resized as the config says, in one memory-mapped file.

A pack is a :class:`PhotoStore` that was made by the first steps of a pipeline.
"""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from mmmask.blocks import test_steps
from mmmask.datasets.data_source import DataSource
from mmmask.datasets.face_boxes import by_content
from mmmask.datasets.photo_store import ROWS, PhotoStore, StalePackError, write_store
from mmmask.datasets.unreadable import DROP, REPAIR, all_unreadable, dropped_as_unreadable
from mmmask.errors import InputError, MissingFileError, UnreadablePhotoError
from mmmask.files import locked
from mmmask.tables import SAMPLES, read_table

if TYPE_CHECKING:
    from mmengine.config import Config

logger = logging.getLogger("mmmask")

#: Changes when photos of the same steps come out different.
VERSION = 2
_KIND = "pack of photos"


def open_pack(
    path: str | Path,
    images: pa.StringArray | Sequence[str],
    *,
    data_root: str | Path,
    steps: Sequence[Mapping[str, Any]],  # the transforms that must have made the photos
) -> PhotoStore:
    """Return the packed photos, (H, W, 3) BGR each; ``Args`` and ``Raises`` of PhotoStore."""
    made = made_by(steps)
    return PhotoStore(
        path, images, data_root=data_root, made_by=made, kind=_KIND, maker="tools/pack.py"
    )


def ensure_pack(cfg: "Config") -> int:
    """Make the pack that ``data.pack`` names, unless it is still right; return how many photos."""
    path, root = Path(cfg.data.pack), cfg.data.data_root
    if path.suffix != ".arrow":
        raise InputError(
            f"{path}: a pack of photos must end in .arrow; got {path.suffix or 'no suffix'}"
        )
    steps = test_steps(cfg)
    steps = steps[: packed_steps(steps)]
    images = photos_of(cfg)
    given = {"data_root": root, "steps": steps}
    if _why_not(path, images, **given) is not None:
        # Of several runs that start at once, one packs, and the others wait.
        with locked(path, tidy=True):
            why = _why_not(path, images, **given)
            if why is not None:
                if path.is_file():
                    logger.warning(f"{why}; packing again")
                write_pack(path, images, **given)
    return len(images)


def _why_not(path: Path, images: Sequence[str], **given: Any) -> str | None:
    """Return why a file is not the pack of these photos; None where it is."""
    try:
        open_pack(path, images, **given)
    except (MissingFileError, StalePackError) as error:
        return str(error)
    return None


def write_pack(
    path: str | Path,
    images: Sequence[str],
    *,
    data_root: str | Path,
    steps: Sequence[Mapping[str, Any]],
) -> None:
    """Pack photos, in parallel, with a progress bar; the file appears whole or not at all.

    The arguments are those of :func:`open_pack`; each image is given once.

    Raises:
        InputError: There is no photo, or one cannot be decoded.
    """
    from mmpretrain.registry import TRANSFORMS

    if len(images) == 0:
        raise InputError(f"{data_root}: holds no photo to pack")
    transforms = [TRANSFORMS.build(dict(step)) for step in steps]

    def prepared(image: str) -> NDArray[np.uint8]:
        results: dict[str, Any] = {"img_path": os.path.join(data_root, image)}
        try:
            for transform in transforms:
                results = transform(results)
        except UnreadablePhotoError as error:
            paths = [os.path.join(data_root, image) for image in images]
            raise all_unreadable(error, paths, f"{DROP}; photos to predict: {REPAIR}") from error
        return results["img"]

    starts = range(0, len(images), ROWS)
    bar = track(starts, f"packing {len(images)} photos", console=Console(stderr=True))
    # OpenCV decodes and resizes without Python's lock, so threads are enough.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        write_store(
            path,
            images,
            (np.stack(list(pool.map(prepared, images[start : start + ROWS]))) for start in bar),
            data_root=data_root,
            made_by=made_by(steps),
            kind=_KIND,
            shape=prepared(images[0]).shape,
            dtype=np.uint8,
        )


def made_by(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what decides how packed photos look, as JSON has it: the steps and the decoder."""
    named = []
    for step in steps:
        step = {name: value for name, value in step.items() if name != "data_root"}
        named.append(by_content(step) if "boxes" in step else step)
    facts = {"steps": named, "opencv": cv2.__version__, "pack": VERSION}
    return json.loads(json.dumps(facts))


def packed_steps(pipeline: Sequence[Mapping[str, Any]]) -> int:
    """Return how many steps of a pipeline, from its start, are the same for every epoch.

    They load and preprocess; ``Preprocess`` is the last of them. A pack stores what they give.
    """
    names = [step["type"] for step in pipeline]
    if "Preprocess" not in names:
        raise InputError(f"a pipeline that is packed needs the step Preprocess; got {names}")
    return names.index("Preprocess") + 1


def photos_of(cfg: "Config", *, with_eval: bool = True) -> list[str]:
    """Return the photos of a config's data and of its further samples, each once.

    Those that ``data.drop`` leaves out as unreadable are not among them.
    """
    images = list(DataSource.of(cfg).images(with_eval=with_eval))
    for table in cfg.data.samples:
        images += read_table(table, SAMPLES)["image"].tolist()
    unread = dropped_as_unreadable(cfg.data.drop)
    return [image for image in dict.fromkeys(images) if image not in unread]
