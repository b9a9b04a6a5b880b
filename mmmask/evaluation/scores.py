"""The competition's score and its parts, in plain numpy."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp

from mmmask.labels import ATTRIBUTES, NUM_CLASSES, decode

#: Smallest probability that takes part in a logarithm.
TINY = 1e-38


def confusion(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int = NUM_CLASSES
) -> NDArray[np.int64]:
    """Count photos by true class (row) and predicted class (column)."""
    pairs = np.asarray(truth, dtype=np.int64) * classes + np.asarray(predicted, dtype=np.int64)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def f1_per_class(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the F1 of each class from a confusion matrix.

    ``F1 = 2 TP / (2 TP + FP + FN)``; 0 for a class that occurs in neither truth nor prediction.
    """
    doubled_hits = 2 * np.diagonal(counts)
    total = counts.sum(axis=0) + counts.sum(axis=1)  # 2 TP + FP + FN
    return np.divide(doubled_hits, total, out=np.zeros(len(counts)), where=total > 0)


def macro_f1(truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> float:
    """Return the unweighted mean of the 18 class F1s, the competition's score.

    Equals ``sklearn.metrics.f1_score(..., labels=range(18), average="macro", zero_division=0)``.
    """
    return float(f1_per_class(confusion(truth, predicted)).mean())


def scores(
    truth: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    predicted: NDArray[np.integer] | None = None,
    values: Mapping[str, NDArray[np.integer]] | None = None,
) -> dict[str, float]:
    """Return the scores of predicted probabilities.

    Args:
        truth: (N,) labels, -1 where unknown.
        probabilities: (N, 18) predicted.
        predicted: (N,) the answers; None takes the most probable classes.
        values: Attribute -> (N,) its true values, -1 where unknown; None: as ``truth`` says.

    Returns:
        ``macro_f1``; ``accuracy`` over the 18 classes and ``mask_accuracy``,
        ``gender_accuracy``, ``age_accuracy`` of the parts of the predicted class, each a share of
        the photos that know it; ``nll``, the mean of -log p(true class) over the photos of known
        class, in nats; ``f1_00`` to ``f1_17``. What no photo knows has no score.
    """
    predicted = probabilities.argmax(axis=1) if predicted is None else predicted
    known, told = truth >= 0, decode(predicted)
    values = decode(truth) if values is None else values
    shares = {
        f"{name}_accuracy": float(np.mean(values[name][some] == told[name][some]))
        for name in ATTRIBUTES
        if (some := values[name] >= 0).any()
    }
    if not known.any():
        return shares
    truth, predicted = truth[known], predicted[known]
    per_class = f1_per_class(confusion(truth, predicted))
    return {
        "macro_f1": float(per_class.mean()),
        "accuracy": float(np.mean(truth == predicted)),
        **shares,
        "nll": float(log_losses(truth, probabilities[known]).mean()),
        **{f"f1_{label:02d}": float(value) for label, value in enumerate(per_class)},
    }


def attribute_scores(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> dict[str, float]:
    """Return the scores of a model of one attribute, truth (N,) and probabilities (N, C).

    Returns:
        ``macro_f1``, the unweighted mean over the C values; ``accuracy``, a share of the N
        photos; ``nll``, the mean of -log p(true value) over the N photos, in nats; ``f1_0`` ....
    """
    predicted = probabilities.argmax(axis=1)
    per_value = f1_per_class(confusion(truth, predicted, probabilities.shape[1]))
    return {
        "macro_f1": float(per_value.mean()),
        "accuracy": float(np.mean(truth == predicted)),
        "nll": float(log_losses(truth, probabilities).mean()),
        **{f"f1_{value}": float(f1) for value, f1 in enumerate(per_value)},
    }


def log_losses(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return -log p(true class) of each photo, in nats: (N,), (N, C) -> (N,)."""
    own = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return -np.log(np.maximum(own, TINY))


def negative_log_likelihood(
    truth: NDArray[np.integer], log_probabilities: NDArray[np.floating]
) -> float:
    """Return the mean of -log p(true class) over the photos, in nats."""
    return float(-log_probabilities[np.arange(len(truth)), truth].mean(dtype=np.float64))


def fit_temperature(truth: NDArray, probabilities: NDArray[np.floating]) -> float:
    """Return the temperature T that minimises the likelihood loss of ``softmax(log p / T)``.

    Guo et al., On Calibration of Modern Neural Networks, 2017. T is searched from 1/20 to 20.

    Shape:
        ``probabilities``: (N, C); ``truth``: (N,) true classes, or (N, C) which classes fit what
        is known. The loss of the latter is -log of their summed probability.
    """
    log_p = np.log(np.maximum(probabilities.astype(np.float64), TINY))

    def loss(log_t: float) -> float:
        log_q = log_softmax(log_p / np.exp(log_t), axis=1)
        if truth.ndim == 2:
            return -float(logsumexp(np.where(truth, log_q, -np.inf), axis=1).mean())
        return negative_log_likelihood(truth, log_q)

    bound = np.log(20)
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))
