"""Answers as far as one thing goes: the class, or one of its attributes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.labels import ATTRIBUTES, CLASSES, decode, marginals
from mmmask.tables import answers, attribute_of, probabilities


@dataclass(frozen=True)
class Part:
    """The answers as far as one thing goes.

    Attributes:
        name: "class", "mask", "gender" or "age".
        values: Names of its C values.
        truth: (N,) their numbers.
        predicted: (N,) likewise.
        probabilities: (N, C).
    """

    name: str
    values: tuple[str, ...]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.floating]


def parts_of(table: pd.DataFrame) -> list[Part]:
    """Return the class first, then its attributes; of a model of one attribute that alone.

    ``table`` is a predictions table with the column ``label``.
    """
    values, told, attribute = probabilities(table), answers(table), attribute_of(table)
    label = table["label"].to_numpy(dtype=np.int64)
    true = decode(label)
    if attribute is not None:
        return [Part(attribute, ATTRIBUTES[attribute], true[attribute], told, values)]
    said, alone = decode(told), marginals(values)
    return [
        Part("class", CLASSES, label, told, values),
        *(Part(name, ATTRIBUTES[name], true[name], said[name], alone[name]) for name in true),
    ]
