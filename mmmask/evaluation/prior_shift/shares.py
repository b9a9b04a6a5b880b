"""Prior shift: other shares of the classes among the photos to predict than in training.

If only the shares differ, and each class looks as it did, then calibrated probabilities tell the
new shares, and are corrected by them: ``p'(y|x) ~ p(y|x) pi'(y) / pi(y)``.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, nnls

from mmmask.labels import ATTRIBUTES, JOINT_SHAPE, NUM_CLASSES

#: Which shares may move. attributes: those of mask states, genders and ages, each by factors of its
#: own, so that they keep what they have to do with each other; 5 numbers. cells: those of mask
#: states, and of each gender and age together; 7 numbers. classes: each; 17 numbers.
FAMILIES = ("attributes", "cells", "classes")
#: Smallest probability and share that take part.
FLOOR = 1e-9
#: Bound of the logarithm of a factor.
_FURTHEST = 8.0

Shares = NDArray[np.float64]


def reweight(
    probabilities: NDArray[np.floating], source: Shares, target: Shares, strength: float = 1.0
) -> NDArray[np.float64]:
    """Return the probabilities as Bayes' rule has them under other class shares.

    Args:
        probabilities: (N, C) calibrated where the classes have the shares ``source``.
        source: (C,) shares, above 0.
        target: (C,) shares to correct for.
        strength: 1 corrects fully, 0 not at all; between, the factors are raised to this power.
    """
    moved = np.maximum(probabilities, FLOOR) * (np.maximum(target, FLOOR) / source) ** strength
    return moved / moved.sum(axis=1, keepdims=True)


def implied_shares(
    calibrated: NDArray[np.floating], weight: NDArray[np.floating] | None = None
) -> Shares:
    """Return the class shares that calibrated probabilities, (N, C), imply: their means.

    Those of the labels differ a little where a calibration has fewer parameters than classes;
    then the former let photos without a shift show none (Alexandari et al., Maximum Likelihood
    with Bias-Corrected Calibration is Hard-to-Beat at Label Shift Adaptation, 2020).
    """
    mean = np.average(calibrated.astype(np.float64), axis=0, weights=weight)
    shares = np.maximum(mean, FLOOR)
    return shares / shares.sum()


def estimate_shares(
    probabilities: NDArray[np.floating],
    source: Shares,
    *,
    family: str = "classes",
    weight: NDArray[np.floating] | None = None,
    toward: Shares | None = None,
    pull: float = 0.0,
) -> Shares:
    """Return the class shares, (C,), that make the photos most likely.

    What the EM of Saerens et al., Adjusting the Outputs of a Classifier to New a Priori
    Probabilities, 2002, climbs to: the maximum over pi' of
    ``sum_i w_i log sum_y p_iy pi'_y / pi_y + pull sum_y toward_y log pi'_y``, whose second term
    is the Dirichlet prior of a MAP estimate. Found by quasi-Newton steps, as EM takes thousands
    where classes look alike.

    Args:
        probabilities: (N, C) calibrated where the classes have the shares ``source``.
        source: (C,) shares, above 0.
        family: One of ``FAMILIES``, by factors from ``toward``; all but ``classes`` are of the 18
            classes alone.
        weight: (N,) of the photos; None: 1 each.
        toward: (C,) shares that are likely before a photo is seen, above 0; None: ``source``.
        pull: How many photos of these shares are seen beside those given.
    """
    toward = source if toward is None else toward
    p = np.maximum(probabilities, FLOOR) * (toward / source)
    weights = np.ones(len(p)) if weight is None else np.asarray(weight, dtype=np.float64)
    total = weights.sum()
    factors = _factors(family, p.shape[1])  # (K, C)

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_factor = theta @ factors
        factor = np.exp(log_factor)
        shares = toward * factor
        normaliser = shares.sum()
        seen = p @ factor  # (N,) times each photo's likelihood
        log_likelihood = weights @ np.log(seen) - total * np.log(normaliser)
        prior = pull * (toward @ log_factor - np.log(normaliser))
        counts = factor * ((weights / seen) @ p) + pull * toward  # (C,)
        slope = factors @ (counts - (total + pull) * shares / normaliser)
        ridge = 1e-6 * theta  # factors that cancel each other stay where they are
        value = 0.5 * theta @ ridge - (log_likelihood + prior) / total
        return float(value), ridge - slope / total

    found = minimize(
        loss,
        np.zeros(len(factors)),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_FURTHEST, _FURTHEST)] * len(factors),
        options={"ftol": 1e-11, "gtol": 1e-7, "maxiter": 500},
    )
    shares = toward * np.exp(found.x @ factors)
    return shares / shares.sum()


def mean_answers(
    probabilities: NDArray[np.floating], hard: bool, weight: NDArray[np.floating] | None = None
) -> Shares:
    """Return the share of each class among the answers: of the argmax, or of the probabilities."""
    return np.average(_answers(probabilities, hard), axis=0, weights=weight)


def answers_by_class(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    hard: bool,
    weight: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """Return the mean answer (row) to each true class (column); one unseen answers itself.

    Shape:
        ``probabilities``: (N, C); ``labels``, ``weight``: (N,) -> (C, C).
    """
    one_each = np.eye(probabilities.shape[1])
    truth = one_each[labels] if weight is None else one_each[labels] * weight[:, None]
    counts = _answers(probabilities, hard).T @ truth  # (C answers, C labels)
    seen = truth.sum(axis=0)
    return np.where(seen > 0, counts / np.where(seen > 0, seen, 1), one_each)


def _answers(probabilities: NDArray[np.floating], hard: bool) -> NDArray[np.floating]:
    return np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)] if hard else probabilities


def shares_behind(answers: Shares, confusion: NDArray[np.floating]) -> Shares:
    """Return the class shares, (C,), that lead to given answers.

    Black-box shift estimation: Lipton et al., Detecting and Correcting for Label Shift with Black
    Box Predictors, 2018, by least squares over the shares that are no less than 0 and sum to 1.

    Args:
        answers: (C,) share of each class among the answers, :func:`mean_answers`.
        confusion: (C, C) of :func:`answers_by_class`; columns sum to 1.
    """
    heavy = 1e3  # weight of the sum, which has to be 1
    system = np.vstack([confusion, np.full((1, len(answers)), heavy)])
    shares, _ = nnls(system, np.append(answers, heavy))
    return shares / shares.sum()


def with_margins(source: Shares, margins: Mapping[str, Shares]) -> Shares:
    """Return the 18 shares nearest to ``source`` whose attributes have the given shares.

    Iterative proportional fitting: attributes keep what they have to do with each other.

    Args:
        source: (18,), above 0.
        margins: Attribute -> shares that sum to 1; an attribute left out may move.
    """
    table = source.reshape(JOINT_SHAPE).astype(np.float64)
    for _ in range(1000):
        before = table
        for axis, name in enumerate(ATTRIBUTES):
            if name in margins:
                others = tuple(other for other in range(3) if other != axis)
                factor = margins[name] / table.sum(axis=others)
                table = table * np.expand_dims(factor, others)
        if np.abs(table - before).max() < 1e-12:
            break
    return table.ravel() / table.sum()


def macro_f1_at(
    shares: NDArray[np.float64], confusion: NDArray[np.float64], draws: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what macro F1 would be if the classes had other shares, (R,).

    The photos of each label are weighed by its share over that which it has, so that validation
    people score as people of the other shares would: what a leaderboard shows, if only the shares
    differ. A class that nobody has keeps the score 0.

    Args:
        shares: (R, C) one row for each draw.
        confusion: (P, C, C) of each person, ``intervals.confusion_by_person``.
        draws: (R, P) how often each person is drawn, as ``intervals.resample_people`` gives it.
    """
    people, classes, _ = confusion.shape
    drawn = (draws @ confusion.reshape(people, -1)).reshape(-1, classes, classes)
    photos = drawn.sum(axis=2)  # (R, C) of each label
    drawn *= np.divide(shares, photos, out=np.zeros_like(photos), where=photos > 0)[:, :, None]
    hits = np.einsum("rcc->rc", drawn)
    totals = drawn.sum(axis=1) + drawn.sum(axis=2)
    return np.divide(2 * hits, totals, out=np.zeros_like(hits), where=totals > 0).mean(axis=1)


def _factors(family: str, classes: int) -> NDArray[np.float64]:
    """Return which classes each factor of a family multiplies, (K, C)."""
    if family == "classes":
        return np.eye(classes)
    if family not in FAMILIES or classes != NUM_CLASSES:
        raise ValueError(f"family must be one of {FAMILIES}, of 18 classes; got {family!r}")
    mask, gender, age = np.indices(JOINT_SHAPE).reshape(3, -1)  # (18,) each
    moving = [mask, gender, age] if family == "attributes" else [mask, gender * 3 + age]
    return np.vstack([values == k for values in moving for k in range(values.max() + 1)])
