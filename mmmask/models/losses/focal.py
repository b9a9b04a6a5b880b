"""Class-weighted focal loss on a softmax."""

from functools import partial
from typing import Unpack

import torch
from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.models.losses.base import ClassWeightedLoss, LossOptions
from mmmask.models.losses.reduction import weigh_classes, weigh_sets


def softmax_focal(
    logits: Tensor,
    target: Tensor,
    *,
    gamma: float = 2.0,
    class_weight: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return ``-sum_c w_c q_c (1 - p_c)^gamma log p_c`` of each photo, q the smoothed target.

    Lin et al. 2017, "Focal Loss for Dense Object Detection", with a softmax in place of the
    sigmoid; w is the paper's alpha. Gamma, at least 0, says how strongly photos that are already
    right are discounted (paper: 2); at 0 it is the weighted cross-entropy. Logits are (N, C); the
    other arguments are those of :func:`weigh_classes`.
    """
    return weigh_classes(
        focal(functional.log_softmax(logits, dim=1), gamma),
        target,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
    )


def focal(log_p: Tensor, gamma: float) -> Tensor:
    """Return ``-(1 - p)^gamma log p`` of log-probabilities of any shape."""
    # Kept off 0, where the power of a gamma below 1 has an infinite slope.
    missing = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)  # 1 - p
    return -(missing**gamma) * log_p


@MODELS.register_module()
class SoftmaxFocalLoss(ClassWeightedLoss):
    """Softmax focal loss with class weights by name, and a denominator that is stated.

    MMPretrain's ``FocalLoss`` is sigmoid-based and knows no class weights. Of a set of classes,
    the sum of their probabilities makes the focal factor.

    Args:
        gamma: At least 0; the paper's value is 2, and 0 gives the weighted cross-entropy.
        **shared: Options of :class:`ClassWeightedLoss`; the focal factor is in no denominator.
    """

    def __init__(self, *, gamma: float = 2.0, **shared: Unpack[LossOptions]) -> None:
        super().__init__(**shared)
        if gamma < 0:
            raise InputError(f"gamma must be at least 0; got {gamma}")
        self.gamma = gamma

    def sample_losses(self, logits: Tensor, target: Tensor) -> Tensor:
        return softmax_focal(
            logits,
            target,
            gamma=self.gamma,
            class_weight=self.active_class_weight,
            label_smoothing=self.label_smoothing,
        )

    def set_losses(self, logits: Tensor, fits: Tensor, own_weight: Tensor) -> Tensor:
        return weigh_sets(
            partial(focal, gamma=self.gamma),
            logits,
            fits,
            own_weight,
            class_weight=self.active_class_weight,
            label_smoothing=self.label_smoothing,
        )
