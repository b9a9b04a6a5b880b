"""Symmetric cross-entropy, which doubts labels that the network contradicts."""

from typing import Unpack

from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.models.losses.base import ClassWeightedLoss, LossOptions
from mmmask.models.losses.reduction import (
    as_distribution,
    smooth,
    weigh_classes,
    weigh_sets,
)


def reverse_cross_entropy(
    logits: Tensor, target: Tensor, *, log_zero: float = -4.0, label_smoothing: float = 0.0
) -> Tensor:
    """Return ``-sum_c p_c log q_c`` of each photo, q the smoothed target, log 0 read as ``A``.

    For a label y it is ``-A (1 - p_y)``: bounded, so that a wrong label pulls only so far. No
    logarithm of a target is smaller than A, below 0; the authors' code clips targets at 1e-4, which
    is -9.2. Logits are (N, C); target and smoothing are those of :func:`weigh_classes`. Of a set of
    classes it is ``-A (1 - P)``: as if all of them were one class, with the sum P of their
    probabilities.
    """
    probability = functional.softmax(logits, dim=1)
    target = as_distribution(target, num_classes=logits.shape[1], dtype=probability.dtype)
    log_target = smooth(target, label_smoothing).log().clamp_min(log_zero)
    return -(probability * log_target).sum(dim=1)


def symmetric_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    alpha: float = 0.1,
    beta: float = 1.0,
    log_zero: float = -4.0,
    class_weight: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return ``sum_c w_c q_c (beta RCE - alpha log p_c)`` of each photo, q the smoothed target.

    Wang et al. 2019, "Symmetric Cross Entropy for Robust Learning with Noisy Labels"; the
    class weights are not the paper's. Where they are 1 it is ``alpha CE + beta RCE``. Alpha should
    be small where many labels are wrong. Logits are (N, C); other arguments as in
    :func:`reverse_cross_entropy` and :func:`weigh_classes`.
    """
    reverse = reverse_cross_entropy(
        logits, target, log_zero=log_zero, label_smoothing=label_smoothing
    )
    return weigh_classes(
        beta * reverse[:, None] - alpha * functional.log_softmax(logits, dim=1),
        target,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
    )


@MODELS.register_module()
class SymmetricCrossEntropyLoss(ClassWeightedLoss):
    """Cross-entropy plus reverse cross-entropy, for data whose labels are partly wrong.

    Args:
        alpha: At least 0, factor of the cross-entropy. Paper: 0.1 on CIFAR-10, 6 on CIFAR-100.
        beta: At least 0, factor of the reverse one. Paper: 1 on CIFAR-10, 0.1 on CIFAR-100.
        log_zero: A, below 0, what stands for log 0.
        **shared: Options of :class:`ClassWeightedLoss`; both losses see the smoothed target.
    """

    def __init__(
        self,
        *,
        alpha: float = 0.1,
        beta: float = 1.0,
        log_zero: float = -4.0,
        **shared: Unpack[LossOptions],
    ) -> None:
        super().__init__(**shared)
        if min(alpha, beta) < 0 or max(alpha, beta) <= 0:
            raise InputError(
                f"alpha and beta must be at least 0 and not both 0; got {alpha} and {beta}"
            )
        if not log_zero < 0:
            raise InputError(f"log_zero must be below 0; got {log_zero}")
        self.alpha, self.beta, self.log_zero = alpha, beta, log_zero

    def sample_losses(self, logits: Tensor, target: Tensor) -> Tensor:
        return symmetric_cross_entropy(
            logits,
            target,
            alpha=self.alpha,
            beta=self.beta,
            log_zero=self.log_zero,
            class_weight=self.active_class_weight,
            label_smoothing=self.label_smoothing,
        )

    def set_losses(self, logits: Tensor, fits: Tensor, own_weight: Tensor) -> Tensor:
        # A set is read as a label is: all of its classes have the logarithm of the right one.
        reverse = reverse_cross_entropy(
            logits, fits, log_zero=self.log_zero, label_smoothing=self.label_smoothing
        )
        return weigh_sets(
            lambda log_p: self.beta * reverse[:, None] - self.alpha * log_p,
            logits,
            fits,
            own_weight,
            class_weight=self.active_class_weight,
            label_smoothing=self.label_smoothing,
        )
