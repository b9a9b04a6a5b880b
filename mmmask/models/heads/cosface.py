"""CosFace: the cosine of the right class is lowered in training."""

from typing import ClassVar

from mmpretrain.registry import MODELS
from torch import Tensor

from mmmask.models.heads.margin_head import MarginHead
from mmmask.models.margins import COSINES, MarginUnit, lower_by_margin


@MODELS.register_module()
class MaskCosFaceHead(MarginHead):
    """CosFace, logits ``s (cos(theta_c) - t_c m_c)``; margins from 0 to 1. Paper: 0.35.

    Wang et al. 2018, "CosFace: Large Margin Cosine Loss for Deep Face Recognition", eq. 4, where
    t is one-hot; targets mixed by Mixup or CutMix share the margin out, and each class of
    a set has its own. With adaptive margins
    from 0 it is LDAM on normalised features, as its authors trained it. ``Args`` as in
    :class:`MarginHead`.
    """

    unit: ClassVar[MarginUnit] = COSINES
    paper_margin: ClassVar[float] = 0.35

    def margin_logits(self, cosine: Tensor, target: Tensor, margin: Tensor) -> Tensor:
        return self.scale * lower_by_margin(cosine, target, margin=margin)
