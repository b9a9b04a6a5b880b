"""Estimates of class shares by other methods, to compare ours with.

They see the same calibrated probabilities. Those of quapy are there where it is installed:
``pip install --no-deps quapy``.
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from mmmask.evaluation.prior_shift.shares import FLOOR, Shares, estimate_shares, implied_shares

#: Calibrated probabilities (N, C) and labels (N,) of out-of-fold photos, and calibrated
#: probabilities of the test set -> its shares, (C,).
Reference = Callable[[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]], Shares]


def references() -> Mapping[str, Reference]:
    """Return name -> estimate, of all that can be imported here."""
    found: dict[str, Reference] = {"em": _em}
    if find_spec("quapy"):
        found |= {"quapy_pacc": _quapy_pacc, "quapy_kdey": _quapy_kdey}
    return found


def _em(known: NDArray[np.float64], labels: NDArray[np.int64], given: NDArray) -> Shares:
    """Estimate as we do, but without pseudo-people: the maximum of the likelihood."""
    return estimate_shares(given, implied_shares(known))


def _quapy_pacc(known: NDArray[np.float64], labels: NDArray[np.int64], given: NDArray) -> Shares:
    from quapy.method.aggregative import ACC, PACC

    shares = ACC.solve_adjustment(
        class_conditional_rates=PACC.getPteCondEstim(np.arange(known.shape[1]), labels, known),
        unadjusted_counts=given.mean(axis=0),
        method="inversion",
        solver="minimize",
    )
    return _normalised(shares)


def _quapy_kdey(known: NDArray[np.float64], labels: NDArray[np.int64], given: NDArray) -> Shares:
    """Estimate by the most likely mixture of the classes' kernel densities."""
    from quapy.method.aggregative import KDEyML

    method = KDEyML()
    method.classifier.classes_ = np.arange(known.shape[1])  # what it would have learned itself
    method.aggregation_fit(known, labels)
    return _normalised(method.aggregate(given))


def _normalised(shares: Shares) -> Shares:
    shares = np.maximum(shares, FLOOR)
    return shares / shares.sum()
