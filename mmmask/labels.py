"""The 18 classes: the only definition of how mask, gender and age make a class number.

``label = mask * 6 + gender * 3 + age group``, as in the competition. A model that knows years of
age leaves the age groups open: they follow from its ``(N, 121)`` probabilities of the ages 0 to
120 after training, by summing.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmmask.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

MASKS = ("wear", "incorrect", "normal")
GENDERS = ("male", "female")
AGE_GROUPS = ("<30", "30-59", ">=60")

#: First age, in years, of the middle and of the old group.
Cuts = tuple[int, int]
#: As the competition scores them; teams called people old from 57 to 60 on.
COMPETITION_CUTS: Cuts = (30, 60)
MIDDLE_FROM, OLD_FROM = COMPETITION_CUTS
#: Highest age, in years, that a table may hold.
OLDEST = 120
NUM_YEARS = OLDEST + 1

#: Attribute -> its values, in the order of the axes of a joint table of shape (3, 2, 3).
ATTRIBUTES = MappingProxyType({"mask": MASKS, "gender": GENDERS, "age": AGE_GROUPS})
JOINT_SHAPE = tuple(len(values) for values in ATTRIBUTES.values())
CLASSES = tuple(
    f"{mask} {gender} {age}" for mask in MASKS for gender in GENDERS for age in AGE_GROUPS
)
NUM_CLASSES = len(CLASSES)

Values = TypeVar("Values", NDArray, "Tensor")


def age_group(age: ArrayLike, old_from: int = OLD_FROM) -> NDArray[np.int64]:
    """Return the age group, 0 to 2, of ages in years; people are old from ``old_from`` on."""
    return np.digitize(np.asarray(age), checked_cuts((MIDDLE_FROM, old_from))).astype(np.int64)


def checked_cuts(cuts: Cuts) -> Cuts:
    """Return the cuts as integers; an :class:`InputError` where they do not leave three groups."""
    middle, old = int(cuts[0]), int(cuts[1])
    if not 0 < middle < old <= OLDEST:
        raise InputError(f"old_from must be from {middle + 1} to {OLDEST} years; got {old}")
    return middle, old


def encode(mask: ArrayLike, gender: ArrayLike, age: ArrayLike) -> NDArray[np.int64]:
    """Return the label 0 to 17 of the indices of a mask state, a gender and an age group."""
    indices = tuple(np.asarray(values, dtype=np.int64) for values in (mask, gender, age))
    return np.ravel_multi_index(indices, JOINT_SHAPE).astype(np.int64)


def decode(label: ArrayLike) -> dict[str, NDArray[np.int64]]:
    """Return attribute -> index, the inverse of :func:`encode`; labels may have any shape."""
    parts = np.unravel_index(np.asarray(label, dtype=np.int64), JOINT_SHAPE)
    return {name: part.astype(np.int64) for name, part in zip(ATTRIBUTES, parts, strict=True)}


def marginals(joint: NDArray) -> dict[str, NDArray]:
    """Sum joint probabilities over the other two attributes.

    Shape:
        ``joint``: (N, 18) -> mask (N, 3), gender (N, 2), age (N, 3).
    """
    table = joint.reshape(len(joint), *JOINT_SHAPE)  # (N, 18) -> (N, 3, 2, 3)
    return {
        name: table.sum(axis=tuple(1 + other for other in range(3) if other != axis))
        for axis, name in enumerate(ATTRIBUTES)
    }


def product(parts: Mapping[str, NDArray]) -> NDArray:
    """Multiply the probabilities of the three attributes, taken as independent given the photo.

    Shape:
        ``parts``: mask (N, 3), gender (N, 2), age (N, 3) -> (N, 18).
    """
    mask, gender, age = (parts[name] for name in ATTRIBUTES)
    joint = mask[:, :, None, None] * gender[:, None, :, None] * age[:, None, None, :]
    return joint.reshape(len(joint), NUM_CLASSES)  # (N, 3, 2, 3) -> (N, 18)


def fitting_classes(
    mask: ArrayLike,  # index of the state, -1 where unknown
    gender: ArrayLike,  # likewise
    age_from: ArrayLike,  # least age in years, 0 where unknown
    age_to: ArrayLike,  # highest age in years, OLDEST where unknown
    old_from: int = OLD_FROM,
) -> NDArray[np.bool_]:
    """Return which classes agree with what is known of each photo, four times (N,) -> (N, 18)."""
    fits = []
    for index, values in ((mask, MASKS), (gender, GENDERS)):
        known = np.asarray(index, dtype=np.int64)[:, None]
        fits.append((known == np.arange(len(values))) | (known < 0))
    first, last = (age_group(age, old_from)[:, None] for age in (age_from, age_to))
    groups = np.arange(len(AGE_GROUPS))
    return product(
        dict(zip(ATTRIBUTES, (*fits, (first <= groups) & (groups <= last)), strict=True))
    )


def to_bits(fits: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return whole numbers whose bit c says whether class c fits, (N, 18) -> (N,)."""
    return (fits @ (1 << np.arange(NUM_CLASSES))).astype(np.int32)


def from_bits(bits: ArrayLike) -> NDArray[np.bool_]:
    """Return which classes fit, the inverse of :func:`to_bits`, (N,) -> (N, 18)."""
    return (np.asarray(bits, dtype=np.int64)[:, None] >> np.arange(NUM_CLASSES) & 1).astype(bool)


def group_slices(cuts: Cuts = COMPETITION_CUTS) -> tuple[slice, slice, slice]:
    """Return which years are young, middle and old."""
    middle, old = checked_cuts(cuts)
    return slice(0, middle), slice(middle, old), slice(old, NUM_YEARS)


def group_probabilities(years: Values, cuts: Cuts = COMPETITION_CUTS) -> Values:
    """Sum the probabilities of the ages 0 to 120 in each age group, (N, 121) -> (N, 3)."""
    sums = [years[:, part].sum(axis=1) for part in group_slices(cuts)]
    if isinstance(years, np.ndarray):
        return np.stack(sums, axis=1)
    import torch  # tables and scores do without it

    return torch.stack(sums, dim=1)


def move_cut(
    probabilities: NDArray[np.floating],
    years: NDArray[np.floating],
    *,
    before: Cuts = COMPETITION_CUTS,
    after: Cuts,
) -> NDArray[np.float32]:
    """Return probabilities of classes whose age groups are those of another cut.

    Within its old group, the age is taken to follow ``years``: each class hands the share of its
    group that changes sides to the class of the new group. Mask and gender keep their marginals,
    an unmoved cut changes nothing, and where the age part of ``probabilities`` is the sum of
    ``years``, that of the result is the sum under the new cut.

    Shape:
        ``probabilities``: (N, 18), or (N, 3) of age alone; ``years``: (N, 121); as the former.
    """
    years = years.astype(np.float64)
    groups = group_probabilities(years, before)
    shares = np.zeros((len(years), 3, 3))  # of the old group (row) that falls into the new one
    for row, old in enumerate(group_slices(before)):
        for column, new in enumerate(group_slices(after)):
            both = slice(max(old.start, new.start), min(old.stop, new.stop))
            shares[:, row, column] = years[:, both].sum(axis=1) if both.start < both.stop else 0
    empty = groups == 0
    shares /= np.where(empty, 1, groups)[:, :, None]
    shares[empty] = np.eye(3)[np.nonzero(empty)[1]]  # no year tells: it stays where it is
    by_age = probabilities.reshape(len(probabilities), -1, 3)  # age is the last axis of a class
    moved = np.einsum("nka,nab->nkb", by_age, shares)
    return moved.reshape(probabilities.shape).astype(np.float32)


def median_age(years: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the age in years that half of the probability reaches, (N, 121) -> (N,)."""
    return age_reached(years, 0.5)


def age_reached(years: NDArray[np.floating], share: float) -> NDArray[np.int64]:
    """Return the age in years that a share of the probability reaches, (N, 121) -> (N,)."""
    reached = years.cumsum(axis=1, dtype=np.float64) >= share * years.sum(axis=1, keepdims=True)
    return reached.argmax(axis=1).astype(np.int64)
