"""The table of face boxes: read once, looked up by photo, known by its content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmmask.blocks import plain, preprocessing_of
from mmmask.errors import InputError, MissingFileError
from mmmask.tables import BOXES, read_table

EDGES = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True)
class FaceBoxes:
    """Boxes of many photos, held by arrays that forked workers share."""

    rows: Mapping[str, int]  # image -> row
    shapes: NDArray[np.int32]  # (N, 2) height and width of the photos in pixels
    edges: NDArray[np.float32]  # (N, 4) x0, y0, x1, y1 in pixels; NaN where no face was found
    fingerprint: str  # hash of the content; path, order of rows and format do not count

    def typical(self) -> NDArray[np.float64]:
        """Return the median box, its edges as shares of the width and height of its photo."""
        height, width = self.shapes.T
        shares = self.edges / np.stack([width, height, width, height], axis=1)
        return np.nanmedian(shares, axis=0)


def read_boxes(path: str | Path) -> FaceBoxes:
    """Return the boxes of a table; a file that has not changed is read once per process.

    Raises:
        MissingFileError: It is not there.
        InputError: A box is empty or incomplete, a photo is listed twice, or none has a face.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(
            f"{path}: no such file; tools/detect_faces.py makes it, and "
            "preprocessing.faces.boxes of the config names it"
        )
    return _read_boxes(path, path.stat().st_mtime_ns)


@cache
def _read_boxes(path: Path, changed: int) -> FaceBoxes:
    table = read_table(path, BOXES)
    edges = table[list(EDGES)].to_numpy(dtype=np.float32)
    found = ~np.isnan(edges).any(axis=1)
    twice = table["image"][table["image"].duplicated()]
    if len(twice):
        raise InputError(f"{path}: {twice.iloc[0]} appears twice; keep one row")
    if not found.any():
        raise InputError(f"{path}: none of its {len(table)} photos has a face")
    broken = ~found & ~np.isnan(edges).all(axis=1)
    if broken.any():
        raise InputError(
            f"{path}: the box of {table['image'][broken].iloc[0]} must have all of "
            f"{', '.join(EDGES)}, or none"
        )
    empty = found & ((edges[:, 2] <= edges[:, 0]) | (edges[:, 3] <= edges[:, 1]))
    if empty.any():
        raise InputError(
            f"{path}: the box of {table['image'][empty].iloc[0]} must have x0 < x1 and y0 < y1"
        )
    content = table[["image", "width", "height", *EDGES]].sort_values("image").round(1)
    return FaceBoxes(
        rows={image: row for row, image in enumerate(table["image"])},
        shapes=table[["height", "width"]].to_numpy(dtype=np.int32),
        edges=edges,
        fingerprint=hashlib.sha256(content.to_csv(index=False).encode()).hexdigest(),
    )


def described(preprocessing: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a ``preprocessing`` block that names a table of boxes by its content."""
    faces = preprocessing.get("faces")
    return preprocessing if faces is None else {**preprocessing, "faces": by_content(faces)}


def by_content(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a face crop with the hash of its table in the place of the path."""
    return {**options, "boxes": f"sha256 {read_boxes(options['boxes']).fingerprint}"}


def preprocessing_facts(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return what checkpoints and tables state of a config's preprocessing, as plain values.

    It names a table of boxes by its content, see :func:`described`, which reads that table.
    """
    return plain(described(preprocessing_of(cfg)))
