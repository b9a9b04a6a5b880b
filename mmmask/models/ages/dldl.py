"""Gaussian soft labels over years: deep label distribution learning."""

import torch
from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.labels import OLDEST
from mmmask.models.ages.base import AgeModel, Years, checked_years
from mmmask.models.losses.reduction import log_probability_of


def gaussian_labels(years: Years, sigma: float) -> Tensor:
    """Return the soft label of each age 0 to 120: a Gaussian around it on the modelled years.

    An age outside the modelled years has the label of the nearest one. The deviation sigma is in
    years, above 0. The result is (121, last - first + 1); its rows sum to 1.
    """
    first, last = checked_years(years)
    if not sigma > 0:
        raise InputError(f"sigma must be above 0 years; got {sigma}")
    age = torch.arange(OLDEST + 1, dtype=torch.float64).clamp(first, last)
    year = torch.arange(first, last + 1, dtype=torch.float64)
    return functional.softmax(-((year - age[:, None]) ** 2) / (2 * sigma**2), dim=1).float()


def divergences(logits: Tensor, target: Tensor) -> Tensor:
    """Return ``sum_y q_y (log q_y - log p_y)`` of each photo, p the softmax of the logits.

    Gao et al. 2017, "Deep Label Distribution Learning with Label Ambiguity", eq. 2, with the
    target's own entropy, so that the least value is 0. A target that sums to less than 1 counts
    by its sum. (N, Y), (N, Y) -> (N,).
    """
    cross_entropy = -(target * functional.log_softmax(logits, dim=1)).sum(dim=1)
    known = target.sum(dim=1)
    entropy = torch.special.xlogy(known, known) - torch.special.xlogy(target, target).sum(dim=1)
    return cross_entropy - entropy


@MODELS.register_module()
class LabelDistributionAge(AgeModel):
    """A softmax over years that learns a Gaussian around each age (DLDL).

    A mixed photo learns the mix of the Gaussians. Of a range the loss is ``-log`` of the sum of
    its years' probabilities. The mean divides by the photos of known age.

    Args:
        in_channels: As in :class:`AgeModel`.
        sigma: Deviation of the soft labels in years, above 0; the paper's 2 to 3.
        years: First and last age with a probability. The last is to lie well above 60: half of
            the soft label of a person of 60 is above.
    """

    labels: Tensor

    def __init__(self, in_channels: int, *, sigma: float = 3.0, years: Years = (10, 90)) -> None:
        labels = gaussian_labels(years, sigma)
        count = labels.shape[1]
        super().__init__(in_channels, start=torch.zeros(count), scores=count, years=years)
        self.register_buffer("labels", labels, persistent=False)

    def years(self, outputs: Tensor) -> Tensor:
        return self.on_all_years(functional.softmax(outputs, dim=1))

    def sample_losses(self, outputs: Tensor, ages: Tensor) -> tuple[Tensor, Tensor]:
        known = ages.sum(dim=1)
        target = ages @ self.labels.to(ages)
        return divergences(outputs, target), known

    def range_losses(self, outputs: Tensor, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        year = torch.arange(self.first, self.last + 1, device=outputs.device)
        inside = self.inside(first, last, year)
        losses = -log_probability_of(functional.log_softmax(outputs, dim=1), inside).squeeze(1)
        return losses, torch.ones_like(losses)
