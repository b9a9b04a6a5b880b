"""Which labels are probably wrong, from predictions of models that did not learn from them.

Two views. *Confident learning* counts photos or people that a model is surer of than it is on
average, and so estimates how many labels are wrong. *Evidence of people* ranks them: gender and age
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
    """Return the class that each row confidently belongs to, or -1.

    Northcutt et al., Confident Learning, 2021: a class is confident where its probability reaches
    its mean over the rows labelled so; a class that no label names never is. Where several are,
    the most probable class of all counts, as in the package cleanlab.

    Shape:
        ``labels``: (N,); ``probabilities``: (N, C) -> (N,).
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
    """Return the estimated number of rows by given label (row) and true class (column).

    The counts of :func:`confident_classes`, scaled so that each row of the result has as many as
    have the label. At least one row of each class counts as right.

    Shape:
        ``labels``: (N,); ``probabilities``: (N, C) -> (C, C), which sums to N.
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


def evidence_of_people(
    probabilities: NDArray[np.floating], person: Integers, state: Integers, states: int = 3
) -> Floats:
    """Return the mean log probability over the photos of each person in each state of the mask.

    A state of which a person has no photo says nothing: 0 for all classes.

    Args:
        probabilities: Of each photo.
        person: Numbers 0 to P - 1.
        state: Numbers 0 to S - 1.
        states: S.

    Shape:
        ``probabilities``: (N, C); ``person``, ``state``: (N,) -> (P, S, C).
    """
    log_p = np.log(np.maximum(probabilities.astype(np.float64), TINY))
    cells = person.astype(np.int64) * states + state
    size = (int(person.max()) + 1) * states
    sums = np.zeros((size, probabilities.shape[1]))
    np.add.at(sums, cells, log_p)
    counts = np.bincount(cells, minlength=size)
    return (sums / np.maximum(counts, 1)[:, None]).reshape(-1, states, probabilities.shape[1])


def fit_votes(evidence: Floats, labels: Integers) -> Floats:
    """Return how many independent votes each state of the mask is worth, by maximum likelihood.

    The photos of a person are alike, and models are too sure: seven photos are not seven votes.
    So a person's probabilities are taken as ``softmax(sum of votes * evidence)``, a logarithmic
    opinion pool, with the votes (0 or more) under which the labels are most probable.

    Shape:
        ``evidence``: (P, S, C) of :func:`evidence_of_people`; ``labels``: (P,) -> (S,).
    """
    states = evidence.shape[1]
    rows = np.arange(len(labels))
    of_label = evidence[rows, :, labels]  # (P, S)

    def loss(votes: Floats) -> tuple[float, Floats]:
        pooled = np.tensordot(votes, evidence, axes=(0, 1))  # (P, C)
        log_p = pooled - logsumexp(pooled, axis=1, keepdims=True)
        expected = np.einsum("pc,psc->ps", np.exp(log_p), evidence)
        return -log_p[rows, labels].mean(), (expected - of_label).mean(axis=0)

    start = np.full(states, 1 / states)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * states)
    return found.x


def pooled(evidence: Floats, votes: Floats) -> Floats:
    """Return the log probabilities of each person, see :func:`fit_votes`: (P, S, C) -> (P, C)."""
    log_p = np.tensordot(votes, evidence, axes=(0, 1))
    return log_p - logsumexp(log_p, axis=1, keepdims=True)


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
    """Return how much better two photos of each person fit with their labels exchanged.

    Both photos bear witness at once, so a swap can be sure where neither photo is.

    Args:
        log_p: Of each photo.
        one: Rows of the photos labelled ``values[0]``.
        other: Rows of the photos labelled ``values[1]``, of the same people.
        values: The two labels.

    Shape:
        ``log_p``: (N, C); ``one``, ``other``: (P,) -> (P,) in nats.
    """
    gain = log_p[:, values[1]] - log_p[:, values[0]]
    return gain[one] - gain[other]


def age_scores(
    log_p: Floats, labels: Integers, group: Integers, possible: int
) -> tuple[NDArray[np.int64], Floats]:
    """Return a proposed age and how much better a wrong label explains each person.

    The label is right: it is as probable as the model says. Or it is wrong: the person belongs to
    another age group, and the label may be any. So a label at the edge of its group is not
    suspect by itself. That common ages are more probable labels is left out on purpose: of ages
    far from what it sees, a network says too little to be weighed against their shares.

    Args:
        log_p: Log probabilities of the values, years or age groups.
        labels: Value that each person is labelled with.
        group: Age group of each value.
        possible: How many values a wrong label may have.

    Shape:
        ``log_p``: (P, V); ``labels``: (P,); ``group``: (V,) -> (P,) values, which are the
        medians of what the other groups hold, and (P,) in nats.
    """
    elsewhere = group[None, :] != group[labels][:, None]  # (P, V)
    others = np.where(elsewhere, log_p, -np.inf)
    mass = logsumexp(others, axis=1)
    reached = np.exp(others - mass[:, None]).cumsum(axis=1) >= 0.5
    scores = mass - np.log(possible) - log_p[np.arange(len(labels)), labels]
    return reached.argmax(axis=1), scores


def blurred(probabilities: Floats, deviation: float) -> Floats:
    """Return probabilities of ages as of a label that errs by some years.

    Shape:
        ``probabilities``: (P, V) of consecutive years; ``deviation`` in years -> (P, V), rows
        sum to 1.
    """
    years = np.arange(probabilities.shape[1])
    kernel = np.exp(-0.5 * ((years[:, None] - years) / deviation) ** 2)
    return probabilities @ (kernel / kernel.sum(axis=1, keepdims=True))
