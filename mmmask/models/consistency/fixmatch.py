"""FixMatch: the strong view should have the class that the weak view is sure of."""

from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional

from mmmask.models.consistency.base import ConsistencyLoss


def pseudo_label_cross_entropy(
    weak: Tensor, strong: Tensor, *, threshold: float
) -> tuple[Tensor, Tensor]:
    """Return ``1[max_c p_c >= threshold] (-log q_argmax(p))`` of each photo, and the indicator.

    Sohn et al. 2020, "FixMatch: Simplifying Semi-Supervised Learning with Consistency and
    Confidence", eq. 4: p and q are the softmaxes of the weak and the strong view.

    Args:
        weak: Logits of the weakly augmented photos.
        strong: Logits of the strongly augmented ones.
        threshold: The paper's tau: 0.95, on ImageNet 0.7.

    Shape:
        ``weak``, ``strong``: (U, C) -> (U,) and (U,) bool.
    """
    confidence, label = functional.softmax(weak, dim=1).max(dim=1)
    confident = confidence >= threshold
    return functional.cross_entropy(strong, label, reduction="none") * confident, confident


@MODELS.register_module()
class FixMatchConsistency(ConsistencyLoss):
    """FixMatch (Sohn et al. 2020); ``Args`` as in :class:`ConsistencyLoss`."""

    paper_threshold = 0.95

    def photo_losses(self, weak: Tensor, strong: Tensor) -> tuple[Tensor, Tensor]:
        return pseudo_label_cross_entropy(weak, strong, threshold=self.threshold)
