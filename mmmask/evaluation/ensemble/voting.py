"""Votes of several models on the same photos, and how far they agree, in plain numpy."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmmask.labels import ATTRIBUTES, NUM_CLASSES, decode

#: Photos that are worked on at once, so that copies in double precision stay small.
BLOCK = 1 << 16


def soft_vote(
    tables: Iterable[NDArray[np.floating]], weights: Iterable[ArrayLike]
) -> NDArray[np.float64]:
    """Return the weighted sum of probabilities, (N, C); one table is looked at at a time.

    Args:
        tables: Probabilities, (N, C), of each model.
        weights: Of each model, () for all photos or (N,) for each; they should sum to 1.
    """
    total: NDArray[np.float64] | None = None
    for table, weight in zip(tables, weights, strict=True):
        if total is None:
            total = np.zeros(table.shape)
        for rows, part in weighted(table, weight):
            total[rows] += part
    if total is None:
        raise ValueError("soft_vote needs at least one table; got none")
    return total


def weighted(
    table: NDArray[np.floating], weight: ArrayLike
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield blocks of rows, each with its probabilities times their weight."""
    each = np.broadcast_to(np.asarray(weight, dtype=np.float64), len(table))
    for start in range(0, len(table), BLOCK):
        rows = slice(start, start + BLOCK)
        yield rows, table[rows] * each[rows, None]


def count_votes(answers: NDArray[np.integer], classes: int = NUM_CLASSES) -> NDArray[np.int16]:
    """Count how many models answer each class: (N, M) labels -> (N, C)."""
    return _tally(answers, classes, np.ones(answers.shape[1], np.int16))


class HardVote(NamedTuple):
    """The outcome of a hard vote: the class with most votes, and whether others have as many."""

    winners: NDArray[np.int64]  # (N,)
    tied: NDArray[np.bool_]  # (N,)


def hard_vote(votes: NDArray[np.integer], preference: NDArray[np.floating]) -> HardVote:
    """Return the class with most votes; of several, the one that ``preference`` is highest for.

    Both are (N, C): ``votes`` counts, ``preference`` not negative.
    """
    top = votes == votes.max(axis=1, keepdims=True)
    winners = np.where(top, preference, -1).argmax(axis=1)
    return HardVote(winners.astype(np.int64), top.sum(axis=1) > 1)


def by_order(answers: NDArray[np.integer], classes: int = NUM_CLASSES) -> NDArray[np.float64]:
    """Return preferences for what the earlier of the models answer, (N, M) labels -> (N, C).

    Of two classes the one that the earliest model is for is preferred: model m counts 2^-m, more
    than all behind it together.
    """
    return _tally(answers, classes, 0.5 ** np.arange(answers.shape[1]))


def _tally(answers: NDArray[np.integer], classes: int, weights: NDArray) -> NDArray:
    """Return the sum of the weights of the models, (M,), that answer each class, (N, C)."""
    total = np.zeros((len(answers), classes), dtype=weights.dtype)
    photos = np.arange(len(answers))
    for model, weight in zip(answers.T, weights, strict=True):
        total[photos, model] += weight
    return total


def agreement(answers: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the share of the N photos that two models answer alike: (N, M) -> (M, M)."""
    models = np.ascontiguousarray(answers.T)
    return np.array([[np.mean(one == other) for other in models] for one in models])


def agreement_by_attribute(answers: NDArray[np.integer]) -> dict[str, NDArray[np.float64]]:
    """Return attribute -> :func:`agreement` on its part of the 18 classes."""
    found = {}
    for name in ATTRIBUTES:  # one at a time, so that only one decoded copy is held
        parts = [decode(model)[name].astype(np.uint8) for model in answers.T]
        found[name] = agreement(np.stack(parts, axis=1))
    return found
