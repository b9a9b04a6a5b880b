"""Fit the classifiers of a head on frozen features: logistic regression in place of epochs."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from math import expm1, log
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from mmmask.errors import InputError
from mmmask.known import age_spans, check_known, class_counts, classes_of, values_of
from mmmask.labels import ATTRIBUTES, OLDEST
from mmmask.models.ages.regression import LEAST_SCALE, RegressionAge
from mmmask.models.heads.decomposed import DecomposedHead
from mmmask.models.losses.cross_entropy import WeightedCrossEntropyLoss
from mmmask.packages import require

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

#: Logit of a value that no training photo has: its probability is nearly 0.
ABSENT = -30.0
#: Gradient at which a regression has converged, and steps after which it ends all the same.
_TOLERANCE, _MOST_STEPS = 1e-3, 300
#: The same gradient while strengths are tried.
_ROUGH = 3e-3
#: Rounds of EM for ages that are ranges.
_AGE_ROUNDS = 5
#: Share by which a log loss is worse in earnest, so that larger C are not tried.
_WORSE = 1e-2

Features = NDArray[np.float32]

logger = logging.getLogger("mmmask")


@dataclass(frozen=True)
class _Task:
    """What one classifier learns."""

    features: Features  # (N, D), standardised
    target: NDArray[np.int64]  # (N,)
    weight: NDArray[np.float64]  # (N,) of the photos, class weights included
    learns: NDArray[np.bool_]  # (N,) whether a photo is learned from while strengths are tried


def fit_head(
    head: DecomposedHead,
    features: Features,
    samples: pd.DataFrame,
    *,
    Cs: Sequence[float],
    learns: NDArray[np.bool_],
) -> dict[str, float]:
    """Fill the classifiers of a head with scikit-learn's logistic regressions.

    Features are standardised, and the weights folded back, so that the head takes features as they
    are. ``C`` of each attribute, the inverse strength of its L2 penalty, is that with the least log
    loss on people who are not learned from meanwhile; then everybody is fitted with it. A model of
    years gets a ridge regression with the penalty of the age groups, and the spread that the errors
    on these people have.

    Where labels are partly known, each attribute is fitted on the photos that know its value. A
    photo whose age range a cut of age groups divides is in no fit of age groups, and years are
    fitted on the ages that are known in years.

    Args:
        head: Its losses are cross-entropies, whose class weights count; its model of years, where
            it has one, is a regression with a shared scale.
        features: (N, D) of the training photos.
        samples: Their rows, with ``label``, ``person`` and perhaps ``fits``, ``weight`` and ages
            in years or their ranges.
        Cs: Values of ``C`` to try, ascending.
        learns: (N,) which photos are learned from while others tell how good a ``C`` is, see
            :func:`mmmask.datasets.splits.all_but_a_quarter`.

    Returns:
        Attribute -> chosen ``C``.

    Raises:
        InputError: The head is of another kind, or no photo knows an attribute, or all that do
            have one value.
    """
    require("a linear probe", "sklearn")
    from threadpoolctl import threadpool_limits

    check_head(head)
    if not Cs or sorted(set(Cs)) != list(Cs) or not 0 < Cs[0] <= Cs[-1] < np.inf:
        raise InputError(f"Cs must be ascending numbers above 0; got {tuple(Cs)}")
    check_known(samples, ATTRIBUTES)
    head.set_class_counts(torch.as_tensor(class_counts(samples)))
    weight = samples.get("weight", pd.Series(1.0, samples.index)).fillna(1).to_numpy(np.float64)
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation[deviation < 1e-6 * (1 + np.abs(mean))] = np.inf  # a constant says nothing
    scaled = (features - mean) / deviation
    tasks = {}
    for name, values in values_of(classes_of(samples)).items():
        known = values.sum(axis=1) == 1
        target = values[known].argmax(axis=1)
        if not known.any():
            raise InputError(f"no training photo has a surely known {name}; add photos that have")
        if len(np.unique(target)) < 2:
            _warn_of_one_value(name, ATTRIBUTES[name][target[0]])
        by_class = head.loss_module[name].active_class_weight.numpy().astype(np.float64)
        photos = scaled if known.all() else scaled[known]
        tasks[name] = _Task(photos, target, weight[known] * by_class[target], learns[known])
    # A fit waits for memory more than it counts: fits side by side are faster than threads in one.
    with threadpool_limits(1), ThreadPoolExecutor(len(tasks)) as pool:
        fits = pool.map(lambda name: _classifier(tasks[name], Cs, len(ATTRIBUTES[name])), tasks)
        found = dict(zip(tasks, fits, strict=True))
    for name, (_, kernel, bias) in found.items():
        _fill(head.classifiers[name], kernel / deviation, bias, mean)
    chosen = {name: C for name, (C, *_) in found.items()}
    if head.age_model is not None:
        _fit_years(head.age_model, scaled, samples, weight, learns, chosen["age"])
        folded = head.age_model.fc.weight / torch.as_tensor(deviation)
        with torch.no_grad():
            head.age_model.fc.weight.copy_(folded)
            head.age_model.bias[0] -= (folded @ torch.as_tensor(mean))[0]
    return chosen


@cache
def _warn_of_one_value(name: str, value: str) -> None:
    """Say, once and not for each fold, that nothing can be told apart."""
    logger.warning(
        f"every training photo has the {name} {value}: the model will answer that of all photos"
    )


def check_head(head: nn.Module) -> None:
    """Refuse a head that :func:`fit_head` cannot fill."""
    if not isinstance(head, DecomposedHead) or set(head.classifiers) != set(ATTRIBUTES):
        raise InputError(
            "a linear probe needs head.type DecomposedHead with a classifier for each attribute "
            f"(age_groups=True beside a model of years); got {type(head).__name__}"
        )
    if head.agreement:
        raise InputError(
            f"head.agreement must be 0 for a linear probe, which fits each photo by itself; got "
            f"{head.agreement}"
        )
    for name, loss in head.loss_module.items():
        if type(loss) is not WeightedCrossEntropyLoss or loss.label_smoothing:
            raise InputError(
                f"a linear probe needs WeightedCrossEntropyLoss without label smoothing for "
                f"{name}; got {type(loss).__name__}, label_smoothing "
                f"{getattr(loss, 'label_smoothing', None)}"
            )
    age = head.age_model
    if age is not None and not (isinstance(age, RegressionAge) and age.shared):
        raise InputError(
            "a linear probe needs RegressionAge with scale='shared' as head.age; got "
            f"{type(age).__name__}"
        )


def _classifier(
    task: _Task,
    Cs: Sequence[float],
    classes: int,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Return the best C, and kernel (classes, D) and bias (classes,) of everybody at it."""
    whole_kernel = np.zeros((classes, task.features.shape[1]))
    whole_bias = np.full(classes, ABSENT)
    values = np.unique(task.target)
    if len(values) == 1:
        whole_bias[values] = 0
        return Cs[0], whole_kernel, whole_bias
    model, best, least = _regression(), Cs[0], np.inf
    for C, loss in _losses(model, task, Cs):
        if loss > least * (1 + _WORSE):
            break
        if loss < least:
            best, least = C, loss
    if not np.array_equal(getattr(model, "classes_", ()), values):
        model = _regression()  # not from the weights of fewer values
    model.set_params(C=best, tol=_TOLERANCE).fit(task.features, task.target, task.weight)
    kernel, bias = model.coef_, model.intercept_
    if len(kernel) == 1:  # of two values, scikit-learn gives the logit of the second
        kernel, bias = np.concatenate([-kernel, kernel]) / 2, np.concatenate([-bias, bias]) / 2
    whole_kernel[model.classes_], whole_bias[model.classes_] = kernel, bias
    return best, whole_kernel, whole_bias


def _losses(
    model: "LogisticRegression", task: _Task, Cs: Sequence[float]
) -> Iterator[tuple[float, float]]:
    """Yield each C with its log loss on the people who are not learned from."""
    learned, tells = task.learns, ~task.learns
    features, target = task.features[learned], task.target[learned]
    tells &= np.isin(task.target, target)
    if len(np.unique(target)) < 2 or not tells.any():  # too few people to tell
        return
    for C in Cs:
        model.set_params(C=C).fit(features, target, task.weight[learned])
        p = model.predict_proba(task.features[tells])
        own = p[np.arange(len(p)), np.searchsorted(model.classes_, task.target[tells])]
        log_p = np.log(np.maximum(own, np.finfo(own.dtype).tiny))
        yield C, -float(np.average(log_p, weights=task.weight[tells]))


def _regression() -> "LogisticRegression":
    """Return a regression whose next fit starts from the weights of the one before."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(tol=_ROUGH, max_iter=_MOST_STEPS, warm_start=True)


def _fit_years(
    model: RegressionAge,
    features: Features,
    samples: pd.DataFrame,
    weight: NDArray[np.float64],
    learns: NDArray[np.bool_],
    C: float,
) -> None:
    """Fill a model of years by ridge regression, for standardised features.

    An age that is a range counts as its expected value within the range, given what the regression
    says of the photo: EM for a normal distribution (Dempster, Laird, Rubin 1977).
    """
    from sklearn.linear_model import Ridge

    first, last = age_spans(samples)
    known = (first > 0) | (last < OLDEST)
    tells = known & ~learns
    if not (known & learns).any() or not tells.any():
        raise InputError("a model of years needs photos of known age, of several people; got none")
    low, high = (np.clip(age, model.first, model.last) for age in (first, last))
    middle = np.where(first == last, first, (low + high) / 2)  # to start from
    parts = []
    for rows in (known & learns, known):
        ages, deviation = middle, np.zeros(len(middle))
        for _ in range(1 if (first == last)[rows].all() else _AGE_ROUNDS):
            ridge = Ridge(alpha=1 / C, solver="lsqr", tol=_TOLERANCE).fit(
                features[rows], ages[rows], weight[rows]
            )
            center = ridge.predict(features)
            spread = np.sqrt(np.mean(((ages - center) ** 2 + deviation**2)[rows]))
            ages, deviation = _within(ages, first, last, center, spread)
        parts.append(((ages - center)[tells], deviation[tells]))
    error, unsure = parts[0]
    held_out = np.sqrt(error.var() + np.mean(unsure**2))
    if model.distribution == "laplace":
        held_out = np.mean(np.hypot(error, unsure))
    scale = max(float(held_out), LEAST_SCALE + 1e-3)
    with torch.no_grad():
        model.fc.weight.copy_(torch.as_tensor(ridge.coef_[None] / model.spread))
        start = (ridge.intercept_ - model.center) / model.spread
        model.bias.copy_(torch.tensor([start, log(expm1(scale - LEAST_SCALE))]))


def _within(
    ages: NDArray[np.float64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    center: NDArray[np.float64],  # years that a regression says
    spread: float,  # the deviation of its errors
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the expected age within each range, and its deviation, (N,); known ones stay."""
    ranges = (first < last) & ((first > 0) | (last < OLDEST))
    deviation = np.zeros(len(ages))
    if not ranges.any():
        return ages, deviation
    from scipy.stats import truncnorm

    low = np.where(first > 0, first - 0.5, -np.inf)[ranges]
    high = np.where(last < OLDEST, last + 0.5, np.inf)[ranges]
    middle = center[ranges]
    mean, variance = truncnorm.stats(
        (low - middle) / spread, (high - middle) / spread, loc=middle, scale=spread
    )
    ages = ages.copy()
    # Far out in a tail the moments are not finite: the nearer end is the expected age there.
    ages[ranges] = np.clip(np.where(np.isfinite(mean), mean, middle), low, high)
    deviation[ranges] = np.sqrt(np.where(variance > 0, variance, 0))
    return ages, deviation


def _fill(
    layer: nn.Linear, kernel: NDArray[np.float64], bias: NDArray[np.float64], mean: Features
) -> None:
    """Fill a layer with weights for features less their mean."""
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(kernel))
        layer.bias.copy_(torch.as_tensor(bias - kernel @ mean))
