"""UDA: the strong view's distribution should be the weak view's, sharpened."""

from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.models.consistency.base import ConsistencyLoss


def sharpened_kl(
    weak: Tensor, strong: Tensor, *, temperature: float, threshold: float
) -> tuple[Tensor, Tensor]:
    """Return ``1[max_c p_c > threshold] KL(p^(1/T) || q)`` of each photo, and the indicator.

    Xie et al. 2020, "Unsupervised Data Augmentation for Consistency Training", section 2 and
    "Additional Training Techniques": p and q are the softmaxes of the weak and the strong view,
    ``p^(1/T)`` that of ``weak / T``. Confidence is judged before the sharpening.

    Args:
        weak: Logits of the weakly augmented photos.
        strong: Logits of the strongly augmented ones.
        temperature: T, above 0. Paper: 0.4 on CIFAR-10 and ImageNet.
        threshold: Paper: 0.8 on CIFAR-10, 0.5 on ImageNet.

    Shape:
        ``weak``, ``strong``: (U, C) -> (U,) and (U,) bool.
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
    """Unsupervised data augmentation (Xie et al. 2020).

    Args:
        temperature: T of :func:`sharpened_kl`, above 0; 1 does not sharpen.
        **shared: ``weight``, ``threshold`` and ``ramp`` of :class:`ConsistencyLoss`.
    """

    paper_threshold = 0.8

    def __init__(self, *, temperature: float = 0.4, **shared: float) -> None:
        super().__init__(**shared)
        if not temperature > 0:
            raise InputError(f"semi.consistency.temperature must be above 0, got {temperature}")
        self.temperature = temperature

    def photo_losses(self, weak: Tensor, strong: Tensor) -> tuple[Tensor, Tensor]:
        return sharpened_kl(weak, strong, temperature=self.temperature, threshold=self.threshold)
