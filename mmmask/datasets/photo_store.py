"""A row of numbers for each photo, in one Arrow file that every process maps into its memory.

The file knows what it was made by, and of each photo the size, the times of change and a checksum
of the file it came from. So one of other settings, or of photos that have changed since, is known
as stale. Files whose times alone are others, as those of a copy, are read to compare the checksum.
Each row has a sum, which is checked whenever the row is read: a damaged one is never learned from.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from mmmask.errors import InputError, MissingFileError, first_line
from mmmask.files import atomic_write
from mmmask.json_files import check_kinds, json_object
from mmmask.reading import on_disk, read_bytes

#: Rows of one record batch: the unit that is written at once.
ROWS = 256
_KEY = b"mmmask_pack"
#: Part of what stands under this key -> its type.
_KINDS = {"made_by": dict, "shape": list, "dtype": str, "kind": str, "rows": int}

#: Of a photo's file: bytes, and when it was changed, and when it or its name was, in ns. The last
#: cannot be set back, but a copy has another one.
Stamp = tuple[int, int, int]
#: The columns that hold it.
_STAMP = ("bytes", "changed_ns", "inode_changed_ns")
#: The checksum of a file that changed while it was read, which none has.
_UNKNOWN = 0


class StalePackError(InputError):
    """A file that does not hold what is wanted of these photos as they are now."""


class PhotoStore:
    """Read access to the rows of a file; processes that read it share its pages of memory.

    Args:
        path: The file.
        images: Paths of the wanted photos, relative to ``data_root``; row ``i`` is of the i-th.
            None: all that it holds, without a look at the photos.
        data_root: Folder that holds the photos; None with ``images`` alone.
        made_by: What must have made the rows, as JSON has it; None: whatever did.
        kind: What messages call the file.
        maker: The tool that writes it.

    Attributes:
        images: Paths of the photos, in order.
        made_by: What made the rows, as JSON has it.

    Raises:
        MissingFileError: No such file.
        StalePackError: Made by something else or by an older version, without sums; or photos are
            missing or have changed since.
        InputError: The file is none of this kind; or, when a row is read, that row is damaged.
    """

    def __init__(
        self,
        path: str | Path,
        images: pa.StringArray | Sequence[str] | None,
        *,
        data_root: str | Path | None,
        made_by: Mapping[str, Any] | None,
        kind: str,
        maker: str,
    ) -> None:
        known: dict[str, Any] = {
            "data_root": data_root, "made_by": made_by, "kind": kind, "maker": maker
        }  # fmt: skip
        self._open = partial(PhotoStore, path, images, **known)  # for processes that do not fork
        self.path = Path(path)
        if not os.path.isfile(path):
            raise MissingFileError(f"{path}: no such {kind}; make it with {maker}")
        try:
            batches = pa.ipc.open_file(pa.memory_map(str(path)))
            text = (batches.schema.metadata or {})[_KEY]
            key = json_object(text, "its key")
            check_kinds(key, _KINDS, "its key")
            if missing := {"made_by", "shape"} - {*key}:
                raise ValueError(f"its key lacks {', '.join(sorted(missing))}")
            if key.get("kind", "pack of photos") != kind:
                raise ValueError(f"it is a {key['kind']}")
            table = batches.read_all()
            table.validate(full=True)  # else damaged lengths lead out of the file
            shape, dtype = (-1, *key["shape"]), np.dtype(key.get("dtype", "uint8"))
            self._parts = [
                np.frombuffer(chunk.buffers()[1], dtype=dtype).reshape(shape)
                for chunk in table["photo"].chunks
            ]
            if any(len(part) != ROWS for part in self._parts[:-1]):
                raise ValueError(f"a block must have {ROWS} rows")
            if len(table) != key.get("rows", len(table)):  # it may lack whole blocks
                raise ValueError(f"it must have {key['rows']} rows; got {len(table)}")
        except (pa.ArrowException, LookupError, ValueError, TypeError, OSError) as error:
            raise InputError(f"{path}: not a {kind}: {first_line(error)}") from error
        if "crc32" not in table.column_names:
            raise StalePackError(f"{path}: stale, an older version made it, without sums")
        self.made_by = key["made_by"]
        changed = "" if made_by is None else _changes(self.made_by, made_by)
        if changed:
            raise StalePackError(f"{path}: stale, {changed}")
        stored = pd.Index(table["image"].to_pandas())
        self._key = zlib.crc32(text)
        self._sums = table["crc32"].to_numpy()
        if images is None:
            self.images, self._rows = stored, np.arange(len(stored))
        else:
            self.images = pd.Index(images.to_pandas() if isinstance(images, pa.Array) else images)
            self._rows = _rows_of(table, stored, self.images, Path(data_root or "."), self.path)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Return row ``index``: a copy, so that augmentations may write to it."""
        part, row = divmod(int(self._rows[index]), ROWS)
        values = self._parts[part][row].copy()
        if sum_of(values, self.images[index], self._key) != self._sums[self._rows[index]]:
            raise InputError(
                f"{self.path}: damaged, its row of {self.images[index]} is not as it was written; "
                "delete this file, and it is made anew"
            )
        return values

    def __reduce__(self) -> tuple:
        return self._open, ()

    def array(self) -> NDArray[Any]:
        """Return all rows in one array, (N, ...); a :class:`StalePackError` if one is damaged."""
        rows = np.empty((len(self), *self._parts[0].shape[1:]), self._parts[0].dtype)
        try:
            for index in range(len(self)):  # never the whole file twice
                rows[index] = self[index]
        except InputError as error:
            raise StalePackError(str(error)) from error
        return rows


def write_store(
    path: str | Path,
    images: Sequence[str],
    rows: Iterable[NDArray[Any]],
    *,
    data_root: str | Path,
    made_by: Mapping[str, Any],
    kind: str,
    shape: tuple[int, ...],
    dtype: DTypeLike,
) -> None:
    """Write the rows of photos; the file appears whole or not at all.

    Args:
        path: The file.
        images: Paths of the photos relative to ``data_root``, each given once.
        rows: Their rows in order, in batches (n, *shape) of any n.
        data_root: Folder that holds the photos.
        made_by: What makes the rows, as JSON has it.
        kind: As in :class:`PhotoStore`.
        shape: Of the row of a photo.
        dtype: Of its numbers.
    """
    fields = [
        pa.field("image", pa.string()),
        *(pa.field(name, pa.int64()) for name in (*_STAMP, "checksum")),
        pa.field("crc32", pa.uint32()),
        pa.field("photo", pa.binary(int(np.prod(shape)) * np.dtype(dtype).itemsize)),
    ]
    key: dict[str, Any] = {
        "made_by": made_by, "shape": shape, "dtype": np.dtype(dtype).name, "kind": kind,
        "rows": len(images),
    }  # fmt: skip
    text = json.dumps(key).encode()
    schema = pa.schema(fields, metadata={_KEY: text})
    # Before the photos are read: one that changes meanwhile is stale then, and not wrong.
    stamps = [stamp_of(Path(data_root), image) for image in images]
    start = 0
    with atomic_write(path) as target, pa.ipc.new_file(str(target), schema) as writer:
        for block in _blocks(rows, shape, dtype):
            part = slice(start, start + len(block))
            column = pa.FixedSizeBinaryArray.from_buffers(
                fields[-1].type, len(block), [None, pa.py_buffer(block.reshape(-1))]
            )
            names = list(images[part])
            facts = zip(*stamps[part], strict=True)
            files = [
                _checksum(Path(data_root), *one) for one in zip(names, stamps[part], strict=True)
            ]
            sums = [sum_of(*row, zlib.crc32(text)) for row in zip(block, names, strict=True)]
            columns = [names, *facts, files, sums, column]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            start += len(block)


def sum_of(row: NDArray[Any], image: str, key: int) -> int:
    """Return the CRC-32 of a row, of the photo's path and of the file's key, whose sum is given."""
    return zlib.crc32(np.ascontiguousarray(row).data, zlib.crc32(image.encode(), key))


def _blocks(
    batches: Iterable[NDArray[Any]], shape: tuple[int, ...], dtype: DTypeLike
) -> Iterator[NDArray[Any]]:
    """Yield the rows of batches in blocks of :data:`ROWS`, the last one smaller."""
    waiting = np.empty((0, *shape), dtype)
    for batch in batches:
        waiting = np.concatenate([waiting, np.asarray(batch, dtype)])
        while len(waiting) >= ROWS:
            yield waiting[:ROWS]
            waiting = waiting[ROWS:]
    if len(waiting):
        yield waiting


def _changes(stored: dict[str, Any], wanted: Mapping[str, Any]) -> str:
    """Return in words what differs; empty where nothing does."""
    facts = []
    for name in sorted({*stored, *wanted}):
        was, now = stored.get(name), wanted.get(name)
        if isinstance(was, list) and isinstance(now, list):
            was, now = [s for s in was if s not in now], [s for s in now if s not in was]
        if was != now:
            facts.append(f"its {name} were {was}, wanted are {now}")
    return "; ".join(facts)


def _rows_of(
    table: pa.Table, stored: pd.Index, wanted: pd.Index, root: Path, path: Path
) -> NDArray[np.int64]:
    """Return the row of each image; refuse the file if one photo has changed since."""
    rows = stored.get_indexer(wanted)
    if (rows < 0).any():
        raise StalePackError(
            f"{path}: stale, {int((rows < 0).sum())} of {len(wanted)} photos are not in it, "
            f"the first is {wanted[rows < 0][0]}"
        )
    known = np.column_stack([table[name].to_numpy() for name in (*_STAMP, "checksum")])[rows]
    for image, (*stamp, checksum) in zip(wanted, known.tolist(), strict=True):
        now = stamp_of(root, image)
        if now != tuple(stamp) and (
            now[0] != stamp[0] or checksum == _UNKNOWN or _checksum(root, image, now) != checksum
        ):
            raise StalePackError(
                f"{path}: stale, {os.path.join(root, image)} has changed since it was made"
            )
    return rows


def stamp_of(root: Path, image: str) -> Stamp:
    """Return the size of a photo's file and its times of change."""
    path = os.path.join(root, image)
    try:
        status = os.stat(on_disk(path))
    except FileNotFoundError as error:
        raise MissingFileError(f"{path}: no such photo") from error
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


@cache
def _checksum(root: Path, image: str, stamp: Stamp) -> int:
    """Return the checksum of a photo's file; ``_UNKNOWN`` if it is no longer as the stamp says."""
    data = read_bytes(os.path.join(root, image))
    if stamp_of(root, image) != stamp:
        return _UNKNOWN
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big", signed=True)
