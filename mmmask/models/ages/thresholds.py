"""What the two ordinal models share: thresholds over years, binary losses, and back to years."""

import torch
from torch import Tensor
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.models.ages.base import AgeModel, Years, checked_years


def threshold_years(years: Years, step: int) -> Tensor:
    """Return the ages that the model asks about, "is it at least t?": (K,) int64.

    They are ``first + step, first + 2 step, ...`` up to the last year: bins of ``step`` years,
    the last one possibly shorter.
    """
    first, last = checked_years(years)
    if not 1 <= step <= last - first:
        raise InputError(f"step must be from 1 to {last - first} years, got {step}")
    return torch.arange(first + step, last + 1, step)


def logistic_start(thresholds: Tensor, center: float, spread: float) -> Tensor:
    """Return logits of "at least t" for ages that are logistic around ``center``: (K,).

    Args:
        thresholds: Ages t in years.
        center: Median age in years.
        spread: Scale of the logistic distribution in years, above 0.
    """
    if not spread > 0:
        raise InputError(f"spread must be above 0 years, got {spread}")
    return (center - (thresholds - 0.5)) / spread


def reached(ages: Tensor, thresholds: Tensor) -> Tensor:
    """Return the share of each photo whose age is at least t: (N, 121), (K,) -> (N, K)."""
    return ages.flip(1).cumsum(dim=1).flip(1)[:, thresholds]


def binary_losses(logits: Tensor, positive: Tensor, asked: Tensor) -> Tensor:
    """Return ``-sum_k (q_k log s(z_k) + (a_k - q_k) log(1 - s(z_k)))`` of each photo.

    Args:
        logits: z, of the binary question k.
        positive: q, the share of the photo for which the answer is yes.
        asked: a, the share of the photo to which the question is put.

    Shape:
        Three times (N, K) -> (N,).
    """
    yes = functional.logsigmoid(logits)
    no = yes - logits
    return -(positive * yes + (asked - positive) * no).sum(dim=1)


def bin_probabilities(exceedance: Tensor) -> Tensor:
    """Return the probability between neighbouring thresholds, (N, K) -> (N, K + 1).

    Where the probability of being at least t rises with t, as it can while thresholds are being
    learned, the smallest up to t counts, so that no bin is negative.
    """
    falling = exceedance.cummin(dim=1).values
    ones = torch.ones_like(falling[:, :1])
    return torch.cat([ones, falling], dim=1) - torch.cat([falling, 0 * ones], dim=1)


class OrdinalAge(AgeModel):
    """Age by ordered binary questions over years; a subclass says what the questions are.

    Args:
        in_channels: As in :class:`AgeModel`.
        scores: Likewise; None is one for each threshold.
        start: Outputs for a feature of zeros, (K,).
        years: First and last age that the model tells apart.
        step: Width of a bin in years; within it, years are taken as equally probable.
    """

    thresholds: Tensor
    bin_of_year: Tensor
    bin_width: Tensor

    def __init__(
        self, in_channels: int, *, scores: int | None, start: Tensor, years: Years, step: int
    ) -> None:
        super().__init__(in_channels, start=start, scores=scores or len(start), years=years)
        thresholds = threshold_years(years, step)
        inside = torch.arange(self.first, self.last + 1)
        bin_of_year = torch.bucketize(inside, thresholds, right=True)
        self.register_buffer("thresholds", thresholds, persistent=False)
        self.register_buffer("bin_of_year", bin_of_year, persistent=False)
        self.register_buffer("bin_width", bin_of_year.bincount(), persistent=False)

    def exceedance(self, outputs: Tensor) -> Tensor:
        """Return the probability that the age is at least t, (N, K) -> (N, K)."""
        raise NotImplementedError

    def years(self, outputs: Tensor) -> Tensor:
        bins = bin_probabilities(self.exceedance(outputs)) / self.bin_width
        return self.on_all_years(bins[:, self.bin_of_year])
