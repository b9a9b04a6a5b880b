"""Prior shift: other shares of the classes among the photos to predict than in training.

If only the shares differ, and each class looks as it did, then calibrated probabilities tell the
new shares, and are corrected by them: ``p'(y|x) ~ p(y|x) pi'(y) / pi(y)``.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from mmmask.labels import ATTRIBUTES, JOINT_SHAPE

#: Smallest probability and share that take part.
FLOOR = 1e-9
#: Bound of the logarithm of a factor.
_FURTHEST = 8.0

Shares = NDArray[np.float64]


def reweight(
    probabilities: NDArray[np.floating], source: Shares, target: Shares
) -> NDArray[np.float64]:
    """Return the probabilities as Bayes' rule has them under other class shares.

    Args:
        probabilities: (N, C) calibrated where the classes have the shares ``source``.
        source: (C,) shares, above 0.
        target: (C,) shares to correct for.
    """
    moved = np.maximum(probabilities, FLOOR) * (np.maximum(target, FLOOR) / source)
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
    weight: NDArray[np.floating] | None = None,
    pull: float = 0.0,
) -> Shares:
    """Return the class shares, (C,), that make the photos most likely.

    What the EM of Saerens et al., Adjusting the Outputs of a Classifier to New a Priori
    Probabilities, 2002, climbs to: the maximum over pi' of
    ``sum_i w_i log sum_y p_iy pi'_y / pi_y + pull sum_y pi_y log pi'_y``, whose second term
    is the Dirichlet prior of a MAP estimate. Found by quasi-Newton steps, as EM takes thousands
    where classes look alike.

    Args:
        probabilities: (N, C) calibrated where the classes have the shares ``source``.
        source: (C,) shares, above 0.
        weight: (N,) of the photos; None: 1 each.
        pull: How many photos of the shares ``source`` are seen beside those given.
    """
    p = np.maximum(probabilities, FLOOR).astype(np.float64)
    weights = np.ones(len(p)) if weight is None else np.asarray(weight, dtype=np.float64)
    total = weights.sum()

    def loss(log_factor: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        factor = np.exp(log_factor)
        shares = source * factor
        normaliser = shares.sum()
        seen = p @ factor  # (N,) times each photo's likelihood
        log_likelihood = weights @ np.log(seen) - total * np.log(normaliser)
        prior = pull * (source @ log_factor - np.log(normaliser))
        counts = factor * ((weights / seen) @ p) + pull * source  # (C,)
        slope = counts - (total + pull) * shares / normaliser
        ridge = 1e-6 * log_factor  # a factor that all classes share stays where it is
        value = 0.5 * log_factor @ ridge - (log_likelihood + prior) / total
        return float(value), ridge - slope / total

    found = minimize(
        loss,
        np.zeros(len(source)),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_FURTHEST, _FURTHEST)] * len(source),
        options={"ftol": 1e-11, "gtol": 1e-7, "maxiter": 500},
    )
    shares = source * np.exp(found.x)
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
