"""What ArcFace and CosFace share: a softmax over cosines, with a margin in training."""

import math
from collections.abc import Sequence
from typing import ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmmask.class_weights import checked_counts
from mmmask.errors import InputError
from mmmask.models.heads.base import ClassifierOptions, MaskFaceHead
from mmmask.models.losses.base import CountsCheck
from mmmask.models.losses.reduction import at_least_float32
from mmmask.models.margins import (
    MarginUnit,
    adaptive_margins,
    check_margin_range,
    initial_margins,
)


def class_cosines(feature: Tensor, centers: Tensor, *, sub_centers: int = 1) -> Tensor:
    """Return the cosine of the angle between each feature and the nearest centre of each class.

    With K sub-centers a class takes the largest of its K cosines (Deng et al. 2020, "Sub-center
    ArcFace", eq. 3), so that mislabelled photos may gather around a centre of their own. Features
    are (N, D), centres (C * K, D) with the K of one class side by side; the result is (N, C).
    """
    directions = functional.normalize(centers)
    cosine = functional.linear(functional.normalize(feature), directions)  # (N, C * K)
    return cosine.unflatten(1, (-1, sub_centers)).max(dim=2).values  # (N, C, K) -> (N, C)


def unsaturated_temperature(scale: float, num_classes: int, *, peak: float = 0.99) -> float:
    """Return the temperature at which a perfect photo gets the probability ``peak``.

    A perfect photo lies on the centre of its class, with the C centres as far apart as they can
    be, at cosines of -1 / (C - 1). Its probability is ``peak`` at the effective scale
    ``(C - 1) / C * log((C - 1) peak / (1 - peak))`` (Wang et al. 2018, "CosFace", eq. 6), about 7
    for 18 classes. Trained scales are larger, and were fitted with the margin that is absent at
    test: unchanged they would call nearly every photo certain.
    """
    rest = num_classes - 1
    return scale / (rest / num_classes * math.log(rest * peak / (1 - peak)))


class MarginHead(MaskFaceHead):
    """A head on cosines with sub-centers, margins by class, margin warm-up and soft targets.

    A subclass says by :meth:`margin_logits` what the margin does, and in which unit it is.
    Cosines are computed in float32 under autocast too.

    Args:
        in_channels: Length of the pooled feature.
        scale: s, above 0. The papers' 64 was for ten thousands of classes.
        margin: In the subclass's unit, for all classes or C of them; ``'adaptive'``: from the
            class counts of the training split, see :func:`adaptive_margins`; None: the paper's.
        margin_range: ``low`` and ``high`` of adaptive margins.
        margin_power: ``power`` of adaptive margins.
        sub_centers: K, centres of each class; 1 is none. Sub-center ArcFace's paper: 3.
        **shared: Options of :class:`MaskFaceHead`. A ``temperature`` of None is that of
            :func:`unsaturated_temperature`; the centres start Xavier-uniform, without ``init_cfg``.
    """

    unit: ClassVar[MarginUnit]
    paper_margin: ClassVar[float]
    margin: Tensor

    def __init__(
        self,
        in_channels: int,
        *,
        scale: float = 30.0,
        margin: float | Sequence[float] | str | None = None,
        margin_range: tuple[float, float] = (0.05, 0.5),
        margin_power: float = 0.25,
        sub_centers: int = 1,
        **shared: Unpack[ClassifierOptions],
    ) -> None:
        if not 0 < scale < math.inf:
            raise InputError(f"scale must be finite and above 0; got {scale}")
        if sub_centers < 1:
            raise InputError(f"sub_centers must be at least 1; got {sub_centers}")
        super().__init__(in_channels, **shared)
        if shared.get("temperature") is None:
            self.set_temperature(unsaturated_temperature(scale, self.num_classes))
        margin = self.paper_margin if margin is None else margin
        check_margin_range(margin_range, margin_power, unit=self.unit)
        self.scale = scale
        self.sub_centers = sub_centers
        #: Share in [0, 1] of the margin that training uses at present.
        self.margin_factor = 1.0
        self.adaptive = margin == "adaptive"
        self.margin_range, self.margin_power = margin_range, margin_power
        self.register_buffer("margin", initial_margins(margin, self.num_classes, unit=self.unit))
        self._configured = self.margin.clone()
        self._check_margin = CountsCheck("margin 'adaptive'")
        self.centers = nn.Parameter(torch.empty(self.num_classes * sub_centers, in_channels))
        nn.init.xavier_uniform_(self.centers)

    def set_margin_factor(self, factor: float) -> None:
        """Set the share in [0, 1] of the margin that training uses from now on.

        :class:`MarginWarmupHook` calls it before each training step.
        """
        if not 0 <= factor <= 1:
            raise ValueError(f"margin factor must be from 0 to 1; got {factor}")
        self.margin_factor = factor

    def set_class_counts(self, counts: Tensor) -> None:
        """Pass the counts on to the loss, and set the margins that the config asks for.

        :class:`ClassCountHook` calls it once before training.
        """
        super().set_class_counts(counts)
        margin = self._configured
        if self.adaptive:
            (low, high), counts = self.margin_range, checked_counts(counts, self.num_classes)
            margin = adaptive_margins(counts, low=low, high=high, power=self.margin_power)
        self.margin.copy_(margin)

    def cosines(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Return cos(theta_c), (N, C), computed in float32 under autocast too."""
        feature = self.dropout(self.pre_logits(feats))
        with torch.autocast(feature.device.type, enabled=False):
            return class_cosines(
                at_least_float32(feature), self.centers, sub_centers=self.sub_centers
            )

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Return ``s cos(theta_c)``, without a margin."""
        return self.scale * self.cosines(feats)

    def training_logits(self, feats: tuple[Tensor, ...], target: Tensor) -> Tensor:
        """Return the logits with the margin; an adaptive one needs :meth:`set_class_counts`."""
        self._check_margin(self.margin)
        return self.margin_logits(self.cosines(feats), target, self.margin_factor * self.margin)

    def margin_logits(self, cosine: Tensor, target: Tensor, margin: Tensor) -> Tensor:
        """Return logits (N, C) of cosines (N, C), targets (N,) or (N, C), and margins (C,)."""
        raise NotImplementedError
