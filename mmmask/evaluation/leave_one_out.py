"""What everybody else says of a person: kernel ridge regression that leaves each one out.

Closed forms take the place of as many fits as there are people, so labels of hundreds to a few
thousand people are checked in seconds.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Share of the variance that counts as noise.
RIDGE = 0.03


def similarity(features: Sequence[NDArray[np.floating]]) -> Floats:
    """Return how alike people are, (P, P) from 0 to 1: the mean of a Gaussian kernel for each kind.

    Each feature, (P, D) of a kind, is standardised; the width of a kernel is the median distance,
    so that each kind tells near from far.
    """
    total = np.zeros((len(features[0]),) * 2)
    for kind in features:
        x = kind - kind.mean(axis=0)
        x /= np.maximum(x.std(axis=0), 1e-6 * max(float(x.std()), 1e-12))
        x = x.astype(np.float64)
        lengths = np.einsum("pd,pd->p", x, x)
        squared = np.maximum(lengths[:, None] + lengths - 2 * x @ x.T, 0)
        total += np.exp(-squared / max(float(np.median(squared)), 1e-12))
    return total / len(features)


def leave_one_out(kernel: Floats, targets: NDArray[np.floating], ridge: float = RIDGE) -> Floats:
    """Return for each person what kernel ridge regression on all others predicts.

    The regression has an intercept that is not penalised; it solves
    ``[[K + ridge I, 1], [1', 0]] [a; b] = [y; 0]``, and the residual of the one left out is
    ``a_i / G_ii`` with G the inverse of that matrix (Cawley and Talbot, 2003).

    Shape:
        ``kernel``: (P, P); ``targets``: (P,) or (P, T) -> as the targets.
    """
    people = len(kernel)
    system = np.ones((people + 1, people + 1))
    system[:people, :people] = kernel + ridge * np.eye(people)
    system[people, people] = 0
    inverse = np.linalg.inv(system)[:people, :people]
    return targets - ((inverse @ targets).T / np.diagonal(inverse)).T
