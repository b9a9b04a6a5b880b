"""LDAM: the logit of the right class is lowered, the more the rarer it is."""

from typing import Unpack

import torch
from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional

from mmmask.class_weights import checked_counts
from mmmask.errors import InputError
from mmmask.models.losses.base import ClassWeightedLoss, CountsCheck, LossOptions
from mmmask.models.losses.reduction import weigh_sets
from mmmask.models.margins import adaptive_margins, lower_by_margin


@MODELS.register_module()
class LDAMLoss(ClassWeightedLoss):
    """Cross-entropy after the right class has lost a margin ``max_margin (n_c / n_min)^-1/4``.

    Cao et al. 2019, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    on the logits of any head. The authors trained it on normalised features, with 0.5 on
    cosines: that is ``MaskCosFaceHead`` with adaptive margins from 0. Their deferred re-weighting
    is :class:`DeferredReweightingHook`. The margin is of training; it is in no test logit.

    The margins stand in the buffer ``margin``, which checkpoints keep. They are NaN until
    :class:`ClassCountHook` or a checkpoint has filled them.

    Args:
        max_margin: At least 0, in units of the logit; the margin of the rarest class.
        **shared: Options of :class:`ClassWeightedLoss`; the margin follows the unsmoothed target,
            and lowers each class of a set by its own.
    """

    margin: Tensor

    def __init__(self, *, max_margin: float = 0.5, **shared: Unpack[LossOptions]) -> None:
        super().__init__(**shared)
        if not 0 <= max_margin < float("inf"):
            raise InputError(f"max_margin must be finite and at least 0; got {max_margin}")
        self.max_margin = max_margin
        self.register_buffer("margin", torch.full((self.num_classes,), torch.nan))
        self._check_margin = CountsCheck("LDAMLoss")

    def set_class_counts(self, counts: Tensor) -> None:
        """Set class weights and margins before training, see :class:`ClassWeightedLoss`."""
        super().set_class_counts(counts)
        counts = checked_counts(counts, self.num_classes)
        self.margin.copy_(adaptive_margins(counts, low=0.0, high=self.max_margin))

    def sample_losses(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each photo; the margins need :meth:`set_class_counts`."""
        self._check_margin(self.margin)
        return functional.cross_entropy(
            lower_by_margin(logits, target, margin=self.margin),
            target,
            weight=self.active_class_weight,
            label_smoothing=self.label_smoothing,
            reduction="none",
        )

    def set_losses(self, logits: Tensor, fits: Tensor, own_weight: Tensor) -> Tensor:
        self._check_margin(self.margin)
        return weigh_sets(
            torch.neg,
            lower_by_margin(logits, fits, margin=self.margin),
            fits,
            own_weight,
            class_weight=self.active_class_weight,
            label_smoothing=self.label_smoothing,
        )
