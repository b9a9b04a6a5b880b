"""Weights of models for their weighted vote, in plain numpy."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmmask.evaluation.calibration import person_weights

#: Smallest likelihood that takes part in a logarithm.
FLOOR = 1e-12


def mixture_weights(
    likelihoods: NDArray[np.floating], person: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the weights by which mixed models make the true classes most likely.

    Maximises ``sum_n v_n log(sum_m w_m L_nm) + sum_m log w_m`` over positive weights that sum
    to 1: stacking of predictive distributions (Yao et al., Using Stacking to Average Bayesian
    Predictive Distributions, 2018) with a Dirichlet(2) prior, worth one person for each model,
    so equal models get equal weights and none gets 0. The photos of a person are alike, so
    ``v_n`` is 1 over their number. The problem is convex and has one solution.

    Args:
        likelihoods: Probability that each model gives to the true class of each photo.
        person: Who is in each photo, any values; None takes each photo for another person.

    Shape:
        ``likelihoods``: (N, M); ``person``: (N,) -> (M,).
    """
    count, models = likelihoods.shape
    values = np.maximum(likelihoods.astype(np.float64), FLOOR)
    weight_of = person_weights(person, count)
    # A multiplier for the sum of 1 is known beforehand: at the optimum the slopes, weighted by w,
    # add up to this many people. So Newton's method needs no constraint but w > 0.
    people = weight_of.sum() + models

    def loss(w: NDArray[np.float64]) -> float:
        return float(people * w.sum() - weight_of @ np.log(values @ w) - np.log(w).sum())

    w = np.full(models, 1 / models)
    now = loss(w)
    for _ in range(100):
        shares = values / (values @ w)[:, None]  # (N, M)
        slope = people - shares.T @ weight_of - 1 / w
        curve = (shares.T * weight_of) @ shares + np.diag(w**-2.0)
        step = np.linalg.solve(curve, slope)
        if slope @ step < 1e-9 * people:  # nats, about twice what is left to gain
            break
        size = 0.99 / max(0.99, *(step / w))  # at most 1, and all stay positive
        while loss(w - size * step) > now:
            size /= 2
            if size < 1e-9:  # nothing is left that the numbers can tell
                return w / w.sum()
        w = w - size * step
        now = loss(w)
    return w / w.sum()
