"""How sure a score is: intervals from resampling people, in plain numpy.

The photos of a person are alike, so people and not photos are drawn (with replacement). A score
of the drawn people needs only what each of them adds to hits and totals of the classes, so all
resamples are one product of matrices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mmmask.labels import ATTRIBUTES, NUM_CLASSES, decode

#: How often people are drawn anew, unless told otherwise.
RESAMPLES = 1000
#: Above so many people, groups of them are resampled; the bounds then scatter by about 1 %.
GROUPS = 5000

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value on the people as they are, and the bounds that most resamples of them lie between."""

    value: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        """Whether a difference of this interval is shown: 0 lies outside the bounds."""
        return not self.low <= 0 <= self.high

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def units_to_draw(table: pd.DataFrame) -> tuple[NDArray, str]:
    """Return what a resample draws, one value per row, and its name: the people, else the photos.

    Photos are drawn where the table does not tell the person of every photo. The photos of a
    person are alike, so the interval is then too narrow.
    """
    person = table["person"] if "person" in table else pd.Series(dtype="str")
    if len(person) and person.notna().all() and (person != "").all():
        return person.to_numpy(), "people"
    return np.arange(len(table)), "photos"


def resample_people(people: int, resamples: int = RESAMPLES, seed: int = 0) -> Counts:
    """Return how often each person is drawn in each resample: (R, P), rows sum to P."""
    random = np.random.default_rng(seed)
    return random.multinomial(people, np.full(people, 1 / people), resamples).astype(np.float64)


def confusion_by_person(
    person: NDArray[np.integer],
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    classes: int = NUM_CLASSES,
) -> Counts:
    """Count the photos of each person by true (row) and predicted class (column).

    Shape:
        ``person``: (N,) numbers 0 to P - 1; ``truth``, ``predicted``: (N,) labels -> (P, C, C).
    """
    size = (int(person.max()) + 1, classes, classes)
    cells = np.ravel_multi_index((person, truth, predicted), size)
    return np.bincount(cells, minlength=np.prod(size)).reshape(size).astype(np.float64)


def counts_by_person(
    person: NDArray[np.integer],
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    classes: int = NUM_CLASSES,
) -> Counts:
    """Return what each person adds to each class: hits, and photos in truth plus prediction.

    ``Shape`` as in :func:`confusion_by_person`, but -> (P, 2, C).
    """
    counts = confusion_by_person(person, truth, predicted, classes)
    return np.stack([np.einsum("pcc->pc", counts), counts.sum(axis=1) + counts.sum(axis=2)], axis=1)


def macro_f1_of_draws(draws: Counts, counts: Counts) -> NDArray[np.float64]:
    """Return the macro F1 of the drawn people, by ``F1 = 2 hits / totals`` of each class.

    As in :mod:`mmmask.evaluation.scores`, a class in neither truth nor prediction scores 0.

    Shape:
        ``draws``: (R, P); ``counts``: (P, 2, C) -> (R,).
    """
    people, _, classes = counts.shape
    summed = (draws @ counts.reshape(people, -1)).reshape(-1, 2, classes)
    hits, totals = summed[:, 0], summed[:, 1]
    f1 = np.divide(2 * hits, totals, out=np.zeros_like(hits), where=totals > 0)
    return f1.mean(axis=1)


def percentile_interval(
    value: float, resampled: NDArray[np.floating], level: float = 0.95
) -> Interval:
    """Return the interval that leaves ``(1 - level) / 2`` of the resampled values at each end."""
    tail = (1 - level) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Interval(float(value), float(low), float(high))


def macro_f1_interval(
    person: ArrayLike,
    truth: ArrayLike,
    predicted: Sequence[ArrayLike],
    *,
    classes: int = NUM_CLASSES,
) -> Interval:
    """Return macro F1, the mean over the given predictions of the same photos, with its interval.

    Args:
        person: (N,) who is in each photo; any values.
        truth: (N,) labels of the photos.
        predicted: Predicted labels, (N,), of each model (seed).
        classes: C, the number of labels.
    """
    scores = resampled_scores(person, truth, predicted, classes=classes).mean(axis=0)
    return percentile_interval(scores[0], scores[1:])


def paired_difference(
    person: ArrayLike,
    truth: ArrayLike,
    predicted: Sequence[ArrayLike],
    baseline: Sequence[ArrayLike],
    *,
    classes: int = NUM_CLASSES,
) -> Interval:
    """Return by how much ``predicted`` beats ``baseline`` in macro F1, each a mean over its models.

    Both are scored on the same resampled people: who is hard for one is mostly hard for the
    other, which a difference of two intervals would count twice. The interval tells what other
    people would change, not what other seeds would. ``Args`` as in :func:`macro_f1_interval`.
    """
    scores = resampled_scores(person, truth, [*predicted, *baseline], classes=classes)
    ours, theirs = scores[: len(predicted)], scores[len(predicted) :]
    difference = ours.mean(axis=0) - theirs.mean(axis=0)
    return percentile_interval(difference[0], difference[1:])


def score_intervals(
    person: ArrayLike,
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    attribute: str | None = None,
    *,
    present: bool = False,
) -> dict[str, Interval]:
    """Return the scores of one model with their intervals, by their names in ``scores``.

    They are ``macro_f1``, ``accuracy`` and, of the 18 classes, ``mask_accuracy``,
    ``gender_accuracy`` and ``age_accuracy``; all from the same resamples.

    Args:
        person: (N,) who is in each photo; any values.
        truth: (N,) labels of the photos.
        predicted: (N,) predicted labels.
        attribute: Of which attribute they are labels; None for the 18 classes.
        present: Whether macro F1 is the mean over the classes in ``truth`` alone, for photos that
            are a part of others; else a class without photos scores 0.
    """
    classes = NUM_CLASSES if attribute is None else len(ATTRIBUTES[attribute])
    right = {"accuracy": truth == predicted}
    if attribute is None:
        parts, others = decode(truth), decode(predicted)
        right |= {f"{name}_accuracy": parts[name] == others[name] for name in parts}
    rows, draws = _draws(person)
    counts = counts_by_person(rows, truth, predicted, classes)
    if present:
        counts = counts[:, :, np.unique(truth)]
    resampled = [macro_f1_of_draws(draws, counts), *_means_of_draws(draws, rows, [*right.values()])]
    return {
        name: percentile_interval(values[0], values[1:])
        for name, values in zip(("macro_f1", *right), resampled, strict=True)
    }


def mean_intervals(person: ArrayLike, values: Mapping[str, ArrayLike]) -> dict[str, Interval]:
    """Return the mean of each of several values over the photos, with its interval.

    Args:
        person: (N,) who is in each photo; any values.
        values: Name -> (N,) numbers, such as errors in years.
    """
    rows, draws = _draws(person)
    resampled = _means_of_draws(draws, rows, [*values.values()])
    return {
        name: percentile_interval(means[0], means[1:])
        for name, means in zip(values, resampled, strict=True)
    }


def _means_of_draws(
    draws: Counts, rows: NDArray[np.int64], values: Sequence[ArrayLike]
) -> NDArray[np.float64]:
    """Return the means of values over the photos of the drawn people.

    Shape:
        ``draws``: (R, P); ``rows``: (N,) numbers 0 to P - 1; ``values``: K times (N,) -> (K, R).
    """
    sums = np.stack([np.bincount(rows, value) for value in values], axis=1)  # (P, K)
    return (draws @ sums).T / (draws @ np.bincount(rows))


def resampled_scores(
    person: ArrayLike,
    truth: ArrayLike,
    predicted: Sequence[ArrayLike],
    *,
    classes: int = NUM_CLASSES,
    resamples: int = RESAMPLES,
) -> NDArray[np.float64]:
    """Return macro F1 of each model, on the people as they are, then on each resample of them.

    All models are scored on the same resamples. ``Args`` as in :func:`macro_f1_interval`.

    Returns:
        (K, 1 + R), one row per model.
    """
    rows, draws = _draws(person, resamples)
    labels, *models = (np.asarray(values, dtype=np.int64) for values in (truth, *predicted))
    counts = (counts_by_person(rows, labels, model, classes) for model in models)
    return np.stack([macro_f1_of_draws(draws, one) for one in counts])


def _draws(person: ArrayLike, resamples: int = RESAMPLES) -> tuple[NDArray[np.int64], Counts]:
    """Return the number of the person of each photo, (N,), and how often each is drawn.

    The first of the draws, (1 + R, P), is of the people as they are. Beyond ``GROUPS`` people,
    that many groups of people are drawn: their sums scatter as much, and time and memory stay
    bounded.
    """
    _, rows = np.unique(np.asarray(person), return_inverse=True)
    people = int(rows.max()) + 1
    if people > GROUPS:
        rows = np.random.default_rng(0).permutation(people)[rows] % GROUPS
        people = GROUPS
    return rows, np.vstack([np.ones(people), resample_people(people, resamples)])
