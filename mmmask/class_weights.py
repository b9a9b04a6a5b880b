"""Weights of the classes in a loss, from how many training photos each class has.

A class without photos has no weight of its own by these formulas. It gets the weight of the
rarest class present, so that every weight is finite; only label smoothing and mixed targets
ever use it.
"""

import math
from collections.abc import Callable
from types import MappingProxyType

import torch
from torch import Tensor

from mmmask.errors import InputError


def one_minus_share(counts: Tensor) -> Tensor:
    """Return ``1 - n_c / n`` (C,): nearly flat; the weight of an absent class is 1."""
    return 1 - counts / counts.sum()


def inverse(counts: Tensor) -> Tensor:
    """Return ``n / (C n_c)`` (C,): every class has the same total weight, n / C.

    Equals scikit-learn's ``balanced`` where all C classes are present.
    """
    return counts.sum() / (len(counts) * absent_as_rarest(counts))


def effective_number(counts: Tensor, *, beta: float = 0.999) -> Tensor:
    """Return weights ``(1 - beta) / (1 - beta^n_c)`` (C,), scaled to sum to C.

    Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples", eq. 2. Between
    equal weights (beta 0) and :func:`inverse` (beta towards 1).

    Args:
        counts: (C,) numbers of photos of the classes.
        beta: In [0, 1); the paper tries 0.9, 0.99, 0.999 and 0.9999. It stands for a class that
            holds at most ``1 / (1 - beta)`` distinct photos.
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta must be at least 0 and below 1; got {beta}")
    log_beta = math.log(beta) if beta > 0 else -math.inf
    effective = -torch.expm1(absent_as_rarest(counts) * log_beta) / (1 - beta)
    return len(counts) / (effective * (1 / effective).sum())


#: Name in a config -> counts (C,) -> weights (C,).
CLASS_WEIGHTS = MappingProxyType(
    {
        "one_minus_share": one_minus_share,
        "inverse": inverse,
        "effective_number": effective_number,
    }
)


def rule_by_name(name: str) -> Callable[[Tensor], Tensor]:
    """Return the formula that a config names; an :class:`InputError` where there is none."""
    if name not in CLASS_WEIGHTS:
        raise InputError(
            "class_weight must be None, one number per class or one of "
            f"{', '.join(CLASS_WEIGHTS)}; got {name!r}"
        )
    return CLASS_WEIGHTS[name]


def absent_as_rarest(counts: Tensor) -> Tensor:
    """Return counts (C,) in which an absent class counts like the rarest class present."""
    return torch.where(counts > 0, counts, counts[counts > 0].min())


def checked_counts(counts: Tensor, num_classes: int) -> Tensor:
    """Return the numbers of training photos of all classes as float64 on the CPU.

    Fractions are allowed. An :class:`InputError` says that no photo is counted at all, or that the
    classes are not those of the head.
    """
    counts = torch.as_tensor(counts).detach().to("cpu", torch.float64)
    if counts.shape != (num_classes,):
        raise InputError(
            f"the training data must have the {num_classes} classes of the head or loss; got "
            f"{counts.numel()}; set num_classes of the one, or metainfo.classes of the other"
        )
    if not (counts.isfinite() & (counts >= 0)).all():
        raise ValueError(f"counts must be finite and at least 0; got {counts.tolist()}")
    if counts.sum() == 0:
        raise InputError("the training split must have at least one labelled photo; got none")
    return counts
