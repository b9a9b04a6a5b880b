"""A set number of photos an epoch, however many the data set has."""

from collections.abc import Sized

import numpy as np
from mmpretrain.registry import DATA_SAMPLERS
from numpy.typing import NDArray

from mmmask.datasets.sampler import EpochSampler


@DATA_SAMPLERS.register_module()
class CyclingSampler(EpochSampler):
    """Draw photos pass after pass over the data set, without regard to where an epoch ends.

    Each pass is a shuffle of its own and shows every photo once, so that over the run no photo
    is seen twice more often than another. As in :class:`EpochSampler`, order and seeds are
    functions of (seed, epoch, position) alone.

    Args:
        dataset: Sized dataset.
        photos: Photos of a process in an epoch, at least 1.
        seed: Seed shared by all processes; None draws one and shares it.
    """

    def __init__(self, dataset: Sized, *, photos: int, seed: int | None = None) -> None:
        super().__init__(dataset, seed=seed)
        self.photos = photos

    def order(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Return the indices of this epoch over all processes."""
        size, count = len(self.dataset), len(self) * self.world_size
        start = self.epoch * count
        first, last = start // size, (start + count - 1) // size
        passes = [
            np.random.default_rng([self.seed, turn]).permutation(size)
            for turn in range(first, last + 1)
        ]
        begin = start - first * size
        return np.concatenate(passes)[begin : begin + count]

    def __len__(self) -> int:
        return self.photos
