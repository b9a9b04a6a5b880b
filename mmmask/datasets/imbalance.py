"""Samplers against imbalance: draw rare photos more often, or common ones less.

``dataset`` and ``seed`` are as in :class:`EpochSampler`, and the dataset has ``labels()``; ``by``
groups its photos by ``class``, ``mask``, ``gender`` or ``age``. A photo whose group is unknown is
drawn once in each epoch, as without these samplers.
"""

from collections.abc import Sized

import numpy as np
import torch
from mmpretrain.registry import DATA_SAMPLERS
from numpy.typing import NDArray

from mmmask.class_weights import CLASS_WEIGHTS
from mmmask.datasets.sampler import EpochSampler, earlier_draws
from mmmask.errors import InputError
from mmmask.known import values_of
from mmmask.labels import ATTRIBUTES, NUM_CLASSES, decode

#: What photos may be grouped by -> number of groups.
GROUPINGS = {"class": NUM_CLASSES, **{name: len(values) for name, values in ATTRIBUTES.items()}}


def groups_of(dataset: Sized, by: str) -> NDArray[np.int64]:
    """Return the group of each photo: its class, or its value of one attribute; shape (N,).

    It is -1 where it is unknown.

    Raises:
        InputError: There is no such grouping, or the dataset knows no labels.
    """
    if by not in GROUPINGS:
        raise InputError(f"sampler.by must be one of {', '.join(GROUPINGS)}; got {by!r}")
    if not hasattr(dataset, "labels"):
        raise InputError(
            "sampler: the dataset must have `labels()`, as MaskFaceDataset has; "
            f"got {type(dataset).__name__}"
        )
    labels = np.asarray(dataset.labels())
    if by == "class":
        return labels
    if (labels < 0).any() and hasattr(dataset, "fits"):
        values = values_of(dataset.fits())[by]
        return np.where(values.sum(axis=1) == 1, values.argmax(axis=1), -1)
    return decode(labels)[by]


def systematic_draws(
    expected: NDArray[np.float64], groups: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.int64]:
    """Draw each row ``expected`` times on average, in random order.

    Systematic sampling (Madow 1949): one random offset, then every step of 1 along the cumulative
    sum. A row is drawn its expected number of times rounded down or up, and so is a group; with
    independent draws both would scatter.

    Shape:
        ``expected``: (N,), summing to a whole number M; ``groups``: (N,); result: (M,).
    """
    rows = random.permutation(len(expected))
    rows = rows[np.argsort(groups[rows], kind="stable")]  # groups lie together
    edges = np.cumsum(expected[rows])
    points = random.random() + np.arange(round(edges[-1]))
    drawn = np.searchsorted(edges, points, side="right").clip(max=len(rows) - 1)
    return random.permutation(rows[drawn])


@DATA_SAMPLERS.register_module()
class BalancedSampler(EpochSampler):
    """Draw photos of rare groups more often, in epochs as long as without.

    A photo of group g is drawn ``N w_g / sum_i w_g(i)`` times per epoch on average, its group
    ``n_g`` times that; both rounded down or up in each epoch. ``rule`` makes w of the group's
    number of photos, as for class weights: ``inverse`` draws all groups alike often,
    ``effective_number`` lies between that and no change.
    """

    def __init__(
        self, dataset: Sized, *, by: str = "class", rule: str = "inverse", seed: int | None = None
    ) -> None:
        super().__init__(dataset, seed=seed)
        if rule not in CLASS_WEIGHTS:
            raise InputError(
                f"sampler.rule must be one of {', '.join(CLASS_WEIGHTS)}; got {rule!r}"
            )
        self.groups = groups_of(dataset, by)
        known = self.groups >= 0
        groups = self.groups[known]
        if not len(groups):
            raise InputError(f"sampler.by: no training photo has a known {by}")
        counts = torch.from_numpy(np.bincount(groups, minlength=GROUPINGS[by])).double()
        weights = CLASS_WEIGHTS[rule](counts).numpy()[groups]
        self.expected = np.ones(len(known))
        self.expected[known] = len(weights) * weights / weights.sum()

    def order(self, random: np.random.Generator) -> NDArray[np.int64]:
        return systematic_draws(self.expected, self.groups, random)


@DATA_SAMPLERS.register_module()
class UnderSampler(EpochSampler):
    """Draw at most ``most`` photos of each group, others in each epoch: a shorter epoch.

    None draws as many as the smallest group has.
    """

    def __init__(
        self, dataset: Sized, *, by: str = "class", most: int | None = None, seed: int | None = None
    ) -> None:
        super().__init__(dataset, seed=seed)
        if most is not None and most < 1:
            raise InputError(f"sampler.most must be at least 1 photo per group; got {most}")
        self.groups = groups_of(dataset, by)
        unknown = self.groups < 0
        counts = np.bincount(self.groups[~unknown])
        if not len(counts):
            raise InputError(f"sampler.by: no training photo has a known {by}")
        self.most = int(counts[counts > 0].min()) if most is None else most
        self.epoch_length = int(np.minimum(counts, self.most).sum() + unknown.sum())

    def order(self, random: np.random.Generator) -> NDArray[np.int64]:
        rows = random.permutation(len(self.groups))
        groups = self.groups[rows]
        return rows[(earlier_draws(groups) < self.most) | (groups < 0)]


@DATA_SAMPLERS.register_module()
class MinoritySampler(EpochSampler):
    """Draw every photo once and those of one group several times: a longer epoch.

    With ``RepeatedOnly`` among the augmentations, the additional draws alone are augmented.

    Args:
        dataset: The photos.
        attribute: ``mask``, ``gender`` or ``age``.
        value: One of its values, such as ``>=60``.
        times: How often a photo with that value is drawn; source D took 2, and 5 overfitted.
        seed: Of the order.
    """

    def __init__(
        self,
        dataset: Sized,
        *,
        attribute: str = "age",
        value: str = ">=60",
        times: int = 2,
        seed: int | None = None,
    ) -> None:
        super().__init__(dataset, seed=seed)
        if attribute not in ATTRIBUTES or value not in ATTRIBUTES[attribute]:
            allowed = "; ".join(f"{key}: {', '.join(names)}" for key, names in ATTRIBUTES.items())
            raise InputError(
                "sampler.attribute and sampler.value must be an attribute and a value of it "
                f"({allowed}); got {attribute!r} and {value!r}"
            )
        if times < 1:
            raise InputError(f"sampler.times must be at least 1; got {times}")
        rare = groups_of(dataset, attribute) == ATTRIBUTES[attribute].index(value)
        self.rows = np.repeat(np.arange(len(rare)), np.where(rare, times, 1))
        self.epoch_length = len(self.rows)

    def order(self, random: np.random.Generator) -> NDArray[np.int64]:
        return random.permutation(self.rows)
