"""ArcFace: an angle is added to the right class in training."""

from typing import ClassVar

import torch
from mmpretrain.registry import MODELS
from torch import Tensor

from mmmask.models.heads.margin_head import MarginHead
from mmmask.models.losses.reduction import as_distribution
from mmmask.models.margins import RADIANS, MarginUnit


def cosine_with_margin(cosine: Tensor, margin: Tensor) -> Tensor:
    """Return ``cos(theta + m)``, continued so that it falls as theta grows.

    Beyond ``theta = pi - m`` the cosine would rise again; ``cos(theta) - m sin(m)`` takes its
    place there, as in the authors' code.

    The sum formula ``cos(theta) cos(m) - sin(theta) sin(m)`` avoids acos, whose slope at a cosine
    of +-1 is infinite and which is NaN beyond. There, sin(theta) is 0 and its slope is taken as 0.

    Args:
        cosine: cos(theta), (N, C); rounding may have pushed it slightly out of [-1, 1].
        margin: m, in radians, broadcast against it.
    """
    squared_sine = (1 - cosine) * (1 + cosine)
    sine = squared_sine.clamp_min(torch.finfo(cosine.dtype).tiny).sqrt()
    shifted = cosine * torch.cos(margin) - sine * torch.sin(margin)
    return torch.where(cosine >= -torch.cos(margin), shifted, cosine - margin * torch.sin(margin))


def arcface_logits(
    cosine: Tensor, target: Tensor, *, margin: float | Tensor, scale: float
) -> Tensor:
    """Return ``s cos(theta_c + t_c m_c)``: the margin in proportion to the target.

    Deng et al. 2019, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", eq. 3,
    where t is one-hot, so that only the logit of the right class is lowered. Targets mixed by
    Mixup or CutMix share the margin out. Where several classes fit what is known of a photo, each
    of them is lowered by its margin.

    Args:
        cosine: cos(theta_c) between feature and class centre, (N, C).
        target: Labels (N,), or probabilities t of the classes, or which of them fit, (N, C).
        margin: m, in radians, for all classes or for each, () or (C,). Paper: 0.5.
        scale: s. Paper: 64.
    """
    share = as_distribution(target, num_classes=cosine.shape[1], dtype=cosine.dtype)
    return scale * cosine_with_margin(cosine, share * margin)


@MODELS.register_module()
class MaskArcFaceHead(MarginHead):
    """ArcFace; the margin is an angle in radians, from 0 to pi / 2. Paper: 0.5.

    MMPretrain's ``ArcFaceClsHead`` has no finite value at a cosine above 1, and gives a mixed
    photo the margin of one label only. ``Args`` as in :class:`MarginHead`.
    """

    unit: ClassVar[MarginUnit] = RADIANS
    paper_margin: ClassVar[float] = 0.5

    def margin_logits(self, cosine: Tensor, target: Tensor, margin: Tensor) -> Tensor:
        return arcface_logits(cosine, target, margin=margin, scale=self.scale)
