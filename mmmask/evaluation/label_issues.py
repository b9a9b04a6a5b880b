"""Which labels are probably wrong, from predictions of models that did not learn from them.

A label is right, or with some small probability wrong. That rate of wrong labels, and how much the
models' probabilities are worth, are fitted together, so that wrong labels do not make good models
look unsure: Bootkrajang and Kaban, Label-Noise Robust Logistic Regression and Its Applications,
2012. By Bayes' rule each label then is wrong with a probability, and their sum is the number of
wrong labels. Where right labels explain all that the models see, the rate is 0.

Models cannot tell a wrong label from a person who looks unlike what he is: both count as wrong. A
wrong label that fits the photos is not seen.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.special import logit, logsumexp

from mmmask.evaluation.jackknife import Interval
from mmmask.evaluation.scores import TINY

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]

#: Least and largest rate of wrong labels that is looked for.
_RATES = (1e-6, 0.4)
#: 1 / variance of a normal prior of the votes, which keeps them finite where photos tell all.
_PULL = 0.01
#: By how much the log likelihood falls to the bounds of a 95 % interval: half of chi-squared.
_FALL = 1.92
#: The logarithm of the largest ratio that is told apart from larger ones.
_LARGEST = 500.0


class Channel(NamedTuple):
    """How probable the label of each row is, (N, C), were each of the C values the true one.

    ``right``: if the label is right; ``wrong``: if it is wrong.
    """

    right: Floats
    wrong: Floats


def class_channel(labels: Integers, classes: int) -> Channel:
    """Return the channel of labels, (N,): a wrong one is any other of the C classes."""
    right = np.eye(classes)[labels]
    return Channel(right, (1 - right) / (classes - 1))


def age_channel(ages: Integers, group: Integers, deviation: float) -> Channel:
    """Return the channel of ages in years.

    A label is from the least age to the greatest. A right one differs from the age that shows by
    some error. A wrong one belongs to another age group and may be any, so a label at the edge of
    its group is not suspect by itself. That common ages are more probable labels is left out on
    purpose: of ages far from what it sees, a network says too little to be weighed against their
    shares.

    Args:
        ages: (N,) labels.
        group: (V,) age group of each year from 0.
        deviation: Standard deviation of the error, in years.
    """
    years = np.arange(len(group))
    possible = np.arange(ages.min(), ages.max() + 1)

    def near(labels: Integers) -> Floats:
        return np.exp(-0.5 * ((labels[:, None] - years) / deviation) ** 2)  # (labels, V)

    elsewhere = group != group[ages][:, None]  # (N, V)
    return Channel(near(ages) / near(possible).sum(axis=0), elsewhere / len(possible))


class Judged(NamedTuple):
    """Labels as the models judge them.

    ``log_p``: (N, C) log probabilities of the true values, the labels aside; ``ratios``: (N,) logs
    of how many times more probable the label is if it is wrong than if it is right; ``votes``:
    (S,) of :func:`fit_votes`.
    """

    log_p: Floats
    ratios: Floats
    votes: Floats


def judge(log_p: Floats, channel: Channel) -> Judged:
    """Weigh what speaks for and against each label: (N, S, C) of :func:`fit_votes`."""
    votes = fit_votes(log_p, channel)
    of_rows = pooled(log_p, votes)
    wrong, right = (logsumexp(of_rows, axis=1, b=of) for of in (channel.wrong, channel.right))
    return Judged(of_rows, wrong - right, votes)


def log_p_of_people(
    probabilities: NDArray[np.floating], person: Integers, state: Integers, states: int = 3
) -> Floats:
    """Return the mean log probability over the photos of each person in each state of the mask.

    A state of which a person has no photo says nothing: 0 for all classes.

    Args:
        probabilities: (N, C) of each photo.
        person: (N,) numbers 0 to P - 1.
        state: (N,) numbers 0 to S - 1.
        states: S.

    Returns:
        (P, S, C).
    """
    log_p = np.log(np.maximum(probabilities.astype(np.float64), TINY))
    size = (int(person.max()) + 1, states, probabilities.shape[1])
    sums, counts = np.zeros(size), np.zeros(size[:2])
    np.add.at(sums, (person, state), log_p)
    np.add.at(counts, (person, state), 1)
    return sums / np.maximum(counts, 1)[:, :, None]


def fit_votes(log_p: Floats, channel: Channel) -> Floats:
    """Return how many independent votes each of several witnesses is worth.

    The photos of a person are alike, and models are too sure: seven photos are not seven votes.
    So a row's probabilities are taken as ``softmax(sum of votes * log_p)``, a logarithmic
    opinion pool, with the votes (0 or more) under which, together with a rate of wrong labels,
    the labels are most probable.

    Args:
        log_p: (N, S, C) of N people or photos, by S witnesses: models, or states of the mask.
        channel: Of the N labels.

    Returns:
        (S,) votes.
    """
    rows, witnesses = log_p.shape[:2]
    more = channel.wrong - channel.right

    def loss(theta: Floats) -> tuple[float, Floats]:
        votes, rate = theta[:-1], theta[-1]
        p = np.exp(pooled(log_p, votes))  # (N, C)
        joint = p * (channel.right + rate * more)
        likelihood = joint.sum(axis=1)
        posterior = joint / likelihood[:, None]
        slope = np.einsum("nc,nsc->s", p - posterior, log_p) + _PULL * votes
        of_rate = -np.sum(np.sum(p * more, axis=1) / likelihood)
        value = -np.log(likelihood).sum() + 0.5 * _PULL * votes @ votes
        return value / rows, np.append(slope, of_rate) / rows

    bounds = [(0, None)] * witnesses + [_RATES]
    # Unsure models with right labels may be one optimum, sure models with wrong labels another.
    fits = [
        minimize(loss, [*np.full(witnesses, votes / witnesses), 0.02], jac=True, bounds=bounds)
        for votes in (1, 10)
    ]
    return min(fits, key=lambda fit: fit.fun).x[:-1]


def pooled(log_p: Floats, votes: Floats) -> Floats:
    """Return the log probabilities of each row, see :func:`fit_votes`: (N, S, C) -> (N, C)."""
    summed = np.tensordot(votes, log_p, axes=(0, 1))
    return summed - logsumexp(summed, axis=1, keepdims=True)


def error_rate(ratios: Floats) -> Interval:
    """Return the share of wrong labels, the most likely one, with its 95 % interval.

    ``ratios``, (N,), are logs as of :class:`Judged`, of labels independent of each other. The
    interval holds the rates whose log likelihood ``sum of log(1 - rate + rate * ratio)`` is less
    than 1.92 below the greatest. It begins at 0 where wrong labels are not told apart from none.
    """
    more = np.expm1(np.minimum(ratios, _LARGEST))

    def slope(rate: float) -> float:
        return float(np.sum(more / (1 + rate * more)))

    def above(rate: float) -> float:
        return float(np.sum(np.log1p(rate * more))) - best + _FALL

    most = _RATES[1]
    value = _crossing(slope, 0.0, most)
    best = float(np.sum(np.log1p(value * more)))
    low = 0.0 if above(0.0) >= 0 else float(brentq(above, 0.0, value))
    return Interval(value, low, _crossing(above, value, most))


def _crossing(falling: Callable[[float], float], start: float, end: float) -> float:
    """Return where a function that falls from start to end is 0, or the end nearest to that."""
    if falling(start) <= 0:
        return start
    return end if falling(end) >= 0 else float(brentq(falling, start, end))


def log_odds(ratios: Floats, rate: float) -> Floats:
    """Return the log odds that each label is wrong: (N,) -> (N,).

    That no label seems wrong does not prove that none is. So one more is reckoned with than the
    ``rate`` that was found says, by the rule of succession.
    """
    labels = len(ratios)
    return ratios + logit((rate * labels + 1) / (labels + 2))


def best_alternative(log_p: Floats, labels: Integers) -> NDArray[np.int64]:
    """Return the most probable class beside the label: (N, C), (N,) -> (N,)."""
    others = log_p.copy()
    others[np.arange(len(labels)), labels] = -np.inf
    return others.argmax(axis=1)


def median_elsewhere(log_p: Floats, channel: Channel) -> NDArray[np.int64]:
    """Return the median of the values that are true if the label is wrong: (N, C) -> (N,)."""
    others = np.where(channel.wrong > 0, log_p, -np.inf)
    others = np.exp(others - others.max(axis=1, keepdims=True))
    reached = others.cumsum(axis=1) >= 0.5 * others.sum(axis=1, keepdims=True)
    return reached.argmax(axis=1)


def swap_ratios(log_p: Floats, one: Integers, other: Integers, values: tuple[int, int]) -> Floats:
    """Return the log ratios of two photos of each person: exchanged labels against right ones.

    Both photos bear witness at once, so a swap can be sure where neither photo is.

    Args:
        log_p: (N, C) of each photo.
        one: (P,) rows of the photos labelled ``values[0]``.
        other: (P,) rows of the photos labelled ``values[1]``, of the same people.
        values: The two labels.
    """
    gain = log_p[:, values[1]] - log_p[:, values[0]]
    return gain[one] - gain[other]
