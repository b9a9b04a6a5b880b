"""The order of photos in an epoch, and the seed of each photo's augmentation."""

from collections.abc import Iterator, Sized
from typing import NamedTuple

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmpretrain.registry import DATA_SAMPLERS
from numpy.typing import NDArray
from torch.utils.data import Sampler

from mmmask.errors import InputError


class Draw(NamedTuple):
    """One photo to load."""

    row: int  # in the dataset
    seed: int  # of its augmentation
    repeat: int = 0  # how often the epoch has drawn it before, over all processes


@DATA_SAMPLERS.register_module()
class EpochSampler(Sampler):
    """Shuffle once per epoch and give each position its own augmentation seed.

    Order and seeds are functions of (seed, epoch, position) alone: the same for any number of
    workers, in a resumed run, and, taken over all processes, for any number of processes.
    Subclasses override :meth:`order` to draw photos with other frequencies, and set
    ``epoch_length`` where an epoch has not as many draws as the dataset has photos.

    Args:
        dataset: Sized dataset.
        seed: Seed shared by all processes; None draws one and shares it.
        shuffle: Whether to shuffle; otherwise the dataset's order.
    """

    def __init__(self, dataset: Sized, *, seed: int | None = None, shuffle: bool = True) -> None:
        if hasattr(dataset, "full_init") and not hasattr(dataset, "__getitems__"):
            raise InputError(
                f"sampler {type(self).__name__} gives each photo a seed, which datasets such as "
                "MaskFaceDataset take, alone and not wrapped, and DefaultSampler gives none; got "
                f"{type(dataset).__name__}"
            )
        self.dataset = dataset
        self.seed = sync_random_seed() if seed is None else seed
        self.shuffle = shuffle
        self.epoch = 0
        self.epoch_length = len(dataset)  # draws over all processes
        self.rank, self.world_size = get_dist_info()

    def set_epoch(self, epoch: int) -> None:
        """Move to an epoch; MMEngine's DistSamplerSeedHook calls it."""
        self.epoch = epoch

    def order(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Return the indices of this epoch over all processes."""
        size = len(self.dataset)
        return random.permutation(size) if self.shuffle else np.arange(size)

    def __iter__(self) -> Iterator[Draw]:
        random = np.random.default_rng([self.seed, self.epoch])
        order = self.order(random)
        # Wrap around so that every process has the same number of steps.
        order = np.resize(order, len(self) * self.world_size)
        seeds = random.integers(2**32, size=len(order), dtype=np.uint32)
        mine = slice(self.rank, None, self.world_size)
        repeats = earlier_draws(order)
        return map(Draw, *(part[mine].tolist() for part in (order, seeds, repeats)))

    def __len__(self) -> int:
        return -(-self.epoch_length // self.world_size)


@DATA_SAMPLERS.register_module()
class CyclingSampler(EpochSampler):
    """Draw a set number of photos per epoch, in pass after pass over the data set.

    Each pass is a shuffle of its own and shows every photo once, wherever an epoch ends: over the
    run no photo is drawn two times more often than another.

    Args:
        dataset: As in :class:`EpochSampler`.
        photos: Photos per process and epoch, at least 1.
        seed: As in :class:`EpochSampler`.
    """

    def __init__(self, dataset: Sized, *, photos: int, seed: int | None = None) -> None:
        super().__init__(dataset, seed=seed)
        self.photos = photos

    def order(self, random: np.random.Generator) -> NDArray[np.int64]:
        size, count = len(self.dataset), len(self) * self.world_size
        first, begin = divmod(self.epoch * count, size)
        passes = [
            np.random.default_rng([self.seed, turn]).permutation(size)
            for turn in range(first, first + (begin + count - 1) // size + 1)
        ]
        return np.concatenate(passes)[begin : begin + count]

    def __len__(self) -> int:
        return self.photos


def earlier_draws(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each entry has occurred before: [4, 7, 4, 4] -> [0, 0, 1, 2]."""
    grouped = np.argsort(order, kind="stable")
    values = order[grouped]
    repeats = np.empty_like(order)
    repeats[grouped] = np.arange(len(order)) - np.searchsorted(values, values)
    return repeats
