"""Regression in years with a stated predictive distribution."""

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.labels import OLDEST
from mmmask.models.ages.base import AgeModel, Years
from mmmask.models.losses.reduction import at_least_float32

Distribution = Literal["laplace", "normal"]
Scale = Literal["shared", "photo"]
#: Least scale in years: ages are whole years, and a scale of 0 has an infinite likelihood.
LEAST_SCALE = 0.5


def laplace_nll(z: Tensor) -> Tensor:
    """Return ``-log`` of the Laplace density at z, for a location of 0 and a scale of 1."""
    return z.abs() + math.log(2)


def normal_nll(z: Tensor) -> Tensor:
    """Return ``-log`` of the normal density at z, for a mean of 0 and a deviation of 1."""
    return z.square() / 2 + math.log(2 * math.pi) / 2


def laplace_cdf(z: Tensor) -> Tensor:
    """Return the probability below z of a Laplace distribution of location 0 and scale 1."""
    return 0.5 - 0.5 * z.sign() * torch.expm1(-z.abs())


def laplace_log_cdf(z: Tensor) -> Tensor:
    """Return the logarithm of :func:`laplace_cdf`, for any z."""
    return torch.where(z < 0, z - math.log(2), torch.log1p(-torch.exp(-z.clamp_min(0)) / 2))


def normal_log_cdf(z: Tensor) -> Tensor:
    """Return the logarithm of the normal distribution function, for any z.

    Far below 0, the slope of torch's own is off by any factor.
    """
    tail = z.clamp_max(0)
    far = torch.log(torch.special.erfcx(-tail / math.sqrt(2)) / 2) - tail.square() / 2
    return torch.where(z < -1, far, torch.special.log_ndtr(z.clamp_min(-2)))


#: Name -> (negative log density, distribution function and its logarithm), in units of the scale.
DISTRIBUTIONS: dict[str, tuple[Callable, Callable, Callable]] = {
    "laplace": (laplace_nll, laplace_cdf, laplace_log_cdf),
    "normal": (normal_nll, torch.special.ndtr, normal_log_cdf),
}


def log_probability_between(
    low: Tensor, high: Tensor, log_cdf: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return ``log(F(high) - F(low))`` of a symmetric distribution, exact far out in its tails.

    Args:
        low: Lower ends in units of the scale from the center, -inf for none.
        high: Upper ends, above them, of the same shape, inf for none.
        log_cdf: log F.
    """
    beyond = low + high > 0  # in the upper tail F is nearly 1: the lower one is its mirror image
    low, high = torch.where(beyond, -high, low), torch.where(beyond, -low, high)
    log_high, bounded = log_cdf(high), low.isfinite()
    # An infinite end has no gradient, and so must not be computed with.
    gap = log_cdf(torch.where(bounded, low, high - 1)) - log_high
    within = torch.log(-torch.expm1(gap.clamp_max(-torch.finfo(low.dtype).tiny)))
    return log_high + torch.where(bounded, within, 0)


def regression_losses(
    location: Tensor, scale: Tensor, ages: Tensor, nll: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return the expected negative log density of a photo's age, in nats.

    Args:
        location: Center of the predictive distribution in years, (N, 1).
        scale: Its scale in years, (N, 1).
        ages: Share of each age 0 to 120 in the photo, (N, 121); mixed photos have several.
        nll: Negative log density for a location of 0 and a scale of 1.
    """
    year = torch.arange(OLDEST + 1, device=ages.device, dtype=ages.dtype)
    return (ages * (nll((year - location) / scale) + scale.log())).sum(dim=1)


def whole_years(
    location: Tensor, scale: Tensor, cdf: Callable[[Tensor], Tensor], years: Years
) -> Tensor:
    """Return the probability of each whole year: that between half a year below and above it.

    The first and the last year take what lies beyond them. (N, 1), (N, 1) ->
    (N, last - first + 1).
    """
    first, last = years
    edges = torch.arange(first, last, device=location.device, dtype=location.dtype) + 0.5
    below = cdf((edges - location) / scale)  # (N, last - first)
    ones = torch.ones_like(location)
    return torch.cat([below, ones], dim=1) - torch.cat([0 * ones, below], dim=1)


@MODELS.register_module()
class RegressionAge(AgeModel):
    """Age as a number, with a Laplace or normal predictive distribution around it.

    Trained by the likelihood, so the scale is fitted too and ``P(age >= 60)`` means something: a
    Laplace distribution of fixed scale would be the mean absolute error, a normal one the mean
    squared error. A scale for each photo is Kendall and Gal 2017, "What Uncertainties Do We Need
    in Bayesian Deep Learning for Computer Vision?", eq. 5. Of a range, the loss is ``-log`` of the
    probability between half a year below its first and half a year above its last year; one that
    begins at 0 or ends at 120 has no bound there. The mean divides by the photos of known age.

    Args:
        in_channels: As in :class:`AgeModel`.
        distribution: ``laplace`` or ``normal``.
        scale: ``shared``, one parameter for all photos, or ``photo``, a second output.
        years: First and last age that probabilities are given for. The last is to lie well above
            60: half of the distribution around a person of 60 is above.
        center: Age in years that the outputs start from.
        spread: Years that a change of the output by 1 makes, and the first scale; above 0.5.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        distribution: Distribution = "laplace",
        scale: Scale = "shared",
        years: Years = (10, 90),
        center: float = 40.0,
        spread: float = 10.0,
    ) -> None:
        for name, value, allowed in (
            ("distribution", distribution, get_args(Distribution)),
            ("scale", scale, get_args(Scale)),
        ):
            if value not in allowed:
                raise InputError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
        if not spread > LEAST_SCALE:
            raise InputError(f"spread must be above {LEAST_SCALE} years; got {spread}")
        shared = scale == "shared"
        # softplus of the second output is the scale above the least one
        start = torch.tensor([0.0, math.log(math.expm1(spread - LEAST_SCALE))])
        super().__init__(in_channels, start=start, scores=1 if shared else 2, years=years)
        self.shared, self.center, self.spread = shared, center, spread
        self.distribution = distribution
        self.nll, self.cdf, self.log_cdf = DISTRIBUTIONS[distribution]

    def forward(self, feature: Tensor) -> Tensor:
        score = at_least_float32(self.fc(feature))
        return functional.pad(score, (0, 1)) + self.bias if self.shared else score + self.bias

    def location_and_scale(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return center and scale of the predictive distribution in years, (N, 1) each."""
        location, scale = outputs.split(1, dim=1)
        return self.center + self.spread * location, LEAST_SCALE + functional.softplus(scale)

    def years(self, outputs: Tensor) -> Tensor:
        location, scale = self.location_and_scale(outputs)
        return self.on_all_years(whole_years(location, scale, self.cdf, (self.first, self.last)))

    def sample_losses(self, outputs: Tensor, ages: Tensor) -> tuple[Tensor, Tensor]:
        location, scale = self.location_and_scale(outputs)
        return regression_losses(location, scale, ages, self.nll), ages.sum(dim=1)

    def range_losses(self, outputs: Tensor, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        location, scale = self.location_and_scale(outputs)
        low, high = ((age[:, None] - location) / scale for age in (first - 0.5, last + 0.5))
        log_p = log_probability_between(
            torch.where(first[:, None] <= 0, -torch.inf, low),
            torch.where(last[:, None] >= OLDEST, torch.inf, high),
            self.log_cdf,
        ).squeeze(1)
        return -log_p, torch.ones_like(log_p)
