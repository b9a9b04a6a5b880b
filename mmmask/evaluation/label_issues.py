"""Which labels are probably wrong, from predictions of models that did not learn from them.

Two views. *Confident learning* counts photos or people that a model is surer of than it is on
average, and so estimates how many labels are wrong. *Pooled people* are ranked: gender and age
belong to a person, so the photos of a person are pooled, and a wrong label is a hypothesis that
explains all of them better than the label does.

Scores are logarithms, in nats, of how many times more probable the other explanation makes what
the models saw; above 0 it is the better one. How rare errors are is not in them.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from mmmask.evaluation.scores import TINY

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]

_SLACK = 1e-6  # of a mean of equal numbers, which may come out above them


def confident_classes(labels: Integers, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the class that each row confidently belongs to, or -1: (N,), (N, C) -> (N,).

    Northcutt et al., Confident Learning, 2021: a class is confident where its probability reaches
    its mean over the rows labelled so; a class that no label names never is. Where several are,
    the most probable class of all counts, as in the package cleanlab.
    """
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    sums = np.bincount(labels, weights=own, minlength=classes)
    thresholds = np.divide(sums, counts, out=np.full(classes, np.inf), where=counts > 0)
    confident = probabilities >= thresholds - _SLACK
    found = confident.sum(axis=1)
    guess = np.where(found > 1, probabilities.argmax(axis=1), confident.argmax(axis=1))
    return np.where(found > 0, guess, -1)


def confident_joint(labels: Integers, probabilities: NDArray[np.floating]) -> Floats:
    """Return the estimated number of rows by given label (row) and true class (column), (C, C).

    The counts of :func:`confident_classes`, scaled so that each row of the result has as many as
    have the label, and all sum to N. At least one row of each class counts as right.
    """
    classes = probabilities.shape[1]
    guess = confident_classes(labels, probabilities)
    sure = guess >= 0
    joint = np.zeros((classes, classes))
    np.add.at(joint, (labels[sure], guess[sure]), 1)
    np.fill_diagonal(joint, np.maximum(np.diagonal(joint), 1))
    given = np.bincount(labels, minlength=classes)
    return joint / joint.sum(axis=1, keepdims=True) * given[:, None]


def confident_errors(labels: Integers, probabilities: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which labels confident learning takes for wrong: (N,).

    Those off the diagonal of the confident joint that the model does not predict as given.
    """
    guess = confident_classes(labels, probabilities)
    return (guess >= 0) & (guess != labels) & (probabilities.argmax(axis=1) != labels)


def expected_errors(joint: NDArray[np.floating]) -> float:
    """Return how many labels are wrong by a joint of given (row) and true class (column)."""
    return float(joint.sum() - np.trace(joint))


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


def fit_votes(log_p: Floats, labels: Integers) -> Floats:
    """Return how many independent votes each state of the mask is worth, by maximum likelihood.

    The photos of a person are alike, and models are too sure: seven photos are not seven votes.
    So a person's probabilities are taken as ``softmax(sum of votes * log_p)``, a logarithmic
    opinion pool, with the votes (0 or more) under which the labels are most probable.

    Args:
        log_p: (P, S, C) of :func:`log_p_of_people`.
        labels: (P,)

    Returns:
        (S,) votes.
    """
    states = log_p.shape[1]
    rows = np.arange(len(labels))
    of_label = log_p[rows, :, labels]  # (P, S)

    def loss(votes: Floats) -> tuple[float, Floats]:
        of_people = pooled(log_p, votes)  # (P, C)
        expected = np.einsum("pc,psc->ps", np.exp(of_people), log_p)
        return -of_people[rows, labels].mean(), (expected - of_label).mean(axis=0)

    start = np.full(states, 1 / states)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * states)
    return found.x


def pooled(log_p: Floats, votes: Floats) -> Floats:
    """Return the log probabilities of each person, see :func:`fit_votes`: (P, S, C) -> (P, C)."""
    summed = np.tensordot(votes, log_p, axes=(0, 1))
    return summed - logsumexp(summed, axis=1, keepdims=True)


def best_alternative(log_p: Floats, labels: Integers) -> tuple[NDArray[np.int64], Floats]:
    """Return the most probable class beside the label, and by how much it beats the label.

    Shape:
        ``log_p``: (N, C); ``labels``: (N,) -> (N,) classes, (N,) scores in nats.
    """
    rows = np.arange(len(labels))
    others = log_p.astype(np.float64)
    others[rows, labels] = -np.inf
    proposed = others.argmax(axis=1)
    return proposed, log_p[rows, proposed] - log_p[rows, labels]


def swap_scores(log_p: Floats, one: Integers, other: Integers, values: tuple[int, int]) -> Floats:
    """Return how much better two photos of each person fit with their labels exchanged, in nats.

    Both photos bear witness at once, so a swap can be sure where neither photo is.

    Args:
        log_p: (N, C) of each photo.
        one: (P,) rows of the photos labelled ``values[0]``.
        other: (P,) rows of the photos labelled ``values[1]``, of the same people.
        values: The two labels.
    """
    gain = log_p[:, values[1]] - log_p[:, values[0]]
    return gain[one] - gain[other]


def age_scores(
    log_p: Floats, labels: Integers, group: Integers, possible: int
) -> tuple[NDArray[np.int64], Floats]:
    """Return a proposed age and how much better a wrong label explains each person.

    The label is right: it is as probable as the model says. Or it is wrong: the person belongs to
    another age group, and the label may be any. So a label at the edge of its group is no label
    issue by itself. That common ages are more probable labels is left out on purpose: of ages
    far from what it sees, a network says too little to be weighed against their shares.

    Args:
        log_p: (P, V) log probabilities of the values, years or age groups.
        labels: (P,) value that each person is labelled with.
        group: (V,) age group of each value.
        possible: How many values a wrong label may have.

    Returns:
        (P,) values, which are the medians of what the other groups hold, and (P,) in nats.
    """
    elsewhere = group[None, :] != group[labels][:, None]  # (P, V)
    others = np.where(elsewhere, log_p, -np.inf)
    mass = logsumexp(others, axis=1)
    reached = np.exp(others - mass[:, None]).cumsum(axis=1) >= 0.5
    scores = mass - np.log(possible) - log_p[np.arange(len(labels)), labels]
    return reached.argmax(axis=1), scores


def blurred(probabilities: Floats, deviation: float) -> Floats:
    """Return probabilities of ages, (P, V) consecutive years, as of a label that errs by some.

    ``deviation`` is the standard deviation of its errors, in years.
    """
    years = np.arange(probabilities.shape[1])
    kernel = np.exp(-0.5 * ((years[:, None] - years) / deviation) ** 2)
    return probabilities @ (kernel / kernel.sum(axis=1, keepdims=True))
