"""Class-weighted cross-entropy."""

from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional

from mmmask.models.losses.base import ClassWeightedLoss


@MODELS.register_module()
class WeightedCrossEntropyLoss(ClassWeightedLoss):
    """Cross-entropy with class weights by name, and a denominator that is stated.

    MMPretrain's ``CrossEntropyLoss`` divides a class-weighted sum by N; the default here divides
    it by the sum of the weights, as PyTorch does. ``Args`` and ``Shape`` as in
    :class:`ClassWeightedLoss`.
    """

    def sample_losses(self, logits: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(
            logits,
            target,
            weight=self.active_class_weight,
            label_smoothing=self.label_smoothing,
            reduction="none",
        )
