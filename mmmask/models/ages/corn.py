"""CORN: thresholds over years, each asked only of those who passed the one before."""

import torch
from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional

from mmmask.models.ages.base import Years
from mmmask.models.ages.thresholds import (
    OrdinalAge,
    binary_losses,
    logistic_start,
    reached,
    threshold_years,
)


def corn_losses(logits: Tensor, levels: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of a photo's binary cross-entropies, and how many questions it was asked.

    Shi, Cao, Raschka 2021, "Deep Neural Networks for Rank-Consistent Ordinal Regression Based On
    Conditional Probabilities", eq. 5: question k is put to photos whose age is at least t_(k-1).
    The paper divides the sum of the former over the batch by that of the latter.

    Args:
        logits: Of "the age is at least t_k, given that it is at least t_(k-1)".
        levels: Share of the photo whose age is at least t_k.
        known: Share of the photo whose age is known.

    Shape:
        ``logits``, ``levels``: (N, K); ``known``: (N,) -> (N,), (N,).
    """
    asked = torch.cat([known[:, None], levels[:, :-1]], dim=1)
    return binary_losses(logits, levels, asked), asked.sum(dim=1)


def conditional_start(marginal: Tensor) -> Tensor:
    """Return logits of the conditional probabilities that multiply to ``sigmoid(marginal)``.

    Shape:
        (K,), falling -> (K,).
    """
    log_p = functional.logsigmoid(marginal)
    log_conditional = log_p.diff(prepend=log_p.new_zeros(1))
    return log_conditional - torch.log(-torch.expm1(log_conditional))


@MODELS.register_module()
class CornAge(OrdinalAge):
    """CORN over years: ``P(age >= t_k) = prod_(j <= k) sigmoid(w_j x + b_j)``.

    Each threshold has weights of its own and the product still falls. The mean divides by the
    number of questions asked, as in the paper, not by the number of photos.

    Args:
        in_channels: As in :class:`AgeModel`.
        years: First and last age that the model tells apart; the competition's ages end at 60.
        step: Width of a bin in years.
        center: Median age in years that the biases start from.
        spread: Their scale in years.
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
        start = conditional_start(logistic_start(threshold_years(years, step), center, spread))
        super().__init__(in_channels, scores=None, start=start, years=years, step=step)

    def exceedance(self, outputs: Tensor) -> Tensor:
        return functional.logsigmoid(outputs).cumsum(dim=1).exp()

    def sample_losses(self, outputs: Tensor, ages: Tensor) -> tuple[Tensor, Tensor]:
        return corn_losses(outputs, reached(ages, self.thresholds), ages.sum(dim=1))
