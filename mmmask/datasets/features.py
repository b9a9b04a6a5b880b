"""Frozen features of photos, kept in a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from mmmask.errors import InputError, MissingFileError, first_line


@dataclass(frozen=True)
class Features:
    """Features of N photos.

    Attributes:
        path: The file.
        images: (N,) paths relative to the data root.
        values: (N, D) in the same order.
    """

    path: Path
    images: pd.Index
    values: NDArray[np.float32]

    def of(self, images: Sequence[str]) -> NDArray[np.float32]:
        """Return the features of photos, (n, D); an :class:`InputError` where one has none."""
        rows = self.images.get_indexer(pd.Index(images))
        if (rows < 0).any():
            raise InputError(
                f"{self.path}: has no features of {(rows < 0).sum():,} of {len(rows):,} photos, "
                f"such as {images[int((rows < 0).argmax())]}"
            )
        return self.values[rows]


def read_features(path: str | Path) -> Features:
    """Read a file of features: an Arrow table of image and feature, a list of fixed size."""
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file of features")
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        values = table["feature"].combine_chunks()
        flat = values.flatten().to_numpy().reshape(len(table), -1)
        images = pd.Index(table["image"].to_pandas())
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path}: not a file of features: {first_line(error)}") from error
    return Features(path, images, flat.astype(np.float32, copy=False))
