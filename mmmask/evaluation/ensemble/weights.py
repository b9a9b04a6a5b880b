"""Weights of models for their weighted vote, in plain numpy and scipy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from mmmask.evaluation.calibration import FLOOR, person_weights

#: How many people the prior for equal weights is worth. Over a few hundred people, what tells
#: similar models apart is mostly chance.
PRIOR = 20.0


def mixture_weights(
    tables: Sequence[NDArray[np.floating]],
    truth: NDArray[np.integer],
    person: ArrayLike | None = None,
    *,
    prior: float = PRIOR,
) -> NDArray[np.float64]:
    """Return the weights of models whose mean tells the true classes best.

    With ``p = sum_m w_m p_m`` and ``q`` proportional to ``p ** s``, weights (positive, they sum
    to 1) and sharpness ``s`` maximise ``sum_n v_n log q_n(y_n) + prior / M * sum_m log w_m``:
    stacking of predictive distributions (Yao et al., Using Stacking to Average Bayesian Predictive
    Distributions, 2018), which has no ``s``. Without it the one surest model wins wherever the
    mean is not sure enough, though the mean errs less; a class is chosen whatever ``s`` is.
    The prior is Dirichlet: equal models get equal weights, and none gets 0. The photos of
    a person are alike, so ``v_n`` is 1 over their number.

    Args:
        tables: Probabilities, (N, C), of each model, of people that it has not learned from.
        truth: (N,) true classes.
        person: (N,) who is in each photo, any values; None takes each photo for another person.
        prior: In people.

    Returns:
        (M,) of each model.
    """
    photos, models = np.arange(len(truth)), len(tables)
    stacked = np.stack(tables, axis=2).astype(np.float64)  # (N, C, M)
    weight = person_weights(person, len(truth))
    each, people = prior / models, weight.sum() + prior

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w, sharpness = softmax(theta[:-1]), np.exp(theta[-1])
        mean = np.maximum(stacked @ w, FLOOR)  # (N, C)
        log_mean = np.log(mean)
        log_q = log_softmax(sharpness * log_mean, axis=1)
        value = -weight @ log_q[photos, truth] - each * np.log(w).sum()
        error = np.exp(log_q)
        error[photos, truth] -= 1
        error *= weight[:, None]  # slope of the logits, (N, C)
        slope_w = (error * sharpness / mean).ravel() @ stacked.reshape(-1, models) - each / w
        slope = np.append(w * (slope_w - w @ slope_w), sharpness * np.sum(error * log_mean))
        return value / people, slope / people

    start = np.zeros(models + 1)  # equal weights, sharpness 1
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(-20, 20)] * len(start))
    return softmax(found.x[:-1])
