"""The 18 classes: the only definition of how mask, gender and age make a class number.

``label = mask * 6 + gender * 3 + age group``, as in the competition.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

MASKS = ("wear", "incorrect", "normal")
GENDERS = ("male", "female")
AGE_GROUPS = ("<30", "30-59", ">=60")

#: First age, in years, of the middle and of the old group, as the competition scores them.
MIDDLE_FROM = 30
OLD_FROM = 60
#: Highest age, in years, that a table may hold.
OLDEST = 120

#: Attribute -> its values, in the order of the axes of a joint table of shape (3, 2, 3).
ATTRIBUTES = MappingProxyType({"mask": MASKS, "gender": GENDERS, "age": AGE_GROUPS})
JOINT_SHAPE = tuple(len(values) for values in ATTRIBUTES.values())
CLASSES = tuple(
    f"{mask} {gender} {age}" for mask in MASKS for gender in GENDERS for age in AGE_GROUPS
)
NUM_CLASSES = len(CLASSES)


def age_group(age: ArrayLike, old_from: int = OLD_FROM) -> NDArray[np.int64]:
    """Return the age group, 0 to 2, of ages in years.

    Args:
        age: Years, of any shape.
        old_from: First age that counts as old; above ``MIDDLE_FROM``. Teams used 57 to 60.
    """
    if old_from <= MIDDLE_FROM:
        raise ValueError(f"old_from must be above {MIDDLE_FROM} years, got {old_from}")
    return np.digitize(np.asarray(age), (MIDDLE_FROM, old_from)).astype(np.int64)


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
