"""Calibration: probabilities that mean what they say, in plain numpy and scipy.

A network's probabilities are mostly too sure. An affine map of their logarithms, fitted on
predictions of people that the network has not learned from, repairs that:
``softmax(W log p + b)``. The methods differ in what W and b may be.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES, JOINT_SHAPE, NUM_CLASSES

#: attribute: a scale for each of mask, gender and age, a bias for each of their values, and of
#: three values, how far the odds of two count for the third; of a model of one attribute,
#: the same of this one. Mask states are easy and ages hard, so a network is unsure of the former
#: and too sure of the latter, which no single temperature repairs.
#: temperature: one scale for all classes, Guo et al., On Calibration of Modern Neural Networks,
#: 2017. vector: the same paper, a scale and a bias for each class.
METHODS = ("attribute", "temperature", "vector")

#: Smallest probability whose logarithm is told apart from smaller ones.
FLOOR = 1e-12
#: Bounds of the scale that all classes share, the inverse of the temperature.
SCALES = (1 / 20, 20.0)
#: Method -> how far a scale may stray from the shared one: the standard deviation of a normal
#: prior. A class that few people have stays near the others.
SCALE_SPREAD = {"attribute": 2.0, "vector": 0.5, "temperature": np.inf}
#: The same of how far the values of an attribute may count for each other.
MIX_SPREAD = 0.5
#: The same of the biases, in nats.
BIAS_SPREAD = 0.5


class _Basis(NamedTuple):
    """The parameters of a method: ``W = sum_k t_k weights_k``, ``b = sum_k t_k biases_k``."""

    names: tuple[str, ...]
    weights: NDArray[np.float64]  # (K, C, C)
    biases: NDArray[np.float64]  # (K, C)
    pull: NDArray[np.float64]  # (K,) 1 / variance of the prior, 0 where there is none


@dataclass(frozen=True)
class Calibration:
    """A fitted map of probabilities to probabilities.

    Attributes:
        method: One of ``METHODS``.
        classes: C.
        parameters: Name -> value: ``scale`` is the inverse of the temperature, ``scale_...`` is
            added to it for one class or attribute, ``mix_...`` is the weight of what one contrast
            of its values counts for another, ``bias_...`` is added to a logit, in nats.
        provenance: What it was fitted on.
    """

    method: str
    classes: int
    parameters: Mapping[str, float]
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __call__(self, probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the calibrated probabilities, (N, C), rows sum to 1."""
        basis = _basis(self.method, self.classes)
        theta = np.array([self.parameters[name] for name in basis.names])
        logits = _logits(_log(probabilities), basis, theta)
        return softmax(logits, axis=1).astype(np.float32)

    def moved(self, step: NDArray[np.floating]) -> "Calibration":
        """Return the calibration whose parameters are greater by ``step``, (K,)."""
        values = np.add([*self.parameters.values()], step)
        return replace(self, parameters=dict(zip(self.parameters, values.tolist(), strict=True)))

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` reads, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Any) -> "Calibration":
        """Return the calibration that :meth:`to_dict` described.

        Raises:
            InputError: A field is missing, or its value is not allowed.
        """
        if not isinstance(content, Mapping):
            raise InputError(f"a calibration must be a JSON object; got {type(content).__name__}")
        method, classes = content.get("method"), content.get("classes")
        if method not in METHODS:
            raise InputError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
        if not isinstance(classes, int) or not 2 <= classes <= NUM_CLASSES:
            raise InputError(f"classes must be from 2 to {NUM_CLASSES}; got {classes!r}")
        names = _basis(method, classes).names
        given = content.get("parameters")
        if not isinstance(given, Mapping) or {*given} != {*names}:
            raise InputError(f"parameters must be {', '.join(names)}; got {given!r:.60}")
        values = {name: given[name] for name in names}
        for name, value in values.items():
            if not isinstance(value, int | float) or not np.isfinite(value):
                raise InputError(f"parameter {name} must be a finite number; got {value!r}")
        return cls(method, classes, values, content.get("provenance") or {})


def fit_calibration(
    probabilities: NDArray[np.floating],
    labels: ArrayLike,
    method: str = "attribute",
    *,
    person: ArrayLike | None = None,
    scale_spread: float | None = None,
    bias_spread: float = BIAS_SPREAD,
) -> Calibration:
    """Return the calibration that makes the labels most likely, on its prior.

    The photos of a person are alike, so together they weigh as one against the prior.

    Args:
        probabilities: (N, C) of photos whose people the model has not learned from.
        labels: (N,) true classes; -1 where unknown, of photos that are left out.
        method: One of ``METHODS``.
        person: (N,) who is in each photo, any values; None takes each photo for another person.
        scale_spread: In place of the method's ``SCALE_SPREAD``; ``inf`` is no prior.
        bias_spread: In place of ``BIAS_SPREAD``, in nats; ``inf`` is no prior.
    """
    labels = np.asarray(labels, dtype=np.int64)
    known = labels >= 0
    if not known.all():
        probabilities, labels = probabilities[known], labels[known]
        person = None if person is None else np.asarray(person)[known]
    basis = _basis(method, probabilities.shape[1], scale_spread, bias_spread)
    log_p = _log(probabilities)
    weight = person_weights(person, len(labels))[:, None]  # (N, 1)
    truth = np.eye(probabilities.shape[1])[labels]
    people = weight.sum()

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_q = log_softmax(_logits(log_p, basis, theta), axis=1)
        error = weight * (np.exp(log_q) - truth)  # (N, C)
        slope = np.tensordot(basis.weights, error.T @ log_p, axes=2)
        slope += basis.biases @ error.sum(axis=0) + basis.pull * (theta - start)
        value = -np.sum(weight * truth * log_q) + 0.5 * np.sum(basis.pull * (theta - start) ** 2)
        return value / people, slope / people

    start = np.zeros(len(basis.names))
    start[0] = 1
    bounds = [SCALES, *[(None, None)] * (len(start) - 1)]
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 1000}
    )
    parameters = {name: float(value) for name, value in zip(basis.names, found.x, strict=True)}
    return Calibration(method, probabilities.shape[1], parameters)


def cross_calibrated(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    group: ArrayLike,
    method: str = "attribute",
    *,
    person: ArrayLike | None = None,
) -> NDArray[np.float32]:
    """Return each group's probabilities as calibrated by a fit on the other groups, (N, C).

    Photos with label -1 are calibrated and not fitted on.
    """
    group = np.asarray(group)
    people = np.arange(len(group)) if person is None else np.asarray(person)
    result = np.empty(probabilities.shape, np.float32)
    for one in np.unique(group):
        rest = group != one
        fitted = fit_calibration(probabilities[rest], labels[rest], method, person=people[rest])
        result[~rest] = fitted(probabilities[~rest])
    return result


def influence(
    calibration: Calibration,
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    person: NDArray[np.integer],
) -> NDArray[np.float64]:
    """Return how much further the K parameters went for each person that they were fitted on.

    One Newton step of the penalised likelihood: drawn once more, a person moves them about so
    much, left out as much back. So ``(draws - 1) @ influence`` are the steps to the fits on
    resampled people, without fitting each anew.

    Shape:
        ``probabilities``: (N, C); ``labels``: (N,); ``person``: (N,) numbers 0 to P - 1 -> (P, K).
    """
    basis = _basis(calibration.method, calibration.classes)
    log_p = _log(probabilities)
    weight = person_weights(person, len(labels))
    # (N, K, C): by how much each parameter moves each logit
    moves = np.einsum("kcd,nd->nkc", basis.weights, log_p) + basis.biases
    p = calibration(probabilities).astype(np.float64)
    mean = np.einsum("nkc,nc->nk", moves, p)
    rows = np.arange(len(labels))
    slopes = np.zeros((int(person.max()) + 1, len(basis.names)))
    np.add.at(slopes, person, weight[:, None] * (mean - moves[rows, :, labels]))
    squares = np.einsum("nkc,nlc->kl", moves * (weight[:, None] * p)[:, None], moves, optimize=True)
    curvature = squares - (weight[:, None] * mean).T @ mean + np.diag(basis.pull)
    return -np.linalg.solve(curvature, slopes.T).T


def person_weights(person: ArrayLike | None, photos: int) -> NDArray[np.float64]:
    """Return weights by which each person's photos together weigh 1; None: each photo does."""
    if person is None:
        return np.ones(photos)
    _, rows, counts = np.unique(np.asarray(person), return_inverse=True, return_counts=True)
    return 1 / counts[rows]


class Reliability(NamedTuple):
    """How often the top answer is right, by how sure it is; one value per bin, 0 in an empty one.

    ``confidence`` is the mean probability of the top answer, ``accuracy`` the share of right ones,
    ``error`` the standard error of their difference over people: NaN where there is but one.
    """

    photos: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    error: NDArray[np.float64]

    @property
    def ece(self) -> float:
        """Expected calibration error, 0 to 1: the mean over photos of their bin's |difference|.

        Guo et al. 2017, of the top answer, in bins of equal width.
        """
        return self._mean(np.abs(self.confidence - self.accuracy))

    @property
    def ece_by_chance(self) -> float:
        """The ECE to expect of as many people if the probabilities were perfectly calibrated.

        A bin's difference is then about normal around 0, and E|x| = sqrt(2 / pi) * deviation.
        """
        return self._mean(np.sqrt(2 / np.pi) * self.error)

    @property
    def ece_in_words(self) -> str:
        """The error beside its yardstick, such as "ECE 0.042 (chance 0.041)"."""
        return f"ECE {self.ece:.3f} (chance {self.ece_by_chance:.3f})"

    def _mean(self, of_bins: NDArray[np.float64]) -> float:
        return float(np.average(of_bins, weights=self.photos))


def reliability(
    probabilities: NDArray[np.floating], labels: ArrayLike, person: ArrayLike, bins: int = 15
) -> Reliability:
    """Return confidence and accuracy in bins of equal width over the confidence 0 to 1.

    The photos of a person share their luck, so the errors are those of a ratio of two sums over
    people (Cochran, Sampling Techniques, 1977, section 6.4): of the gaps, and of the photos.

    Args:
        probabilities: (N, C).
        labels: (N,) true classes.
        person: (N,) who is in each photo, any values.
        bins: B, how many.
    """
    sure = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == np.asarray(labels)
    # As in the paper a bin holds its upper bound; rounding may lift a row's sum above 1.
    rows = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
    photos = np.bincount(rows, minlength=bins)
    filled = np.maximum(photos, 1)
    confidence, accuracy = (np.bincount(rows, of, minlength=bins) / filled for of in (sure, right))
    _, who = np.unique(np.asarray(person), return_inverse=True)
    people = int(who.max()) + 1
    beyond = sure - right - (confidence - accuracy)[rows]  # sums to 0 in each bin
    sums = np.bincount(rows * people + who, beyond, minlength=bins * people).reshape(bins, people)
    correction = people / (people - 1) if people > 1 else np.nan
    error = np.sqrt(correction * np.sum(sums**2, axis=1)) / filled
    return Reliability(photos, confidence, accuracy, error)


def _log(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.log(np.maximum(probabilities.astype(np.float64), FLOOR))


def _logits(
    log_p: NDArray[np.float64], basis: _Basis, theta: NDArray[np.float64]
) -> NDArray[np.float64]:
    weight = np.tensordot(theta, basis.weights, axes=1)  # (C, C)
    return log_p @ weight.T + theta @ basis.biases


@lru_cache
def _basis(
    method: str,
    classes: int,
    scale_spread: float | None = None,
    bias_spread: float = BIAS_SPREAD,
) -> _Basis:
    """Return the parameters of a method; the first is the scale that all classes share."""
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
    scales: dict[str, NDArray[np.float64]] = {}
    mixes: dict[str, NDArray[np.float64]] = {}
    biases: dict[str, NDArray[np.float64]] = {}
    if method == "attribute" and classes == NUM_CLASSES:
        for axis, (attribute, values) in enumerate(ATTRIBUTES.items()):
            size = len(values)
            scales[attribute] = _of(axis, np.eye(size) - 1 / size)
            for name, one in _mixes(size).items():
                mixes[f"{attribute}_{name}"] = _of(axis, one)
            own = np.indices(JOINT_SHAPE)[axis].ravel()  # (18,) value of the attribute
            biases |= {f"{attribute}_{name}": 1.0 * (own == k) for k, name in enumerate(values)}
    elif method != "temperature":
        biases = {f"{label:02d}": row for label, row in enumerate(np.eye(classes))}
        mixes = _mixes(classes) if method == "attribute" else {}
        if method == "vector":
            scales = {name: np.diag(row) for name, row in biases.items()}
    parts = {"scale": scales, "mix": mixes, "bias": biases}
    names = ("scale", *(f"{kind}_{name}" for kind, part in parts.items() for name in part))
    matrices = [np.eye(classes), *scales.values(), *mixes.values()]
    weights, bias = np.zeros((len(names), classes, classes)), np.zeros((len(names), classes))
    weights[: len(matrices)] = matrices
    if biases:
        bias[len(matrices) :] = [*biases.values()]
    scale = SCALE_SPREAD[method] if scale_spread is None else scale_spread
    spread = {"scale": scale, "mix": min(scale, MIX_SPREAD), "bias": bias_spread}
    pull = [0.0, *(spread[kind] ** -2.0 for kind, part in parts.items() for _ in part)]
    return _Basis(names, weights, bias, np.array(pull))


def _mixes(values: int) -> dict[str, NDArray[np.float64]]:
    """Return maps of three values by which the odds of two of them count for others.

    Of the two contrasts of three values, that of the outer ones and that of the middle one
    against them, the first map scales one up and the other down; the others let one contrast
    count for the other. Ages need it: who is not young for sure need not be old.
    """
    if values != 3:
        return {}
    outer, middle = np.array([-1, 0, 1]) / np.sqrt(2), np.array([1, -2, 1]) / np.sqrt(6)
    return {
        "spread": np.outer(outer, outer) - np.outer(middle, middle),
        "outer": np.outer(outer, middle),
        "middle": np.outer(middle, outer),
    }


def _of(axis: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the map of (18,) that acts on the means over the attributes but one, of ``axis``."""
    parts = [
        values if own == axis else np.full((size, size), 1 / size)
        for own, size in enumerate(JOINT_SHAPE)
    ]
    return np.kron(np.kron(parts[0], parts[1]), parts[2])
