"""The order of photos in an epoch, and the seed of each photo's augmentation."""

from collections.abc import Iterator, Sized
from typing import Any, NamedTuple

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmpretrain.registry import DATA_SAMPLERS
from numpy.typing import NDArray
from torch.utils.data import Sampler

from mmmask.datasets.mixture import Mixture, mixture_of
from mmmask.errors import InputError


class Draw(NamedTuple):
    """One photo to load."""

    row: int  # in the dataset
    seed: int  # of its augmentation
    repeat: int = 0  # how often the epoch has drawn it before, over all processes


@DATA_SAMPLERS.register_module()
class EpochSampler(Sampler):
    """Shuffle in each epoch and give each position its own augmentation seed.

    Order and seeds are functions of (seed, epoch, position) alone: the same for any number of
    workers, in a resumed run, and, taken over all processes, for any number of processes.
    Subclasses override :meth:`order` to draw photos with other frequencies, and set
    ``epoch_length`` where an epoch has not as many draws as the dataset has photos; they override
    :meth:`share` where processes are not to take turns.

    Where the dataset states ``source_weights``, what is shuffled is a :class:`Mixture`: every
    source has its share of each batch, in each process, and an epoch has as many photos as before.
    Subclasses, whose frequencies are others, refuse it.

    Args:
        dataset: Sized dataset, perhaps with ``source_weights`` and ``samples``.
        seed: Seed shared by all processes; None draws one and shares it.
        shuffle: Whether to shuffle; otherwise the dataset's order.
        times: How often an epoch draws each photo, at least 1: in pass after pass over all.

    Raises:
        InputError: The dataset takes no seeds, or ``times`` is below 1.
    """

    def __init__(
        self, dataset: Sized, *, seed: int | None = None, shuffle: bool = True, times: int = 1
    ) -> None:
        if times < 1:
            raise InputError(f"sampler.times must be at least 1; got {times}")
        if hasattr(dataset, "full_init") and not hasattr(dataset, "__getitems__"):
            raise InputError(
                f"sampler {type(self).__name__} needs a dataset that takes a seed for each photo, "
                f"as an unwrapped MaskFaceDataset does; got {type(dataset).__name__}; use "
                "DefaultSampler, which gives no seeds"
            )
        self.dataset = dataset
        self.seed = sync_random_seed() if seed is None else seed
        self.shuffle = shuffle
        self.times = times
        self.epoch = 0
        self.epoch_length = len(dataset) * times  # draws over all processes
        self.rank, self.world_size = get_dist_info()
        self.mixture = _mixture_drawn(dataset, self) if shuffle else None
        if self.mixture is not None and times > 1:
            raise InputError(f"sampler.times must be 1 where tables have weights; got {times}")

    def set_epoch(self, epoch: int) -> None:
        """Move to an epoch; MMEngine's DistSamplerSeedHook calls it."""
        self.epoch = epoch

    def order(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Return the indices of this epoch over all processes."""
        if self.mixture is not None:
            return self.mixture.draws(self.epoch, self.seed)
        rows = np.arange(len(self.dataset))
        passes = (random.permutation(rows) if self.shuffle else rows for _ in range(self.times))
        return np.concatenate(list(passes))

    def share(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions in an epoch's order that this process draws, ``len(self)``."""
        if self.mixture is not None:  # else of two sources in turn, a process may get one alone
            by_source = np.argsort(self.mixture.source[order], kind="stable")
            return np.sort(by_source[self.rank :: self.world_size])
        return np.arange(self.rank, len(order), self.world_size)

    def __iter__(self) -> Iterator[Draw]:
        random = np.random.default_rng([self.seed, self.epoch])
        order = self.order(random)
        # Wrap around so that every process has the same number of steps.
        order = np.resize(order, len(self) * self.world_size)
        seeds = random.integers(2**32, size=len(order), dtype=np.uint32)
        mine = self.share(order)
        repeats = earlier_draws(order)
        return map(Draw, *(part[mine].tolist() for part in (order, seeds, repeats)))

    def __len__(self) -> int:
        return -(-self.epoch_length // self.world_size)


def _mixture_drawn(dataset: Any, sampler: EpochSampler) -> Mixture | None:
    """Return the mixture that a dataset states; refuse it where the sampler draws otherwise."""
    weights = mixture_of(dataset)
    if weights is None:
        return None
    if type(sampler) is not EpochSampler:
        raise InputError(
            f"sampler {type(sampler).__name__} draws photos as often as its own rule says; leave "
            "out the weights of data.table, or use EpochSampler"
        )
    return Mixture(dataset.samples, weights)


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


@DATA_SAMPLERS.register_module()
class PersonSampler(EpochSampler):
    """Draw every photo once, in groups of one person's photos that stand next to each other.

    So a batch holds several photos of a person, which may learn from each other (``agreement`` of
    :class:`DecomposedHead`): with groups of 4, a batch of 32 holds 8 people. Groups and photos
    within a person are shuffled. What is left of a person makes a smaller group, such as 3 photos
    of 7; so groups shift against batches, and where a batch ends within a group, the next one
    begins with the rest of it.

    Several processes draw the same order: the group that is next goes whole to the process with
    the fewest photos so far. At the end of an epoch a few are cut to make all shares equal.

    Args:
        dataset: As in :class:`EpochSampler`, with ``people()``. A photo whose person is unknown
            is a group by itself.
        photos: Photos of a group, at least 2.
        seed: As in :class:`EpochSampler`.
    """

    def __init__(self, dataset: Sized, *, photos: int = 4, seed: int | None = None) -> None:
        super().__init__(dataset, seed=seed)
        if photos < 2:
            raise InputError(f"sampler.photos must be at least 2 of a person; got {photos}")
        if not hasattr(dataset, "people"):
            raise InputError(
                "sampler: the dataset must have `people()`, as MaskFaceDataset has; "
                f"got {type(dataset).__name__}"
            )
        self.photos = photos
        people = np.asarray(dataset.people())
        alone = people.max(initial=-1) + 1 + np.arange(len(people))
        self.people = np.where(people < 0, alone, people)

    def order(self, random: np.random.Generator) -> NDArray[np.int64]:
        rows = random.permutation(len(self.people))
        people = self.people[rows]
        parts = np.stack([people, earlier_draws(people) // self.photos])
        _, group = np.unique(parts, axis=1, return_inverse=True)
        places = random.permutation(group.max(initial=-1) + 1)
        return rows[np.argsort(places[group], kind="stable")]

    def share(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        borders = np.flatnonzero(np.diff(self.people[order])) + 1
        room = np.full(self.world_size, len(self))
        mine = []
        for group in np.split(np.arange(len(order)), borders):
            rest = group
            while len(rest):
                emptiest = room.argmax()
                taken, rest = np.split(rest, [room[emptiest]])
                room[emptiest] -= len(taken)
                if emptiest == self.rank:
                    mine.append(taken)
        return np.concatenate(mine)


def earlier_draws(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each entry has occurred before: [4, 7, 4, 4] -> [0, 0, 1, 2]."""
    grouped = np.argsort(order, kind="stable")
    values = order[grouped]
    repeats = np.empty_like(order)
    repeats[grouped] = np.arange(len(order)) - np.searchsorted(values, values)
    return repeats
