"""Soft macro F1: the competition's score with probabilities in place of decisions."""

import torch
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from mmmask.errors import InputError
from mmmask.labels import NUM_CLASSES
from mmmask.models.losses.reduction import (
    as_distribution,
    at_least_float32,
    responsibilities,
    sum_over_ranks,
)


@MODELS.register_module()
class SoftMacroF1Loss(nn.Module):
    """``1 - mean_c F1_c`` of the batch, the mean over all C classes.

    The loss that public solutions of the task use, alone or mixed with a focal loss. They take
    the harmonic mean of precision and recall, each with an epsilon, which is the same number up
    to that epsilon. With certain probabilities it is 1 minus scikit-learn's ``f1_score(...,
    labels=range(C), average='macro', zero_division=0)``.

    It is no mean over photos: F1 of a batch is a ratio of sums. So a class absent from the batch
    adds a constant 1 / C and pulls nowhere, and a batch should be large enough to hold rare
    classes. In a distributed run the sums are those over all processes: value and gradient are
    those of one process with the whole batch. Without gradients they are the process's own.

    Soft targets of Mixup and CutMix count by share, ``TP_c = sum target_c p_c``, which rewards
    deciding for the larger share; hence there is no label smoothing either. Where several classes
    fit what is known of a photo, it counts for them in proportion to their probabilities, which
    have no gradient there; a photo of which all classes fit counts nowhere.

    Args:
        num_classes: C.
        epsilon: Above 0, in photos; keeps 0 / 0 out.
        loss_weight: Factor of the result.

    Shape:
        ``cls_score``: (N, C) logits; ``label``: (N,) integers, (N, C) soft, or (N, C) bool, the
        classes that fit; ``weight``: (N,), what each photo counts in the sums; result: scalar.
    """

    takes_sets = True

    def __init__(
        self, *, num_classes: int = NUM_CLASSES, epsilon: float = 1e-7, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        if not epsilon > 0:
            raise InputError(f"epsilon must be above 0; got {epsilon}")
        self.num_classes = num_classes
        self.epsilon = epsilon
        self.loss_weight = loss_weight

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
    ) -> Tensor:
        """Return the loss; ``avg_factor`` is taken for MMPretrain's heads, and has no meaning."""
        logits = at_least_float32(cls_score)
        probability = logits.softmax(dim=1)
        if label.dtype == torch.bool:
            known = ~label.all(dim=1)
            weight = known.to(logits) if weight is None else weight * known
            label = responsibilities(logits, label)
        target = as_distribution(label, num_classes=self.num_classes, dtype=logits.dtype)
        counts = torch.stack([target * probability, probability, target])  # (3, N, C)
        if weight is not None:
            counts = counts * weight.to(counts)[:, None]
        hits, predicted, true = sum_over_ranks(counts.sum(dim=1))
        f1 = 2 * hits / (predicted + true + self.epsilon)  # (C,); 2 TP / (2 TP + FP + FN)
        return self.loss_weight * (1 - f1.mean())
