"""Scores with intervals over people, see :mod:`mmmask.evaluation.jackknife`.

A score of all people but one needs only what each person adds to hits and totals of the classes,
so those of all are one subtraction.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mmmask.evaluation.jackknife import LEVEL, Difference, Interval, Jackknife, pseudo_values
from mmmask.labels import ATTRIBUTES, NUM_CLASSES, decode

#: Fewer people tell nothing: a part of the photos has no interval, a class no reliable one.
FEWEST = 5
#: Above so many people, groups of them are left out; their sums scatter as much.
GROUPS = 5000

Counts = NDArray[np.float64]


def units_to_draw(table: pd.DataFrame) -> tuple[NDArray, str]:
    """Return what is left out one at a time, one value per row, and its name.

    That is the people, or the photos where the table does not tell the person of every photo. The
    photos of a person are alike, so the interval is then too narrow.
    """
    person = table["person"] if "person" in table else pd.Series(dtype="str")
    if len(person) and person.notna().all() and (person != "").all():
        return person.to_numpy(), "people"
    return np.arange(len(table)), "photos"


def resample_people(people: int, resamples: int = 1000, seed: int = 0) -> Counts:
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


def macro_f1_of_counts(counts: Counts) -> NDArray[np.float64]:
    """Return macro F1 of hits and totals, (..., 2, C) -> (...), by ``F1 = 2 hits / totals``.

    As in :mod:`mmmask.evaluation.scores`, a class in neither truth nor prediction scores 0.
    """
    hits, totals = counts[..., 0, :], counts[..., 1, :]
    f1 = np.divide(2 * hits, totals, out=np.zeros_like(hits), where=totals > 0)
    return f1.mean(axis=-1)


def macro_f1_of_draws(draws: Counts, counts: Counts) -> NDArray[np.float64]:
    """Return the macro F1 of the drawn people.

    Shape:
        ``draws``: (R, P); ``counts``: (P, 2, C) -> (R,).
    """
    people, _, classes = counts.shape
    return macro_f1_of_counts((draws @ counts.reshape(people, -1)).reshape(-1, 2, classes))


def jackknife(
    person: ArrayLike,
    truth: ArrayLike,
    predicted: Sequence[ArrayLike],
    *,
    classes: int = NUM_CLASSES,
) -> Jackknife:
    """Return macro F1 of each model with its pseudo-values over people.

    Args:
        person: (N,) who is in each photo; any values.
        truth: (N,) labels of the photos.
        predicted: Predicted labels, (N,), of each model.
        classes: C, the number of labels.
    """
    rows, labels, models = _numbered(person, truth, predicted)
    return macro_f1_jackknife([counts_by_person(rows, labels, one, classes) for one in models])


def macro_f1_interval(
    person: ArrayLike,
    truth: ArrayLike,
    predicted: Sequence[ArrayLike],
    *,
    classes: int = NUM_CLASSES,
) -> Interval:
    """Return macro F1, the mean over several trainings of one recipe, with its interval.

    That of a single model is given this model: it says nothing about other trainings. ``Args`` as
    in :func:`jackknife`.
    """
    rows, labels, models = _numbered(person, truth, predicted)
    counts = [counts_by_person(rows, labels, one, classes) for one in models]
    return macro_f1_interval_of(counts, people_by_class(rows, labels, classes))


def paired_difference(
    person: ArrayLike,
    truth: ArrayLike,
    predicted: Sequence[ArrayLike],
    baseline: Sequence[ArrayLike],
    *,
    classes: int = NUM_CLASSES,
) -> Difference:
    """Return by how much ``predicted`` beats ``baseline`` in macro F1, each a mean over its models.

    Both are scored on the same people, with and without each: who is hard for one is mostly hard
    for the other, which a difference of two intervals would count twice. Models of the same place
    in both are a pair, such as trainings of one seed. One pair tells what other people would
    change, and not what other trainings would. ``Args`` as in :func:`jackknife`.
    """
    found = jackknife(person, truth, [*predicted, *baseline], classes=classes)
    return (found[: len(predicted)] - found[len(predicted) :]).difference()


def score_intervals(
    person: ArrayLike,
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    attribute: str | None = None,
    *,
    present: bool = False,
    values: Mapping[str, NDArray[np.integer]] | None = None,
) -> dict[str, Interval]:
    """Return the scores of one model with their intervals, by their names in ``scores``.

    They are ``macro_f1``, ``accuracy`` and, of the 18 classes, ``mask_accuracy``,
    ``gender_accuracy`` and ``age_accuracy``. Each rests on the photos that know it and on their
    people; what no photo knows has no score.

    Args:
        person: (N,) who is in each photo; any values.
        truth: (N,) labels of the photos, -1 where unknown.
        predicted: (N,) predicted labels.
        attribute: Of which attribute they are labels; None for the 18 classes.
        present: Whether macro F1 is the mean over the classes in ``truth`` alone, for photos that
            are a part of others; else a class without photos scores 0.
        values: Attribute -> (N,) its true values, -1 where unknown; None: as ``truth`` says.
    """
    classes = NUM_CLASSES if attribute is None else len(ATTRIBUTES[attribute])
    who, known = np.asarray(person), truth >= 0
    shares: dict[str, Interval] = {}
    if attribute is None:
        parts, others = decode(truth) if values is None else values, decode(predicted)
        for name, told in others.items():
            some = parts[name] >= 0
            if some.any():
                hits = parts[name][some] == told[some]
                shares[f"{name}_accuracy"] = share_interval(who[some], hits)
    if not known.any():
        return shares
    rows, truth, predicted = _rows(who[known]), truth[known], predicted[known]
    counts = counts_by_person(rows, truth, predicted, classes)
    people = people_by_class(rows, truth, classes)
    if present:
        counts, people = counts[:, :, people > 0], people[people > 0]
    return {
        "macro_f1": macro_f1_interval_of([counts], people),
        "accuracy": _share_interval(rows, truth == predicted),
        **shares,
    }


def mean_intervals(person: ArrayLike, values: Mapping[str, ArrayLike]) -> dict[str, Interval]:
    """Return the mean of each of several values over the photos, with its interval.

    Args:
        person: (N,) who is in each photo; any values.
        values: Name -> (N,) numbers, such as errors in years.
    """
    rows = _rows(person)
    return {name: _mean_jackknife(rows, each).interval() for name, each in values.items()}


def share_interval(person: ArrayLike, hits: NDArray[np.bool_]) -> Interval:
    """Return the share of the photos that are hits, with its interval.

    Args:
        person: (N,) who is in each photo; any values. N is at least 1.
        hits: (N,) whether each is one.
    """
    return _share_interval(_rows(person), hits)


def people_by_class(
    person: ArrayLike, truth: NDArray[np.integer], classes: int = NUM_CLASSES
) -> NDArray[np.int64]:
    """Return how many people have photos of each true class: (N,), (N,) -> (C,)."""
    pairs = pd.DataFrame({"person": np.asarray(person), "truth": truth}).drop_duplicates()
    return np.bincount(pairs["truth"], minlength=classes)


def macro_f1_jackknife(counts: Sequence[Counts]) -> Jackknife:
    """Return macro F1 of each model from its counts by person, (P, 2, C)."""
    totals = [one.sum(axis=0) for one in counts]
    without = (macro_f1_of_counts(all_ - one) for all_, one in zip(totals, counts, strict=True))
    return pseudo_values(macro_f1_of_counts(np.stack(totals)), np.stack([*without]))


def macro_f1_interval_of(counts: Sequence[Counts], people: NDArray[np.integer]) -> Interval:
    """Return the interval of macro F1 of models from their counts, and the people of each class.

    Whoever is left out, a class without any right answer counts 0, and one without any wrong
    answer 1: its people do not show how uncertain it is. Of others, up to ``_open(k)`` may be
    answered otherwise than all of k people were.
    """
    summed = np.stack([one.sum(axis=0) for one in counts])  # (K, 2, C)
    hits, totals = summed[:, 0], summed[:, 1]
    wrong, right = hits == 0, (hits > 0) & (2 * hits == totals)
    below, above = (float((some * _open(people)).mean()) for some in (right, wrong))
    return macro_f1_jackknife(counts).score_interval(below, above)


def _share_interval(rows: NDArray[np.int64], hits: NDArray[np.bool_]) -> Interval:
    """Return the share of right photos, (N,), with its interval."""
    open_ = float(_open(rows.max() + 1))
    below, above = open_ * bool(hits.all()), open_ * (not hits.any())
    return _mean_jackknife(rows, hits).score_interval(below, above)


def _open(people: ArrayLike) -> NDArray[np.float64]:
    """Return which share may be wrong where all of k people are right, or the reverse.

    The bound of the posterior after k equal outcomes, from a uniform prior.
    """
    return 1 - ((1 - LEVEL) / 2) ** (1 / (np.asarray(people) + 1))


def _mean_jackknife(rows: NDArray[np.int64], values: ArrayLike) -> Jackknife:
    """Return the mean of values, (N,), over the photos."""
    sums, photos = np.bincount(rows, values), np.bincount(rows)
    without = np.full(len(sums), np.nan)
    if len(sums) > 1:
        without = (sums.sum() - sums) / (photos.sum() - photos)
    return pseudo_values(np.array([sums.sum() / photos.sum()]), without[None])


def _numbered(
    person: ArrayLike, truth: ArrayLike, predicted: Sequence[ArrayLike]
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[NDArray[np.int64]]]:
    labels, *models = (np.asarray(values, dtype=np.int64) for values in (truth, *predicted))
    return _rows(person), labels, models


def _rows(person: ArrayLike) -> NDArray[np.int64]:
    """Return the number of the person of each photo, (N,); beyond ``GROUPS``, of a group."""
    _, rows = np.unique(np.asarray(person), return_inverse=True)
    people = int(rows.max()) + 1
    if people > GROUPS:
        rows = np.random.default_rng(0).permutation(people)[rows] % GROUPS
    return rows
