"""Class-weighted cross-entropy."""

from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional

from mmmask.models.losses.base import ClassWeightedLoss
from mmmask.models.losses.reduction import weigh_classes


def weighted_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    class_weight: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return ``-sum_c w_c q_c log p_c`` of each photo, q the smoothed target.

    Equals ``torch.nn.functional.cross_entropy(..., reduction="none")``.

    Shape:
        ``logits``: (N, C); ``target``: (N,) or (N, C); ``class_weight``: (C,) -> (N,).
    """
    return weigh_classes(
        -functional.log_softmax(logits, dim=1),
        target,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
    )


@MODELS.register_module()
class WeightedCrossEntropyLoss(ClassWeightedLoss):
    """Cross-entropy with class weights by name, and a denominator that is stated.

    MMPretrain's ``CrossEntropyLoss`` divides a class-weighted sum by N; the default here divides
    it by the sum of the weights, as PyTorch does. ``Args`` and ``Shape`` as in
    :class:`ClassWeightedLoss`.
    """

    def sample_losses(self, logits: Tensor, target: Tensor) -> Tensor:
        return weighted_cross_entropy(
            logits,
            target,
            class_weight=self.active_class_weight,
            label_smoothing=self.label_smoothing,
        )
