"""Angular margins of the classes: as configured, or from how many training photos each has."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmmask.errors import InputError
from mmmask.models.class_weights import absent_as_rarest


def adaptive_margins(
    counts: Tensor, *, low: float = 0.05, high: float = 0.5, power: float = 0.25
) -> Tensor:
    """Return ``low + (high - low) * (n_c / n_min)^-power``, in radians.

    The dynamic margin ``a n_c^-power + b`` of Ha et al. 2020, "Google Landmark Recognition 2020
    Competition Third Place Solution", with a and b chosen such that the rarest class present, of
    n_min photos, has exactly ``high``, and a class without end would have ``low``. So balanced
    classes all have ``high``, and nearly balanced ones nearly so. MMPretrain's hook stretches
    every difference over the whole of [low, high] instead: one photo more moves a class from one
    end to the other, and on balanced data it divides by 0. An absent class counts like the
    rarest one.

    Args:
        counts: Numbers of photos of the classes.
        low: Radians. Paper: 0.05.
        high: Radians; at least ``low``. Paper: 0.5 above ``low``, for a class of one photo.
        power: At least 0; the larger, the more the margins differ. Paper: 1/4.

    Shape:
        ``counts``: (C,) -> (C,).
    """
    counts = absent_as_rarest(counts)
    return low + (high - low) * torch.pow(counts / counts.min(), -power)


def initial_margins(margin: float | Sequence[float] | str, num_classes: int) -> Tensor:
    """Return the margins (C,) in radians that are known before training: NaN if adaptive.

    Raises:
        InputError: Not one number or C, or not in [0, pi / 2], as when degrees are meant.
    """
    if margin == "adaptive":
        return torch.full((num_classes,), torch.nan)
    values = [margin] * num_classes if isinstance(margin, int | float) else list(margin)
    if len(values) != num_classes or not all(is_margin(value) for value in values):
        raise InputError(
            f"margin must be 'adaptive', or radians from 0 to {math.pi / 2:.4f}: one number or "
            f"{num_classes} of them; got {margin!r} (0.5 radians are 28.6 degrees)"
        )
    return torch.tensor(values, dtype=torch.float32)


def check_margin_range(margin_range: Sequence[float], power: float) -> None:
    """Refuse options with which adaptive margins mean nothing.

    Raises:
        InputError: Not ``0 <= low <= high <= pi / 2``, or a negative power.
    """
    if (
        len(margin_range) != 2
        or not all(is_margin(value) for value in margin_range)
        or margin_range[0] > margin_range[1]
    ):
        raise InputError(
            f"margin_range must be two rising radians from 0 to {math.pi / 2:.4f}, "
            f"got {tuple(margin_range)}"
        )
    if not 0 <= power < math.inf:
        raise InputError(f"margin_power must be finite and at least 0, got {power}")


def is_margin(value: object) -> bool:
    """Say whether a value is an angle in radians from 0 to pi / 2."""
    return isinstance(value, int | float) and 0 <= value <= math.pi / 2
