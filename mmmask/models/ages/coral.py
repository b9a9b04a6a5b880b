"""CORAL: one score against ordered thresholds over years."""

import torch
from mmpretrain.registry import MODELS
from torch import Tensor

from mmmask.models.ages.base import Years
from mmmask.models.ages.thresholds import (
    OrdinalAge,
    binary_losses,
    logistic_start,
    reached,
    threshold_years,
)


def coral_losses(logits: Tensor, levels: Tensor, known: Tensor) -> Tensor:
    """Return the sum over the thresholds of the binary cross-entropies of each photo.

    Cao, Mirjalili, Raschka 2020, "Rank Consistent Ordinal Regression for Neural Networks with
    Application to Age Estimation", eq. 4 with all thresholds of weight 1.

    Args:
        logits: Of "the age is at least t_k".
        levels: Share of the photo for which that is so.
        known: Share of the photo whose age is known.

    Shape:
        ``logits``, ``levels``: (N, K); ``known``: (N,) -> (N,).
    """
    return binary_losses(logits, levels, known[:, None].expand_as(levels))


@MODELS.register_module()
class CoralAge(OrdinalAge):
    """CORAL over years: ``P(age >= t_k) = sigmoid(w x + b_k)``, one w for all thresholds.

    As the score is shared, the answers are consistent: where the biases b fall, so does the
    probability. The mean divides by the photos of known age, as the paper does, and not by the
    thresholds: give the loss a small weight beside others.

    Args:
        in_channels: As in :class:`AgeModel`.
        years: First and last age that the model tells apart; the competition's ages end at 60.
        step: Width of a bin in years.
        center: Median age in years that the biases start from.
        spread: Their scale in years: how many years a score of 1 makes at the start.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        years: Years = (18, 60),
        step: int = 1,
        center: float = 40.0,
        spread: float = 8.0,
    ) -> None:
        start = logistic_start(threshold_years(years, step), center, spread)
        super().__init__(in_channels, scores=1, start=start, years=years, step=step)

    def exceedance(self, outputs: Tensor) -> Tensor:
        return torch.sigmoid(outputs)

    def sample_losses(self, outputs: Tensor, ages: Tensor) -> tuple[Tensor, Tensor]:
        known = ages.sum(dim=1)
        return coral_losses(outputs, reached(ages, self.thresholds), known), known
