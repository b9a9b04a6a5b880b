"""Corrections of prior shifts as they are mostly made, to compare ours with.

They always correct. Those of abstention and quapy are there where the packages are installed:
``pip install abstention``, ``pip install --no-deps quapy``.
"""

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmmask.evaluation.calibration import fit_calibration
from mmmask.evaluation.prior_shift.shares import FLOOR, Shares, estimate_shares, implied_shares

#: Out-of-fold probabilities and labels, test probabilities -> calibrated test probabilities, and by
#: which factors the shares of the classes differ.
Reference = Callable[[NDArray, NDArray, NDArray], tuple[NDArray, NDArray]]


def references() -> Mapping[str, Reference]:
    """Return name -> correction, of all that can be imported here."""
    found: dict[str, Reference] = {"em_uncalibrated": _em_uncalibrated, "em_18": _em_calibrated}
    if find_spec("abstention"):
        found["abstention_em"] = partial(_abstention, "EMImbalanceAdapter", {})
        found["abstention_bbse"] = partial(_abstention, "BBSEImbalanceAdapter", {"soft": True})
    if find_spec("quapy"):
        found |= {"quapy_emq": _quapy_emq, "quapy_acc": _quapy_acc, "quapy_pacc": _quapy_pacc}
    return found


def _em_uncalibrated(known: NDArray, labels: NDArray, given: NDArray) -> tuple[NDArray, NDArray]:
    source = implied_shares(known)
    return given, estimate_shares(given, source) / source


def _em_calibrated(known: NDArray, labels: NDArray, given: NDArray) -> tuple[NDArray, NDArray]:
    calibration = fit_calibration(known, labels)
    return _em_uncalibrated(calibration(known), labels, calibration(given))


def _abstention(
    name: str, options: Mapping[str, Any], known: NDArray, labels: NDArray, given: NDArray
) -> tuple[NDArray, NDArray]:
    """Correct after bias-corrected temperature scaling, which the authors of EM recommend."""
    from abstention import calibration, label_shift

    scaling = calibration.TempScaling(bias_positions="all")
    adapter = getattr(label_shift, name)(**options, calibrator_factory=scaling)
    seen, new = (np.maximum(one, FLOOR).astype(np.float64) for one in (known, given))
    adapt = adapter(
        valid_labels=np.eye(known.shape[1])[labels],
        tofit_initial_posterior_probs=new,
        valid_posterior_probs=seen,
    )
    return adapt.calibrator_func(new), adapt.multipliers


def _quapy_emq(known: NDArray, labels: NDArray, given: NDArray) -> tuple[NDArray, NDArray]:
    from quapy.method.aggregative import EMQ

    seen, new = (np.maximum(one, FLOOR).astype(np.float64) for one in (known, given))
    source = implied_shares(seen)
    return new, EMQ.EM(source, new)[0] / source


def _quapy_acc(known: NDArray, labels: NDArray, given: NDArray) -> tuple[NDArray, NDArray]:
    from quapy.method.aggregative import ACC

    classes = np.arange(known.shape[1])
    rates = ACC.getPteCondEstim(classes, labels, known.argmax(axis=1))
    answers = np.bincount(given.argmax(axis=1), minlength=len(classes)) / len(given)
    return _quapy_adjusted(rates, answers, known, given)


def _quapy_pacc(known: NDArray, labels: NDArray, given: NDArray) -> tuple[NDArray, NDArray]:
    from quapy.method.aggregative import PACC

    rates = PACC.getPteCondEstim(np.arange(known.shape[1]), labels, known.astype(np.float64))
    return _quapy_adjusted(rates, given.mean(axis=0), known, given)


def _quapy_adjusted(
    rates: NDArray, answers: Shares, known: NDArray, given: NDArray
) -> tuple[NDArray, NDArray]:
    from quapy.functional import normalize_prevalence
    from quapy.method.aggregative import ACC

    shares = ACC.solve_adjustment(
        class_conditional_rates=rates,
        unadjusted_counts=answers,
        method="inversion",
        solver="minimize",
    )
    return given, normalize_prevalence(shares, method="clip") / implied_shares(known)
