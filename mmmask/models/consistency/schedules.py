"""What changes with the progress of a run, a number from 0 at its start to 1 at its end."""

import math
from collections.abc import Callable
from types import MappingProxyType

from mmmask.errors import InputError


def ramp_up(progress: float, length: float) -> float:
    """Return the share of the consistency loss that counts: ``exp(-5 (1 - progress / length)^2)``.

    Laine and Aila 2017, "Temporal Ensembling for Semi-Supervised Learning", section 3.1; 1 once
    ``length`` is over. While the network knows little, its own answers teach it little.

    Args:
        progress: In [0, 1].
        length: In [0, 1]; 0 for no ramp. The paper ramps over 80 of 300 epochs, 0.27.
    """
    if progress >= length:
        return 1.0
    return math.exp(-5 * (1 - progress / length) ** 2)


#: Training signal annealing by name: progress -> how far the threshold has risen, 0 to 1.
ANNEALING: MappingProxyType[str, Callable[[float], float]] = MappingProxyType(
    {
        "linear": lambda progress: progress,
        "log": lambda progress: 1 - math.exp(-5 * progress),
        "exp": lambda progress: math.exp(5 * (progress - 1)),
    }
)


def annealed_threshold(progress: float, schedule: str, num_classes: int) -> float:
    """Return the probability above which a labelled photo is known well enough to be left out.

    ``eta = alpha (1 - 1 / K) + 1 / K`` rises from chance to 1 (Xie et al. 2020, "Unsupervised
    Data Augmentation for Consistency Training", training signal annealing). With few labels it
    keeps the network from learning them by heart: ``exp`` releases them latest, ``log`` earliest.

    Args:
        progress: In [0, 1].
        schedule: Name in :data:`ANNEALING`.
        num_classes: K.
    """
    chance = 1 / num_classes
    return ANNEALING[schedule](progress) * (1 - chance) + chance


def check_annealing(schedule: str | None) -> None:
    """Refuse a schedule that does not exist; None is no annealing."""
    if schedule is not None and schedule not in ANNEALING:
        raise InputError(
            f"semi.annealing must be None or one of {', '.join(ANNEALING)}; got {schedule!r}"
        )
