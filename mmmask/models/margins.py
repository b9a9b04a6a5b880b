"""Margins of the classes: as configured, or from how many training photos each has."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmmask.class_weights import absent_as_rarest
from mmmask.errors import InputError
from mmmask.models.losses.reduction import as_distribution


@dataclass(frozen=True)
class MarginUnit:
    """What a margin is measured in: its name and a hint for error messages, the largest value."""

    name: str
    largest: float
    hint: str = ""

    def holds(self, value: object) -> bool:
        """Return whether a value is a margin from 0 to the largest."""
        return isinstance(value, int | float) and 0 <= value <= self.largest


RADIANS = MarginUnit("radians", math.pi / 2, " (0.5 radians are 28.6 degrees)")
COSINES = MarginUnit("units of the cosine", 1.0)


def lower_by_margin(logits: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    """Return ``z_c - t_c m_c``: the margin in proportion to the target.

    A label lowers the logit of its own class alone; targets t mixed by Mixup or CutMix share the
    margin out, and of a set of classes each has its own. The margin, for all classes or for each,
    is in units of the logits z.

    Shape:
        ``logits``: (N, C); ``target``: (N,), or (N, C) shares or bool; ``margin``: () or (C,) ->
        (N, C).
    """
    share = as_distribution(target, num_classes=logits.shape[1], dtype=logits.dtype)
    return logits - share * margin


def adaptive_margins(
    counts: Tensor, *, low: float = 0.05, high: float = 0.5, power: float = 0.25
) -> Tensor:
    """Return ``low + (high - low) * (n_c / n_min)^-power``, in the unit of low and high.

    The dynamic margin ``a n_c^-power + b`` of Ha et al. 2020, "Google Landmark Recognition 2020
    Competition Third Place Solution", with a and b chosen so that the rarest class present, of
    n_min photos, has exactly ``high``, and an endless class would have ``low``. So balanced
    classes all have ``high``, and nearly balanced ones nearly so. MMPretrain's hook stretches
    every difference over the whole of [low, high] instead: one photo more moves a class from one
    end to the other, and on balanced data it divides by 0. An absent class counts like the
    rarest one. With ``low`` 0 and power 1/4 these are the margins of LDAM (Cao et al. 2019).

    Args:
        counts: Numbers of photos of the classes, (C,).
        low: Paper: 0.05 radians.
        high: At least ``low``. Paper: 0.5 radians above ``low``, for a class of one photo.
        power: At least 0; the larger, the more the margins differ. Paper: 1/4.
    """
    counts = absent_as_rarest(counts)
    return low + (high - low) * torch.pow(counts / counts.min(), -power)


def initial_margins(
    margin: float | Sequence[float] | str, num_classes: int, *, unit: MarginUnit = RADIANS
) -> Tensor:
    """Return the margins (C,) that are known before training: NaN if adaptive.

    Raises:
        InputError: Not one number or C, or outside of the unit's range, as when degrees are meant.
    """
    if margin == "adaptive":
        return torch.full((num_classes,), torch.nan)
    values = [margin] * num_classes if isinstance(margin, int | float) else list(margin)
    if len(values) != num_classes or not all(unit.holds(value) for value in values):
        raise InputError(
            f"margin must be 'adaptive', or {unit.name} from 0 to {unit.largest:.4f}: one number "
            f"or {num_classes} of them; got {margin!r}{unit.hint}"
        )
    return torch.tensor(values, dtype=torch.float32)


def check_margin_range(
    margin_range: Sequence[float], power: float, *, unit: MarginUnit = RADIANS
) -> None:
    """Refuse all but ``0 <= low <= high <= the unit's largest`` and a power of at least 0."""
    if (
        len(margin_range) != 2
        or not all(unit.holds(value) for value in margin_range)
        or margin_range[0] > margin_range[1]
    ):
        raise InputError(
            f"margin_range must be two rising {unit.name} from 0 to {unit.largest:.4f}; "
            f"got {tuple(margin_range)}"
        )
    if not 0 <= power < math.inf:
        raise InputError(f"margin_power must be finite and at least 0; got {power}")
