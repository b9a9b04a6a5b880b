"""How sure a score is: intervals from resampling people, in plain numpy.

The photos of a person are alike, so people and not photos are drawn (with replacement). A score
of the drawn people needs only what each of them adds to hits and totals of the classes, so all
resamples are one product of matrices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmmask.labels import NUM_CLASSES

Counts = NDArray[np.float64]

#: Above so many people, groups of them are resampled; the bounds then scatter by about 1 %.
GROUPS = 5000


@dataclass(frozen=True)
class Interval:
    """A value with the bounds between which it falls in a share of the resamples.

    Attributes:
        value: On the people as they are.
        low: Lower bound.
        high: Upper bound.
    """

    value: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Say whether ``value`` lies outside the bounds."""
        return not self.low <= value <= self.high


def resample_people(people: int, resamples: int = 1000, seed: int = 0) -> Counts:
    """Return how often each person is drawn in each resample: (R, P), rows sum to P."""
    random = np.random.default_rng(seed)
    return random.multinomial(people, np.full(people, 1 / people), resamples).astype(np.float64)


def counts_by_person(
    person: NDArray[np.integer],
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    classes: int = NUM_CLASSES,
) -> Counts:
    """Return what each person adds to each class: hits, and photos in truth plus prediction.

    Shape:
        ``person``: (N,) numbers 0 to P - 1; ``truth``, ``predicted``: (N,) labels -> (P, 2, C).
    """
    people = int(person.max()) + 1

    def count(rows: NDArray[np.integer], labels: NDArray[np.integer]) -> NDArray[np.int64]:
        cells = rows.astype(np.int64) * classes + labels
        return np.bincount(cells, minlength=people * classes).reshape(people, classes)

    hit = truth == predicted
    hits = count(person[hit], truth[hit])
    totals = count(person, truth) + count(person, predicted)
    return np.stack([hits, totals], axis=1).astype(np.float64)


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
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Return macro F1, the mean over the given predictions of the same photos, with its interval.

    Args:
        person: Who is in each photo; any values.
        truth: Labels of the photos.
        predicted: Predicted labels of the photos, one array for each model (seed).
        resamples: R.
        seed: Of the resampling.
        level: Share of the resamples inside the bounds.

    Shape:
        ``person``, ``truth``, each of ``predicted``: (N,).
    """
    scores = resampled_scores(person, truth, predicted, resamples=resamples, seed=seed).mean(axis=0)
    return percentile_interval(scores[0], scores[1:], level)


def paired_difference(
    person: ArrayLike,
    truth: ArrayLike,
    predicted: Sequence[ArrayLike],
    baseline: Sequence[ArrayLike],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Return by how much ``predicted`` beats ``baseline`` in macro F1, each a mean over its models.

    Both are scored on the same resampled people: who is hard for one is mostly hard for the
    other, which a difference of two intervals would count twice. The interval tells what other
    people would change, not what other seeds would. ``Args`` as in :func:`macro_f1_interval`.
    """
    scores, others = (
        resampled_scores(person, truth, labels, resamples=resamples, seed=seed).mean(axis=0)
        for labels in (predicted, baseline)
    )
    difference = scores - others
    return percentile_interval(difference[0], difference[1:], level)


def resampled_scores(
    person: ArrayLike,
    truth: ArrayLike,
    predicted: Sequence[ArrayLike],
    *,
    classes: int = NUM_CLASSES,
    resamples: int = 1000,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return macro F1 of each model, on the people as they are, then on each resample of them.

    All models are scored on the same resamples. Beyond ``GROUPS`` people, that many groups of
    people are drawn: their sums scatter as much, and time and memory stay bounded.

    Shape:
        ``person``, ``truth``, each of the K ``predicted``: (N,) -> (K, 1 + R).
    """
    _, rows = np.unique(np.asarray(person), return_inverse=True)
    people = int(rows.max()) + 1
    if people > GROUPS:
        rows = np.random.default_rng(seed).permutation(people)[rows] % GROUPS
        people = GROUPS
    labels = np.asarray(truth, dtype=np.int64)
    draws = np.vstack([np.ones(people), resample_people(people, resamples, seed)])
    scores = [
        macro_f1_of_draws(
            draws, counts_by_person(rows, labels, np.asarray(model, dtype=np.int64), classes)
        )
        for model in predicted
    ]
    return np.stack(scores)
