"""What the models of age share: pooled feature -> outputs -> years, and the mean of their loss."""

from collections.abc import Mapping
from typing import Any

import torch
from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.labels import OLDEST, group_probabilities, group_slices
from mmmask.models.losses.reduction import at_least_float32, mean_over_ranks

#: First and last age, in years, that a model tells apart; others count as the nearer of the two.
Years = tuple[int, int]


class AgeModel(nn.Module):
    """Age in years from a pooled feature, as part of a head.

    A subclass gives :meth:`years` and :meth:`sample_losses`. Its start is a bias of its own, which
    the ``init_cfg`` of a head leaves alone: ages lie around 40, not around 0.

    Args:
        in_channels: Length D of the pooled feature.
        start: What the outputs are for a feature of zeros, (K,), or (1, K) to share one score.
        scores: Number of scores that are learned from the feature: K, or 1.
        years: First and last age that the model tells apart.

    Shape:
        feature: (N, D); outputs: (N, K), at least float32; ages: (N, 121), the share of each age
        in a photo (see :func:`mmmask.structures.stack_ages`).
    """

    def __init__(self, in_channels: int, *, start: Tensor, scores: int, years: Years) -> None:
        super().__init__()
        self.first, self.last = checked_years(years)
        self.fc = nn.Linear(in_channels, scores, bias=False)
        self.bias = nn.Parameter(start.clone())

    def forward(self, feature: Tensor) -> Tensor:
        return at_least_float32(self.fc(feature)) + self.bias

    def years(self, outputs: Tensor) -> Tensor:
        """Return the probabilities of the ages 0 to 120, (N, K) -> (N, 121)."""
        raise NotImplementedError

    def sample_losses(self, outputs: Tensor, ages: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each photo, and how much it counts in the mean: (N,), (N,)."""
        raise NotImplementedError

    def range_losses(self, outputs: Tensor, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same of photos whose age is a range.

        A model that says nothing else learns ``-log`` of the range's probability. A part of the
        range outside of the modelled years counts as the nearest of them.

        Shape:
            ``outputs``: (N, K); ``first``, ``last``, in years, both included: (N,) integers ->
            (N,), (N,).
        """
        years = self.years(outputs)
        inside = self.inside(first, last, torch.arange(OLDEST + 1, device=years.device))
        known = (years * inside).sum(dim=1)
        return -known.clamp_min(torch.finfo(known.dtype).tiny).log(), torch.ones_like(known)

    def inside(self, first: Tensor, last: Tensor, year: Tensor) -> Tensor:
        """Return which years, (Y,), are in ranges, (N,), within the modelled years: (N, Y)."""
        low, high = (age.clamp(self.first, self.last)[:, None] for age in (first, last))
        return (low <= year) & (year <= high)

    def loss(
        self,
        outputs: Tensor,
        ages: Tensor,
        weight: Tensor | None = None,
        spans: Tensor | None = None,
    ) -> Tensor:
        """Return the mean loss over the photos whose age is known, in years or as a range.

        The sum of photo weight times loss is divided by the sum of photo weight times count, over
        all processes of a distributed run. A photo of unknown age is in neither sum; of a mixed
        one, only the share of known age is.

        Args:
            outputs: (N, K).
            ages: (N, 121).
            weight: Of the photos, (N,).
            spans: First and last year of each age, (N, 2); those count that ``ages`` leaves open.
        """
        with torch.autocast(outputs.device.type, enabled=False):
            losses, counts = self.sample_losses(outputs, ages.to(outputs))
            if spans is not None:
                first, last = spans.unbind(dim=1)
                unknown = (first <= 0) & (last >= OLDEST)
                ranged = ~unknown & (first < last) & ~ages.any(dim=1)
                more, asked = self.range_losses(outputs, first, last)
                losses = losses + torch.where(ranged, more, 0)
                counts = counts + asked * ranged
            weight = torch.ones_like(losses) if weight is None else weight.to(losses)
            return mean_over_ranks((weight * losses).sum(), (weight * counts).sum())

    def on_all_years(self, inside: Tensor) -> Tensor:
        """Return (N, last - first + 1) probabilities of the modelled years on the ages 0 to 120."""
        return functional.pad(inside, (self.first, OLDEST - self.last))


def checked_years(years: Years) -> Years:
    """Return the first and last age as integers; refuse what is no range within 0 to 120."""
    if len(years) != 2 or not 0 <= years[0] < years[1] <= OLDEST:
        raise InputError(f"years must be (first, last) from 0 to {OLDEST}; got {tuple(years)}")
    return int(years[0]), int(years[1])


def rescale_groups(years: Tensor, groups: Tensor, wanted: Tensor) -> Tensor:
    """Return ``years`` with the probability of each of three age groups changed to ``wanted``.

    Within a group the years keep their proportions. So a temperature, which acts on the groups,
    reaches the years too, and the groups stay sums of years. A group that has no probability by
    years gets all of it in its year that is nearest to the mean age.

    Shape:
        ``years``: (N, 121); ``groups``, its own (see :func:`mmmask.labels.group_probabilities`),
        and ``wanted``: (N, 3) -> (N, 121).
    """
    least = torch.finfo(groups.dtype).tiny
    factors = wanted / groups.clamp_min(least)
    ages = torch.arange(years.shape[1], device=years.device, dtype=years.dtype)
    mean = (years * ages).sum(dim=1, keepdim=True).round()
    parts = []
    for k, part in enumerate(group_slices()):
        inside = years[:, part] * factors[:, k : k + 1]
        distance = (ages[part] - mean).abs()
        nearest = distance == distance.amin(dim=1, keepdim=True)
        empty = groups[:, k : k + 1] < least
        parts.append(torch.where(empty, nearest * wanted[:, k : k + 1], inside))
    return torch.cat(parts, dim=1)


def log_groups(age_model: AgeModel, outputs: Tensor) -> Tensor:
    """Return the log-probabilities of the three age groups, (N, K) -> (N, 3)."""
    groups = group_probabilities(age_model.years(outputs))
    return groups.clamp_min(torch.finfo(groups.dtype).tiny).log()


def build_age_model(config: Mapping[str, Any], *, in_channels: int) -> AgeModel:
    """Build what models the age in years; refuse a config that names no such module."""
    kind = MODELS.get(config["type"]) if isinstance(config.get("type"), str) else None
    if not (isinstance(kind, type) and issubclass(kind, AgeModel)):
        raise InputError(
            "head.age must name a model of years such as CoralAge, CornAge, RegressionAge or "
            f"LabelDistributionAge; got {config.get('type')!r}"
        )
    return MODELS.build({**config, "in_channels": in_channels})
