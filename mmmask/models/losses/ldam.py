"""LDAM: the logit of the right class is lowered, the more the rarer it is."""

from collections.abc import Sequence

import torch
from mmpretrain.registry import MODELS
from torch import Tensor

from mmmask.class_weights import checked_counts
from mmmask.errors import InputError
from mmmask.labels import NUM_CLASSES
from mmmask.models.losses.base import ClassWeightedLoss, Denominator
from mmmask.models.losses.cross_entropy import weighted_cross_entropy
from mmmask.models.margins import adaptive_margins, lower_by_margin


@MODELS.register_module()
class LDAMLoss(ClassWeightedLoss):
    """Cross-entropy after the right class has lost a margin ``max_margin (n_c / n_min)^-1/4``.

    Cao et al. 2019, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    on the logits of any head. The authors trained it on normalised features, with 0.5 on
    cosines: that is ``MaskCosFaceHead`` with adaptive margins from 0. Their deferred re-weighting
    is :class:`DeferredReweightingHook`. The margin is of training; it is in no test logit.

    The margins stand in the buffer ``margin``, which checkpoints keep. They are NaN until
    :meth:`set_class_counts` or a checkpoint has filled them.

    Args:
        max_margin: At least 0, in units of the logit; the margin of the rarest class.
        num_classes: As in :class:`ClassWeightedLoss`, like all that follow.
        class_weight: None, C numbers, or a name.
        label_smoothing: In [0, 1); the margin follows the unsmoothed target.
        denominator: ``'weights'`` or ``'samples'``.
        loss_weight: Factor of the result.
    """

    margin: Tensor

    def __init__(
        self,
        *,
        max_margin: float = 0.5,
        num_classes: int = NUM_CLASSES,
        class_weight: Sequence[float] | str | None = None,
        label_smoothing: float = 0.0,
        denominator: Denominator = "weights",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            class_weight=class_weight,
            label_smoothing=label_smoothing,
            denominator=denominator,
            loss_weight=loss_weight,
        )
        if not 0 <= max_margin < float("inf"):
            raise InputError(f"max_margin must be finite and at least 0, got {max_margin}")
        self.max_margin = max_margin
        self.register_buffer("margin", torch.full((num_classes,), torch.nan))
        self._margin_known = False

    def set_class_counts(self, counts: Tensor) -> None:
        """Set class weights and margins from the training split; ``counts``: (C,)."""
        super().set_class_counts(counts)
        counts = checked_counts(counts, self.num_classes)
        self.margin.copy_(adaptive_margins(counts, low=0.0, high=self.max_margin))
        self._margin_known = True

    def sample_losses(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each photo.

        Raises:
            InputError: The margins were never given class counts.
        """
        self._require_margin()
        return weighted_cross_entropy(
            lower_by_margin(logits, target, margin=self.margin),
            target,
            class_weight=self.active_class_weight,
            label_smoothing=self.label_smoothing,
        )

    def _require_margin(self) -> None:
        if self._margin_known:  # asked once, not every step: reading a buffer stalls a GPU
            return
        if self.margin.isnan().any():
            raise InputError(
                "LDAMLoss needs the class counts of the training split: "
                "set_class_counts of the head must be called before training, and was not"
            )
        self._margin_known = True
