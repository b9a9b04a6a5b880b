"""Class-weighted cross-entropy."""

import torch
from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional

from mmmask.models.losses.base import ClassWeightedLoss
from mmmask.models.losses.reduction import weigh_sets


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

    def set_losses(self, logits: Tensor, fits: Tensor, own_weight: Tensor) -> Tensor:
        return weigh_sets(
            torch.neg,
            logits,
            fits,
            own_weight,
            class_weight=self.active_class_weight,
            label_smoothing=self.label_smoothing,
        )
