"""What is known of photos, by the columns of their table: sets of classes, ages, counts."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.errors import InputError
from mmmask.labels import (
    NUM_CLASSES,
    OLDEST,
    from_bits,
    marginals,
    to_bits,
)

#: Rounds of EM at most, and the change of a class, in photos, at which it ends.
_MOST_ROUNDS, _SETTLED = 2000, 1e-4
#: Less than this share of a photo is no photo of a class, or its weight would have no bounds.
_LEAST = 0.5


def labels_of(samples: pd.DataFrame) -> NDArray[np.int64]:
    """Return the column ``label``, (N,), with -1 where several classes fit."""
    return samples["label"].fillna(-1).to_numpy(dtype=np.int64)


def classes_of(samples: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which classes agree with what is known of each photo, (N, 18).

    They are those of the column ``fits``; without it, or where it is missing, that of ``label``.
    """
    labels = labels_of(samples)
    fits = labels[:, None] == np.arange(NUM_CLASSES)
    if "fits" in samples:
        stated = samples["fits"].notna().to_numpy()
        fits[stated] = from_bits(samples["fits"][stated].to_numpy(dtype=np.int64))
    fits[~fits.any(axis=1)] = True
    return fits


def values_of(fits: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Return which values of each attribute fit: (N, 18) -> mask (N, 3), gender (N, 2), age (N, 3).

    An attribute is known where one value does, and unknown where all do.
    """
    return {name: times > 0 for name, times in marginals(fits).items()}


def known_values(fits: NDArray[np.bool_]) -> dict[str, NDArray[np.int64]]:
    """Return the value of each attribute, (N,) each, -1 where several fit; ``fits`` is (N, 18)."""
    return {
        name: np.where(some.sum(axis=1) == 1, some.argmax(axis=1), -1)
        for name, some in values_of(fits).items()
    }


def truths_of(table: pd.DataFrame) -> dict[str, NDArray[np.int64]]:
    """Return the ``class`` and the value of each attribute of each photo, (N,), -1 where unknown.

    ``table`` has ``label``, and ``fits`` where labels are missing.
    """
    return {"class": labels_of(table), **known_values(classes_of(table))}


def named(codes: NDArray[np.integer], names: Sequence[str]) -> NDArray[np.object_]:
    """Return the names of codes, (N,), None for -1."""
    return np.array([*names, None], dtype=object)[codes]


def age_spans(samples: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the least and the highest age in years that each photo may have, (N,) each."""
    missing = pd.Series(pd.NA, samples.index, dtype="Int16")
    age = samples.get("age", missing)
    spans = ((samples.get("age_from", missing), 0), (samples.get("age_to", missing), OLDEST))
    first, last = (
        age.fillna(bound).fillna(widest).to_numpy(dtype=np.int64) for bound, widest in spans
    )
    return first, last


def age_in_words(first: int, last: int) -> str:
    """Return an age, or a range of ages; empty where nothing is known."""
    if first == last:
        return f"{first}"
    if last == OLDEST:
        return f"from {first}" if first else ""
    return f"{first}-{last}" if first else f"to {last}"


def ages_of(samples: pd.DataFrame) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]:
    """Return the ages in years, (N,), -1 where no single year is known, and the ranges, (N, 2).

    The ages are None where nobody's is known, the ranges where no age is a range of several years.
    """
    first, last = age_spans(samples)
    exact, unknown = first == last, (first == 0) & (last == OLDEST)
    ages = np.where(exact, first, -1) if exact.any() else None
    return ages, None if (exact | unknown).all() else np.stack([first, last], axis=1)


def class_counts(samples: pd.DataFrame) -> NDArray:
    """Return how many photos each class has, (18,): :func:`expected_counts` of what is known."""
    if "fits" in samples:
        return expected_counts(classes_of(samples))
    return np.bincount(labels_of(samples), minlength=NUM_CLASSES)


def expected_counts(fits: NDArray[np.bool_]) -> NDArray:
    """Return the most likely number of photos of each class, (N, 18) -> (18,), summing to N.

    The shares of the classes are those of which the sets of fitting classes are the most likely,
    by EM (Dempster, Laird, Rubin 1977, "Maximum Likelihood from Incomplete Data via the EM
    Algorithm"): each photo counts for the classes that fit in proportion to their shares. A class
    that is left with less than half a photo has none. Where each photo has one class, these are
    the plain counts.
    """
    bits, times = np.unique(to_bits(fits), return_counts=True)
    sets = from_bits(bits)
    if (sets.sum(axis=1) == 1).all():
        return np.bincount(sets.argmax(axis=1), weights=times, minlength=NUM_CLASSES).astype(
            np.int64
        )
    counts = np.full(NUM_CLASSES, len(fits) / NUM_CLASSES)
    for _ in range(_MOST_ROUNDS):
        within = sets * counts
        before, counts = counts, times @ (within / within.sum(axis=1, keepdims=True))
        if np.abs(counts - before).max() < _SETTLED:
            break
    counts[counts < min(_LEAST, counts.max())] = 0
    return counts * (len(fits) / counts.sum())


def check_known(samples: pd.DataFrame, attributes: Iterable[str]) -> None:
    """Refuse photos to learn from of which none knows one of the attributes."""
    if "fits" not in samples:
        return
    values = values_of(classes_of(samples))
    for name in attributes:
        if values[name].all():
            raise InputError(
                f"no training photo has a known {name}; add photos that have, or train a model of "
                "another attribute (head.type AttributeHead)"
            )
