"""Which predictions are sure enough to be labels, in plain numpy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def agreeing(models: Sequence[NDArray[np.floating]], labels: NDArray[np.integer]) -> NDArray:
    """Return how many models, (N, C) each, have each photo's label as their most probable class."""
    return np.sum([model.argmax(axis=1) == labels for model in models], axis=0)


def choose_sure(
    probabilities: NDArray[np.floating],
    *,
    threshold: float = 0.0,
    most: ArrayLike | None = None,
    among: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Return the photos whose most probable class may serve as their label, in their order.

    Easy and common classes are the sure ones, so without a bound on each class the rare ones
    would vanish among the pseudo-labels.

    Args:
        probabilities: (N, C) calibrated, so that the threshold means what it says.
        threshold: Least probability of the label.
        most: At most so many of a class, the surest; one number or one for each class. None: all.
        among: (N,) photos that may be chosen at all; None: all.
    """
    labels, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    rows = np.flatnonzero((sure >= threshold) & (True if among is None else among))
    if most is None:
        return rows
    bounds = np.broadcast_to(np.asarray(most), probabilities.shape[1:])
    rows = rows[np.argsort(-sure[rows], kind="stable")]
    kept = [rows[labels[rows] == label][: bounds[label]] for label in range(len(bounds))]
    return np.sort(np.concatenate(kept))
