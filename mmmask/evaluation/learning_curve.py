"""How a score grows with the number of people, and what more people would bring, in numpy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmmask.evaluation.intervals import counts_by_person, macro_f1_of_draws, resample_people
from mmmask.evaluation.jackknife import LEVEL, Interval

#: Exponents that are tried: from nearly a logarithm to a curve that is flat at once.
_EXPONENTS = np.linspace(0.05, 2, 40)


def fit_curve(
    sizes: NDArray[np.float64], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return ``a``, ``b`` and ``c`` of the curves ``a - b n^-c`` nearest to scores.

    Hestness et al. 2017, "Deep Learning Scaling is Predictable, Empirically". By least squares,
    with a at most 1, b at least 0 and c from 0.05 to 2.

    Shape:
        ``sizes``: (S,) numbers of people, of any unit; ``scores``: (R, S) of R curves -> (R,) each.
    """
    best = np.full(len(scores), np.inf)
    found = np.zeros((3, len(scores)))
    for c in _EXPONENTS:
        fallen = sizes**-c
        moved = fallen - fallen.mean()
        b = np.maximum(-(scores @ moved) / (moved @ moved), 0)
        a = scores.mean(axis=1) + b * fallen.mean()
        over = a > 1
        a[over] = 1
        b[over] = ((1 - scores[over]) @ fallen) / (fallen @ fallen)
        error = np.sum((a[:, None] - b[:, None] * fallen - scores) ** 2, axis=1)
        better = error < best
        best[better] = error[better]
        found[:, better] = a[better], b[better], np.full(better.sum(), c)
    return found[0], found[1], found[2]


def extrapolated(
    person: ArrayLike,
    truth: NDArray[np.integer],
    predicted: Sequence[Sequence[NDArray[np.integer]]],
    sizes: Sequence[float],
    times: float,
    *,
    resamples: int = 1000,
) -> tuple[Interval, Interval]:
    """Return macro F1 with ``times`` the largest number of people, and its gain over that number.

    The intervals hold 95 % of the curves through resampled people and trainings (bootstrap). They
    take for granted that the score grows along such a curve: how far that holds, none can say.

    Args:
        person: (N,) who is in each photo.
        truth: (N,) labels.
        predicted: For each size, the labels (N,) of K trainings.
        sizes: Share or number of the people that each learned from, ascending.
        times: Factor of the largest size.
        resamples: R, how many curves.
    """
    _, rows = np.unique(np.asarray(person), return_inverse=True)
    draws = resample_people(int(rows.max()) + 1, resamples)
    draws = np.concatenate([np.ones((1, draws.shape[1])), draws])  # everybody once comes first
    random = np.random.default_rng(0)
    trainings = len(predicted[0])
    drawn = random.multinomial(trainings, np.full(trainings, 1 / trainings), resamples) / trainings
    weights = np.concatenate([np.full((1, trainings), 1 / trainings), drawn])  # (R + 1, K)
    scores = np.empty((len(draws), len(sizes)))
    for column, models in enumerate(predicted):
        each = [macro_f1_of_draws(draws, counts_by_person(rows, truth, one)) for one in models]
        scores[:, column] = np.sum(weights * np.stack(each, axis=1), axis=1)
    at = np.asarray(sizes, dtype=np.float64)
    a, b, c = fit_curve(at, scores)
    there = a - b * (times * at[-1]) ** -c
    gains = there - (a - b * at[-1] ** -c)
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    # A resample has fewer different people, so its scores lie too low: its gains do not.
    low, high = np.quantile(gains[1:], tails)
    gain = Interval(float(gains[0]), float(low), float(high))
    centre, spread = float(there[0]), there[1:] - np.median(there[1:])
    below, above = np.quantile(spread, tails)
    score = Interval(centre, float(max(centre + below, 0)), float(min(centre + above, 1)))
    return score, gain
