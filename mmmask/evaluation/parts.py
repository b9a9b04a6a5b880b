"""Answers as far as one thing goes: the class, or one of its attributes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.known import classes_of, truths_of, values_of
from mmmask.labels import ATTRIBUTES, CLASSES, decode, marginals
from mmmask.tables import answers, attribute_of, probabilities


@dataclass(frozen=True)
class Part:
    """The answers as far as one thing goes.

    Attributes:
        name: "class", "mask", "gender" or "age".
        values: Names of its C values.
        truth: (N,) their numbers, -1 where several fit what is known.
        predicted: (N,) likewise.
        probabilities: (N, C).
        fits: (N, C) the values that agree with what is known; one where it is known.
    """

    name: str
    values: tuple[str, ...]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.floating]
    fits: NDArray[np.bool_]

    @property
    def known(self) -> NDArray[np.bool_]:
        """(N,) whether the photo knows the value."""
        return self.truth >= 0

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """(N,) whether the answer contradicts what is known."""
        return ~self.fits[np.arange(len(self.fits)), self.predicted]

    @property
    def of_known(self) -> "Part":
        """The answers to the photos that know the value."""
        if self.known.all():
            return self
        rows = np.flatnonzero(self.known)
        return Part(
            self.name,
            self.values,
            self.truth[rows],
            self.predicted[rows],
            self.probabilities[rows],
            self.fits[rows],
        )


def parts_of(table: pd.DataFrame) -> list[Part]:
    """Return the class first, then its attributes; of a model of one attribute that alone.

    ``table`` is a predictions table with the column ``label``. An attribute that no photo knows is
    left out; the class is always there.
    """
    values, told, attribute = probabilities(table), answers(table), attribute_of(table)
    true, classes = truths_of(table), classes_of(table)
    fits = values_of(classes)
    if attribute is not None:
        part = true[attribute], told, values, fits[attribute]
        return [Part(attribute, ATTRIBUTES[attribute], *part)]
    said, alone = decode(told), marginals(values)
    return [
        Part("class", CLASSES, true["class"], told, values, classes),
        *(
            Part(name, ATTRIBUTES[name], true[name], said[name], alone[name], fits[name])
            for name in fits
            if (true[name] >= 0).any()
        ),
    ]
