"""CORAL and CORN: age by ordered binary questions, "is it at least t years?"."""

from typing import ClassVar

import torch
from mmpretrain.registry import MODELS
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
        raise InputError(f"step must be from 1 to {last - first} years; got {step}")
    return torch.arange(first + step, last + 1, step)


def logistic_start(thresholds: Tensor, center: float, spread: float) -> Tensor:
    """Return logits (K,) of "at least t" for ages that are logistic around ``center``.

    The spread is the scale of the distribution, above 0; all are in years.
    """
    if not spread > 0:
        raise InputError(f"spread must be above 0 years; got {spread}")
    return (center - (thresholds - 0.5)) / spread


def reached(ages: Tensor, thresholds: Tensor) -> Tensor:
    """Return the share of each photo whose age is at least t: (N, 121), (K,) -> (N, K)."""
    return ages.flip(1).cumsum(dim=1).flip(1)[:, thresholds]


def binary_losses(logits: Tensor, positive: Tensor, asked: Tensor) -> Tensor:
    """Return ``-sum_k (q_k log s(z_k) + (a_k - q_k) log(1 - s(z_k)))`` of each photo.

    Args:
        logits: z, of the binary question k, (N, K).
        positive: q, the share of the photo for which the answer is yes, (N, K).
        asked: a, the share of the photo to which the question is put, (N, K) or (N, 1).
    """
    yes = functional.logsigmoid(logits)
    no = yes - logits
    return -(positive * yes + (asked - positive) * no).sum(dim=1)


def conditional_start(marginal: Tensor) -> Tensor:
    """Return logits (K,) of conditional probabilities whose products are ``sigmoid(marginal)``."""
    log_p = functional.logsigmoid(marginal)
    log_conditional = log_p.diff(prepend=log_p.new_zeros(1))
    return log_conditional - torch.log(-torch.expm1(log_conditional))


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
        years: First and last age that the model tells apart; the competition's ages end at 60.
        step: Width of a bin in years; within it, years are taken as equally probable.
        center: Median age in years that the outputs start from.
        spread: Their scale in years: how many years a score of 1 makes at the start.
    """

    #: Whether all thresholds share one score of the feature.
    one_score: ClassVar[bool]
    thresholds: Tensor
    bin_of_year: Tensor
    bin_width: Tensor

    def __init__(
        self,
        in_channels: int,
        *,
        years: Years = (18, 60),
        step: int = 1,
        center: float = 40.0,
        spread: float = 8.0,
    ) -> None:
        thresholds = threshold_years(years, step)
        start = self.start(logistic_start(thresholds, center, spread))
        scores = 1 if self.one_score else len(start)
        super().__init__(in_channels, start=start, scores=scores, years=years)
        inside = torch.arange(self.first, self.last + 1)
        bin_of_year = torch.bucketize(inside, thresholds, right=True)
        self.register_buffer("thresholds", thresholds, persistent=False)
        self.register_buffer("bin_of_year", bin_of_year, persistent=False)
        self.register_buffer("bin_width", bin_of_year.bincount(), persistent=False)

    def start(self, marginal: Tensor) -> Tensor:
        """Return the first outputs of which the ages are as probable as the logits (K,) say."""
        return marginal

    def exceedance(self, outputs: Tensor) -> Tensor:
        """Return the probability that the age is at least t, (N, K) -> (N, K)."""
        raise NotImplementedError

    def years(self, outputs: Tensor) -> Tensor:
        bins = bin_probabilities(self.exceedance(outputs)) / self.bin_width
        return self.on_all_years(bins[:, self.bin_of_year])


@MODELS.register_module()
class CoralAge(OrdinalAge):
    """CORAL over years: ``P(age >= t_k) = sigmoid(w x + b_k)``, one w for all thresholds.

    Cao, Mirjalili, Raschka 2020, "Rank Consistent Ordinal Regression for Neural Networks with
    Application to Age Estimation", eq. 4 with all thresholds of weight 1. As the score is shared,
    the answers are consistent: where the biases b fall, so does the probability. The mean divides
    by the photos of known age, as the paper does, and not by the thresholds: give the loss a small
    weight beside others. Of a range those questions are asked that it answers: "is it at least
    30?" of the ages 20 to 29, and not "is it at least 25?"; a photo that answers none is in no sum.
    ``Args`` as in :class:`OrdinalAge`.
    """

    one_score = True

    def exceedance(self, outputs: Tensor) -> Tensor:
        return torch.sigmoid(outputs)

    def sample_losses(self, outputs: Tensor, ages: Tensor) -> tuple[Tensor, Tensor]:
        known = ages.sum(dim=1)
        return binary_losses(outputs, reached(ages, self.thresholds), known[:, None]), known

    def range_losses(self, outputs: Tensor, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        yes = first[:, None] >= self.thresholds  # (N, K)
        asked = (yes | (last[:, None] < self.thresholds)).to(outputs)
        return binary_losses(outputs, yes.to(outputs), asked), asked.amax(dim=1)


@MODELS.register_module()
class CornAge(OrdinalAge):
    """CORN over years: ``P(age >= t_k) = prod_(j <= k) sigmoid(w_j x + b_j)``.

    Shi, Cao, Raschka 2021, "Deep Neural Networks for Rank-Consistent Ordinal Regression Based On
    Conditional Probabilities", eq. 5: question k is put to photos whose age is at least t_(k-1).
    Each threshold has weights of its own and the product still falls. The mean divides by the
    number of questions asked, as in the paper, not by the number of photos.

    For a single age the loss is ``-log`` of the probability of its bin, and of a range it is that
    of its bins: first the questions up to its first year, then one for all that could end it, "is
    it above the last year?". ``Args`` as in :class:`OrdinalAge`.
    """

    one_score = False

    def start(self, marginal: Tensor) -> Tensor:
        return conditional_start(marginal)

    def exceedance(self, outputs: Tensor) -> Tensor:
        return functional.logsigmoid(outputs).cumsum(dim=1).exp()

    def sample_losses(self, outputs: Tensor, ages: Tensor) -> tuple[Tensor, Tensor]:
        levels, known = reached(ages, self.thresholds), ages.sum(dim=1, keepdim=True)
        asked = torch.cat([known, levels[:, :-1]], dim=1)
        return binary_losses(outputs, levels, asked), asked.sum(dim=1)

    def range_losses(self, outputs: Tensor, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        log_yes = functional.logsigmoid(outputs)
        begun = self.thresholds <= first[:, None]  # (N, K)
        # The threshold after the last year is among those that could end the range.
        over = functional.pad(self.thresholds[:-1] <= last[:, None], (1, 0), value=True)
        ended = self.thresholds[-1] > last
        log_beyond = (log_yes * (over & ~begun)).sum(dim=1)
        log_end = torch.log(-torch.expm1(log_beyond.clamp_max(-torch.finfo(log_yes.dtype).tiny)))
        losses = -(log_yes * begun).sum(dim=1) - torch.where(ended, log_end, 0)
        return losses, begun.sum(dim=1) + ended.to(outputs)
