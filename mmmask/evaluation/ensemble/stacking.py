"""Stacking: a small model that learns how the answers of several models go together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from mmmask.errors import InputError
from mmmask.evaluation.calibration import person_weights
from mmmask.labels import ATTRIBUTES, decode, marginals, product
from mmmask.packages import require

#: Smallest probability whose logarithm is told apart from smaller ones.
FLOOR = 1e-6
#: scikit-learn's C: how much the loss of one person weighs against half the sum of the squared
#: weights, of features with a standard deviation of 1.
STRENGTH = 0.3


def features(probabilities: NDArray[np.floating], attribute: str | None = None) -> NDArray:
    """Return what stacking learns from: log-probabilities of mask, gender and age, centred.

    The attributes, and not the 18 classes: a rare class is then made of values of which there are
    many photos, and 8 numbers say what 18 do where the model judges the attributes apart.

    Shape:
        (N, 18) -> (N, 8); (N, C) of one ``attribute`` -> (N, C). float32.
    """
    parts = marginals(probabilities) if attribute is None else {attribute: probabilities}
    logs = [np.log(np.maximum(part, FLOOR)).astype(np.float32) for part in parts.values()]
    return np.concatenate([log - log.mean(axis=1, keepdims=True) for log in logs], axis=1)


@dataclass(frozen=True)
class Stack:
    """A fitted stack: for each attribute a softmax of an affine map of the features.

    Attributes:
        weights: Attribute -> (F, C).
        biases: Attribute -> (C,).
    """

    weights: Mapping[str, NDArray[np.float64]]
    biases: Mapping[str, NDArray[np.float64]]

    def __call__(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the probabilities of features, (N, F) -> (N, 18), or (N, C) of one attribute."""
        parts = {
            name: softmax(values @ self.weights[name] + self.biases[name], axis=1)
            for name in self.weights
        }
        joint = product(parts) if len(parts) == len(ATTRIBUTES) else next(iter(parts.values()))
        return joint.astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Return weights and biases as lists, ready for JSON."""
        return {
            "stack_weights": {name: values.tolist() for name, values in self.weights.items()},
            "stack_biases": {name: values.tolist() for name, values in self.biases.items()},
        }


def fit_stack(
    values: NDArray[np.floating],
    truth: NDArray[np.integer],
    *,
    person: ArrayLike | None = None,
    attribute: str | None = None,
) -> Stack:
    """Return multinomial logistic regressions of mask, gender and age on the features of models.

    Stacked generalisation (Wolpert, 1992) with the penalised regression of scikit-learn. Each
    attribute is learned from the features of all of them. The photos of a person are alike, so
    together they weigh as one against the penalty.

    Args:
        values: (N, F) :func:`features` of the models side by side.
        truth: (N,) true classes; of one attribute, its true values.
        person: (N,) who is in each photo, any values; None takes each photo for another person.
        attribute: What the models predict alone; None for the 18 classes.

    Raises:
        InputError: scikit-learn is not installed, or no photo has one of an attribute's values.
    """
    require("stacking", "sklearn")
    from sklearn.linear_model import LogisticRegression

    spread = values.std(axis=0)
    spread[spread == 0] = 1
    weight = person_weights(person, len(values))
    parts = decode(truth) if attribute is None else {attribute: truth}
    weights, biases = {}, {}
    for name, labels in parts.items():
        missing = set(range(len(ATTRIBUTES[name]))) - set(labels.tolist())
        if missing:
            raise InputError(
                f"stacking needs photos of each {name}; none of the {len(labels)} is "
                f"{ATTRIBUTES[name][min(missing)]}"
            )
        model = LogisticRegression(C=STRENGTH, tol=1e-4, max_iter=1000)
        model.fit(values / spread, labels, sample_weight=weight)
        slopes, offsets = model.coef_, model.intercept_
        if len(slopes) == 1:  # of two values scikit-learn keeps the log odds of the second
            slopes, offsets = np.vstack([0 * slopes, slopes]), np.append(0 * offsets, offsets)
        weights[name], biases[name] = (slopes / spread).T, offsets
    return Stack(weights, biases)
