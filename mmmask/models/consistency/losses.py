"""Consistency losses: UDA and FixMatch compare two views of an unlabelled photo."""

import math
from typing import ClassVar

from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from mmmask.errors import InputError


def ramp_up(progress: float, length: float) -> float:
    """Return the share of the consistency loss that counts: ``exp(-5 (1 - progress / length)^2)``.

    Laine and Aila 2017, "Temporal Ensembling for Semi-Supervised Learning", section 3.1; 1 once
    ``length`` is over. While the network knows little, its own answers teach it little.

    Args:
        progress: Share of the training that is over, in [0, 1].
        length: In [0, 1]; 0 for no ramp. The paper ramps over 80 of 300 epochs, 0.27.
    """
    if progress >= length:
        return 1.0
    return math.exp(-5 * (1 - progress / length) ** 2)


class ConsistencyLoss(nn.Module):
    """Mean over the unlabelled photos of how far two views of one photo disagree.

    The weakly augmented view is the teacher and gets no gradient. Photos of which it is not
    confident count 0 in the sum and 1 in the denominator, as in both papers' code. The mean is
    that of the process; all have the same number of unlabelled photos, so that DDP's mean over
    them is the mean over the whole batch.

    Args:
        weight: Of the loss beside the supervised one, at least 0. UDA (CIFAR-10) and FixMatch: 1.
        threshold: In [0, 1): the teacher's largest probability must be above it (FixMatch: at
            least as large); None: that of the paper on CIFAR-10.
        ramp: Share of the training, in [0, 1], over which the weight rises, see :func:`ramp_up`.
    """

    paper_threshold: ClassVar[float]

    def __init__(
        self, *, weight: float = 1.0, threshold: float | None = None, ramp: float = 0.0
    ) -> None:
        super().__init__()
        threshold = self.paper_threshold if threshold is None else threshold
        if weight < 0:
            raise InputError(f"semi.consistency.weight must be at least 0; got {weight}")
        if not 0 <= threshold < 1:
            raise InputError(
                f"semi.consistency.threshold must be at least 0 and below 1; got {threshold}"
            )
        if not 0 <= ramp <= 1:
            raise InputError(
                f"semi.consistency.ramp must be a share of the training from 0 to 1; got {ramp}"
            )
        self.weight, self.threshold, self.ramp = weight, threshold, ramp

    def forward(self, weak: Tensor, strong: Tensor, progress: float) -> tuple[Tensor, Tensor]:
        """Return the weighted loss and the share of the photos that took part, two scalars.

        ``weak`` and ``strong`` are (U, C) logits, ``progress`` as in :func:`ramp_up`.
        """
        losses, confident = self.photo_losses(weak.detach().float(), strong.float())
        factor = self.weight * ramp_up(progress, self.ramp)
        return factor * losses.mean(), confident.float().mean()

    def photo_losses(self, weak: Tensor, strong: Tensor) -> tuple[Tensor, Tensor]:
        """Return each photo's loss, 0 without confidence, and who is confident: (U,) and (U,)."""
        raise NotImplementedError


def sharpened_kl(
    weak: Tensor, strong: Tensor, *, temperature: float, threshold: float
) -> tuple[Tensor, Tensor]:
    """Return ``1[max_c p_c > threshold] KL(p^(1/T) || q)`` of each photo, and the indicator.

    Xie et al. 2020, "Unsupervised Data Augmentation for Consistency Training", section 2 and
    "Additional Training Techniques": p and q are the softmaxes of the weak and the strong view,
    ``p^(1/T)`` that of ``weak / T``. Confidence is judged before the sharpening.

    Args:
        weak: Logits of the weakly augmented photos, (U, C).
        strong: Logits of the strongly augmented ones, (U, C).
        temperature: T, above 0. Paper: 0.4 on CIFAR-10 and ImageNet.
        threshold: Paper: 0.8 on CIFAR-10, 0.5 on ImageNet.
    """
    confident = functional.softmax(weak, dim=1).amax(dim=1) > threshold
    divergence = functional.kl_div(
        functional.log_softmax(strong, dim=1),
        functional.log_softmax(weak / temperature, dim=1),
        reduction="none",
        log_target=True,
    ).sum(dim=1)
    return divergence * confident, confident


@MODELS.register_module()
class UDAConsistency(ConsistencyLoss):
    """Unsupervised data augmentation: the strong view should say what the weak one does, sharpened.

    Args:
        temperature: T of :func:`sharpened_kl`, above 0; 1 does not sharpen.
        **shared: ``weight``, ``threshold`` and ``ramp`` of :class:`ConsistencyLoss`.
    """

    paper_threshold = 0.8

    def __init__(self, *, temperature: float = 0.4, **shared: float) -> None:
        super().__init__(**shared)
        if not temperature > 0:
            raise InputError(f"semi.consistency.temperature must be above 0; got {temperature}")
        self.temperature = temperature

    def photo_losses(self, weak: Tensor, strong: Tensor) -> tuple[Tensor, Tensor]:
        return sharpened_kl(weak, strong, temperature=self.temperature, threshold=self.threshold)


def pseudo_label_cross_entropy(
    weak: Tensor, strong: Tensor, *, threshold: float
) -> tuple[Tensor, Tensor]:
    """Return ``1[max_c p_c >= threshold] (-log q_argmax(p))`` of each photo, and the indicator.

    Sohn et al. 2020, "FixMatch: Simplifying Semi-Supervised Learning with Consistency and
    Confidence", eq. 4: p and q are the softmaxes of the weak and the strong view. The paper's
    threshold tau is 0.95, on ImageNet 0.7. ``Args`` as in :func:`sharpened_kl`.
    """
    confidence, label = functional.softmax(weak, dim=1).max(dim=1)
    confident = confidence >= threshold
    return functional.cross_entropy(strong, label, reduction="none") * confident, confident


@MODELS.register_module()
class FixMatchConsistency(ConsistencyLoss):
    """FixMatch: the strong view should have the class that the weak view is sure of."""

    paper_threshold = 0.95

    def photo_losses(self, weak: Tensor, strong: Tensor) -> tuple[Tensor, Tensor]:
        return pseudo_label_cross_entropy(weak, strong, threshold=self.threshold)
