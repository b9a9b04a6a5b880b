"""A dataset whose photos are augmented by seeds of their own, in any process."""

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mmpretrain.datasets import BaseDataset
from torch.utils.data import get_worker_info

from mmmask.datasets.sampler import Draw
from mmmask.datasets.unreadable import REPAIR, all_unreadable
from mmmask.errors import UnreadablePhotoError


class PhotoDataset(BaseDataset):
    """The photos in a samples table; subclasses read ``samples`` and define ``get_data_info``.

    The table is read on construction, so MMEngine's ``full_init`` has nothing left to do.
    """

    samples: pd.DataFrame
    #: What a user may do about photos that cannot be read.
    way_out = REPAIR

    def __init__(
        self, data_root: str | Path, *, pipeline: Sequence[dict], test_mode: bool = False
    ) -> None:
        super().__init__(
            ann_file="",
            data_root=str(data_root),
            pipeline=pipeline,
            test_mode=test_mode,
            lazy_init=True,
        )
        self._fully_initialized = True

    def __len__(self) -> int:
        return len(self.samples)

    def path_of(self, image: str) -> str:
        """Return the path of a photo as a table names it, relative to the data root or absolute."""
        return os.path.join(self.data_root, image)

    def __getitem__(self, draw: int | Draw) -> Any:
        """Load a photo; a :class:`Draw` also seeds its augmentation."""
        return self.__getitems__([draw])[0]

    def __getitems__(self, draws: Sequence[int | Draw]) -> list[Any]:
        """Load the photos of a batch; torch's DataLoader asks for them at once by this name."""
        photos = []
        with own_generators():
            for draw in draws:
                if isinstance(draw, Draw):
                    seed_generators(draw.seed)
                    info = {**self.get_data_info(draw.row), "repeat": draw.repeat}
                else:
                    info = self.get_data_info(draw)
                try:
                    photos.append(self.pipeline(info))
                except UnreadablePhotoError as error:
                    paths = [self.get_data_info(row)["img_path"] for row in range(len(self))]
                    raise all_unreadable(error, paths, self.way_out) from error
        return photos


def seed_generators(seed: int) -> None:
    """Seed the global generators, which are what OpenMMLab's transforms draw from."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)


@contextmanager
def own_generators() -> Iterator[None]:
    """Give the main process its generators back as they were; a worker has none to lose."""
    if get_worker_info() is not None:
        yield
        return
    saved = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(saved[0])
        np.random.set_state(saved[1])  # noqa: NPY002
        torch.set_rng_state(saved[2])
