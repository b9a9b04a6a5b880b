"""Answers against what is known of the photos: the class, and each attribute."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.intervals import macro_f1_interval, paired_difference
from mmmask.evaluation.jackknife import Difference
from mmmask.known import classes_of, values_of
from mmmask.labels import ATTRIBUTES, NUM_CLASSES, decode

#: The 18 classes, beside the attributes.
MACRO = "macro"


@dataclass(frozen=True)
class Known:
    """The photos of which a class, or the value of an attribute, is known."""

    rows: NDArray[np.bool_]  # (N,) whether a photo is one of the n
    person: NDArray  # (n,) who is in each
    values: NDArray[np.int64]  # (n,)
    attribute: str | None  # None: the 18 classes

    def of(self, predicted: Sequence[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
        """Return what answers of several models, (N,) of the 18 classes, say of them, (n,)."""
        ours = [one[self.rows] for one in predicted]
        return ours if self.attribute is None else [decode(one)[self.attribute] for one in ours]

    def difference(
        self, one: Sequence[NDArray[np.int64]], other: Sequence[NDArray[np.int64]]
    ) -> Difference:
        """Return by how much the answers of some models are better than those of others."""
        classes = NUM_CLASSES if self.attribute is None else len(ATTRIBUTES[self.attribute])
        return paired_difference(
            self.person, self.values, self.of(one), self.of(other), classes=classes
        )


def known_values(truth: pd.DataFrame) -> dict[str, Known]:
    """Return what is known of photos, if anything is: ``MACRO``, the class, and each attribute."""
    fits = classes_of(truth)
    found = {}
    for name, values in {MACRO: fits, **values_of(fits)}.items():
        rows = values.sum(axis=1) == 1
        person, attribute = truth["person"][rows].to_numpy(), None if name == MACRO else name
        if rows.any():
            found[name] = Known(rows, person, values[rows].argmax(axis=1), attribute)
    return found


def by_attribute(
    known: Mapping[str, Known],
    found: Sequence[NDArray[np.int64]],
    base: Sequence[NDArray[np.int64]],
) -> dict[str, float]:
    """Return macro F1 over the values of each attribute, and its difference with the interval."""
    columns: dict[str, float] = {}
    for name in ATTRIBUTES:
        if name not in known:
            columns |= dict.fromkeys(_attribute_columns(name), np.nan)
            continue
        part = known[name]
        classes = len(ATTRIBUTES[name])
        score = macro_f1_interval(part.person, part.values, part.of(found), classes=classes)
        moved = part.difference(found, base)
        numbers = (score.value, moved.value, moved.low, moved.high)
        columns |= dict(zip(_attribute_columns(name), numbers, strict=True))
    return columns


def _attribute_columns(name: str) -> tuple[str, ...]:
    return f"{name}_f1", f"{name}_difference", f"{name}_low", f"{name}_high"
