"""Estimates of class shares by several methods beside each other, each with its interval."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.prior_shift.shares import (
    Shares,
    answers_by_class,
    estimate_shares,
    mean_answers,
    shares_behind,
)
from mmmask.evaluation.prior_shift.shift import Evidence, Shift, resample
from mmmask.labels import ATTRIBUTES, NUM_CLASSES, decode, marginals

#: How shares are estimated beside the regularised estimate that corrections take: em, the
#: likelihood's maximum, of one attribute or of the 18 classes alone; bbse_soft and bbse_hard,
#: black-box shift estimation from probabilities and from answers.
METHODS = ("em", "bbse_soft", "bbse_hard")
_VALUES = {"class": [str(label) for label in range(NUM_CLASSES)], **ATTRIBUTES}
_LEVEL = (0.025, 0.975)


def estimates(shift: Shift) -> pd.DataFrame:
    """Return one row for each class and each value of an attribute.

    Returns:
        ``of`` and ``value`` as in ``mmmask.tables.SHARES``; ``out_of_fold``, the share of the
        labels that evidence has; ``predicted``, that among the answers to the photos; ``share``,
        ``low`` and ``high``, the regularised estimate with its 95 % interval; and the same for
        each of ``METHODS``, as ``em``, ``em_low``, ``em_high`` and so on.
    """
    evidence = shift.evidence
    drawn = [
        dict(_all(evidence, one.calibrated, one.weight, one.source, one.drawn[evidence.person]))
        for one in resample(evidence, shift.models, shift.draws, seed=shift.seed)
    ]
    every = np.ones(len(shift.models[0]))
    found = dict(_all(evidence, shift.calibrated, every, evidence.source, None))
    answered = np.eye(NUM_CLASSES)[np.concatenate([*shift.models]).argmax(axis=1)]
    tables = []
    for of, values in _VALUES.items():
        counts = np.bincount(_label(evidence, of), minlength=len(values))
        table = pd.DataFrame({"of": of, "value": values})
        table["out_of_fold"] = counts / len(evidence.labels)
        table["predicted"] = _part(answered, of).mean(axis=0)
        table["share"] = _part(shift.shares[None], of)[0]
        table["low"], table["high"] = np.quantile(_part(shift.plausible, of), _LEVEL, axis=0)
        for method in METHODS:
            bounds = np.quantile([one[of, method] for one in drawn], _LEVEL, axis=0)
            table[method] = found[of, method]
            table[f"{method}_low"], table[f"{method}_high"] = bounds
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _all(
    evidence: Evidence,
    calibrated: Sequence[NDArray[np.floating]],
    weight: NDArray[np.float64],
    source: Shares,
    drawn: NDArray[np.float64] | None,
) -> Iterator[tuple[tuple[str, str], Shares]]:
    """Yield (what, method) and the estimate, for each attribute and for the 18 classes."""
    pooled = np.concatenate([*calibrated]).astype(np.float64)
    weights = np.tile(weight, len(calibrated))
    for of in _VALUES:
        photos, known = _part(pooled, of), _part(evidence.held_out, of)
        shares = _part(source[None], of)[0]
        yield (of, "em"), estimate_shares(photos, shares, weight=weights)
        for method, hard in (("bbse_soft", False), ("bbse_hard", True)):
            confusion = answers_by_class(known, _label(evidence, of), hard, drawn)
            yield (of, method), shares_behind(mean_answers(photos, hard, weights), confusion)


def _part(joint: NDArray, of: str) -> NDArray:
    return joint if of == "class" else marginals(joint)[of]


def _label(evidence: Evidence, of: str) -> NDArray[np.int64]:
    return evidence.labels if of == "class" else decode(evidence.labels)[of]
