"""Frozen features as a probe leaves them, without a network."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmmask.datasets.features import KIND
from mmmask.datasets.photo_store import write_store


def made_features(path: Path, images: Sequence[str], values: NDArray[np.floating]) -> Path:
    """Write features of photos, (N, D), and return their file; the photos are empty files."""
    root = path.with_suffix("")
    for image in images:
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        (root / image).touch()
    shape = values.shape[1:]
    write_store(
        path,
        list(images),
        [np.asarray(values)],
        data_root=root,
        made_by={},
        kind=KIND,
        shape=shape,
        dtype=np.float32,
    )
    return path
