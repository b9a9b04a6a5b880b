"""Photos packed once: decoded, cropped and resized as the config says, in one memory-mapped file.

A pack is an Arrow file with one row per photo. Its schema metadata name the steps that made the
photos; beside each photo stand the size and the time of change of the file it came from. So a
pack of another preprocessing, or of photos that have changed since, is known as stale.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from mmmask.blocks import test_steps
from mmmask.datasets.face_boxes import by_content
from mmmask.datasets.layout import read_eval, read_train
from mmmask.errors import InputError, MissingFileError, first_line
from mmmask.files import atomic_write
from mmmask.tables import SAMPLES, read_table

if TYPE_CHECKING:
    from mmengine.config import Config

logger = logging.getLogger("mmmask")

#: Rows of one record batch: the unit that is written at once.
ROWS = 256
#: Changes when photos of the same steps come out different.
VERSION = 1
_KEY = b"mmmask_pack"


class StalePackError(InputError):
    """A pack that does not hold these photos as these steps make them now."""


class PackedPhotos:
    """Read access to the photos of a pack; processes that read it share its pages of memory.

    Args:
        path: The pack.
        images: Paths of the wanted photos, relative to ``data_root``; photo ``i`` is the i-th.
        data_root: Folder that the photos were packed from.
        steps: The transforms that must have made the photos, as config dicts.

    Raises:
        MissingFileError: No such pack.
        StalePackError: Made by other steps, or photos are missing or have changed since.
        InputError: The file is no pack.
    """

    def __init__(
        self,
        path: str | Path,
        images: pa.StringArray | Sequence[str],
        *,
        data_root: str | Path,
        steps: Sequence[Mapping[str, Any]],
    ) -> None:
        # For processes that do not fork.
        self._open = partial(PackedPhotos, path, images, data_root=data_root, steps=steps)
        self.path = Path(path)
        if not self.path.is_file():
            raise MissingFileError(f"{path}: no such pack of photos; make it with tools/pack.py")
        try:
            batches = pa.ipc.open_file(pa.memory_map(str(path)))
            key = json.loads((batches.schema.metadata or {})[_KEY])
            table = batches.read_all()
        except (pa.ArrowException, KeyError, ValueError, OSError) as error:
            raise InputError(f"{path}: not a pack of photos: {first_line(error)}") from error
        changed = _changes(key["made_by"], made_by(steps))
        if changed:
            raise StalePackError(f"{path}: stale, {changed}")
        self._rows = _rows_of(table, images, Path(data_root), self.path)
        shape = (-1, *key["shape"])
        self._parts = [
            np.frombuffer(chunk.buffers()[1], dtype=np.uint8).reshape(shape)
            for chunk in table["photo"].chunks
        ]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Return photo ``index``, (H, W, 3) BGR: a copy, so that augmentations may write to it."""
        part, row = divmod(int(self._rows[index]), ROWS)
        return self._parts[part][row].copy()

    def __reduce__(self) -> tuple:
        return self._open, ()


def ensure_pack(cfg: "Config") -> int:
    """Make the pack that ``data.pack`` names, unless it is still right; return how many photos."""
    path, root = Path(cfg.data.pack), cfg.data.data_root
    if path.suffix != ".arrow":
        raise InputError(f"{path}: a pack of photos ends in .arrow, got {path.suffix or 'none'}")
    steps = test_steps(cfg)
    steps = steps[: packed_steps(steps)]
    images = list(photos_of_root(root))
    for table in cfg.data.samples:
        images += read_table(table, SAMPLES)["image"].tolist()
    images = list(dict.fromkeys(images))
    if path.is_file():
        try:
            PackedPhotos(path, images, data_root=root, steps=steps)
        except StalePackError as error:
            logger.warning(f"{error}; packing anew")
        else:
            return len(images)
    write_pack(path, images, data_root=root, steps=steps)
    return len(images)


def write_pack(
    path: str | Path,
    images: Sequence[str],
    *,
    data_root: str | Path,
    steps: Sequence[Mapping[str, Any]],
) -> None:
    """Pack photos, in parallel, with a progress bar; the file appears whole or not at all.

    The arguments are those of :class:`PackedPhotos`; each image is given once.

    Raises:
        InputError: There is no photo, or one cannot be decoded.
    """
    from mmpretrain.registry import TRANSFORMS

    if len(images) == 0:
        raise InputError(f"{data_root}: there is no photo to pack")
    transforms = [TRANSFORMS.build(dict(step)) for step in steps]
    root = Path(data_root)

    def prepared(image: str) -> tuple[NDArray[np.uint8], int, int]:
        size, changed = _stamp(root, image)
        results: dict[str, Any] = {"img_path": f"{data_root}/{image}"}
        for transform in transforms:
            results = transform(results)
        return results["img"], size, changed

    shape = prepared(images[0])[0].shape
    fields = [
        pa.field("image", pa.string()),
        pa.field("bytes", pa.int64()),
        pa.field("changed_ns", pa.int64()),
        pa.field("photo", pa.binary(int(np.prod(shape)))),
    ]
    key = {"made_by": made_by(steps), "shape": shape}
    schema = pa.schema(fields, metadata={_KEY: json.dumps(key).encode()})
    starts = range(0, len(images), ROWS)
    bar = track(starts, f"packing {len(images)} photos", console=Console(stderr=True))
    # OpenCV decodes and resizes without Python's lock, so threads are enough.
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        atomic_write(path) as target,
        pa.ipc.new_file(str(target), schema) as writer,
    ):
        for start in bar:
            part = list(images[start : start + ROWS])
            photos, sizes, changes = zip(*pool.map(prepared, part), strict=True)
            block = np.ascontiguousarray(np.stack(photos)).reshape(-1)
            column = pa.FixedSizeBinaryArray.from_buffers(
                fields[3].type, len(part), [None, pa.py_buffer(block)]
            )
            writer.write_batch(
                pa.record_batch([pa.array(part), sizes, changes, column], schema=schema)
            )


def made_by(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what decides how packed photos look, as JSON has it: the steps and the decoder."""
    named = []
    for step in steps:
        step = {name: value for name, value in step.items() if name != "data_root"}
        named.append(by_content(step) if "boxes" in step else step)
    facts = {"steps": named, "opencv": cv2.__version__, "pack": VERSION}
    return json.loads(json.dumps(facts))


def _changes(packed: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Return in words what differs; empty where nothing does."""
    facts = []
    for name in sorted({*packed, *wanted}):
        was, now = packed.get(name), wanted.get(name)
        if isinstance(was, list) and isinstance(now, list):
            was, now = [s for s in was if s not in now], [s for s in now if s not in was]
        if was != now:
            facts.append(f"its {name} were {was}, wanted are {now}")
    return "; ".join(facts)


def _rows_of(
    table: pa.Table, images: pa.StringArray | Sequence[str], root: Path, path: Path
) -> NDArray[np.int64]:
    """Return the row of each image in the pack; refuse the pack if one has changed since."""
    names = pd.Index(table["image"].to_pandas())
    wanted = pd.Index(images.to_pandas() if isinstance(images, pa.Array) else images)
    rows = names.get_indexer(wanted)
    if (rows < 0).any():
        raise StalePackError(
            f"{path}: stale, {int((rows < 0).sum())} of {len(wanted)} photos are not in it, "
            f"the first is {wanted[rows < 0][0]}"
        )
    packed = np.column_stack([table["bytes"].to_numpy(), table["changed_ns"].to_numpy()])[rows]
    for image, stamp in zip(wanted, packed.tolist(), strict=True):
        if _stamp(root, image) != tuple(stamp):
            raise StalePackError(f"{path}: stale, {root}/{image} has changed since it was packed")
    return rows


def _stamp(root: Path, image: str) -> tuple[int, int]:
    """Return the size of a photo's file in bytes and its time of change in ns."""
    try:
        status = os.stat(f"{root}/{image}")
    except FileNotFoundError as error:
        raise MissingFileError(f"{root}/{image}: no such photo") from error
    return status.st_size, status.st_mtime_ns


def packed_steps(pipeline: Sequence[Mapping[str, Any]]) -> int:
    """Return how many steps of a pipeline, from its start, are the same for every epoch.

    They load and preprocess; ``Preprocess`` is the last of them. A pack stores what they give.
    """
    names = [step["type"] for step in pipeline]
    if "Preprocess" not in names:
        raise InputError(f"a pipeline that is packed needs the step Preprocess; got {names}")
    return names.index("Preprocess") + 1


def photos_of_root(root: str | Path) -> Iterator[str]:
    """Yield the photos of a data root, train/ then eval/, as far as it has them."""
    root = Path(root)
    if (root / "train" / "train.csv").is_file() or not (root / "eval" / "info.csv").is_file():
        yield from read_train(root)["image"]
    if (root / "eval" / "info.csv").is_file():
        yield from read_eval(root)["image"]
