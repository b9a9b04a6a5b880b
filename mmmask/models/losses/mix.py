"""A weighted sum of losses."""

from collections.abc import Mapping
from typing import Any

import torch
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from mmmask.errors import InputError
from mmmask.labels import NUM_CLASSES
from mmmask.models.losses.build import build_loss, refuse_sets


@MODELS.register_module()
class LossMix(nn.Module):
    """``sum_i w_i L_i`` of losses on the same logits, each with its own denominator.

    Published for this task with 0.4 of an F1 loss and 0.6 of a focal loss.

    Args:
        losses: Name -> config of a loss. The names are the user's, and stand in the options.
        loss_weights: Name -> w_i, at least 0 and not all 0; each loss must have one.
        num_classes: C, passed to every loss that takes it.

    Shape:
        ``cls_score``: (N, C) logits; ``label``: (N,) integers, (N, C) soft, or (N, C) bool, the
        classes that fit; ``weight``: (N,) photo weights; result: scalar.
    """

    takes_sets = True

    def __init__(
        self,
        *,
        losses: Mapping[str, Mapping[str, Any]],
        loss_weights: Mapping[str, float],
        num_classes: int = NUM_CLASSES,
    ) -> None:
        super().__init__()
        if not losses or set(losses) != set(loss_weights):
            raise InputError(
                "loss_weights must name the same, at least one, as losses: "
                f"{', '.join(sorted(losses)) or 'none'}; got {', '.join(sorted(loss_weights))}"
            )
        if min(loss_weights.values()) < 0 or not any(loss_weights.values()):
            raise InputError(
                f"loss_weights must be at least 0 and not all 0; got {dict(loss_weights)}"
            )
        self.loss_weights = dict(loss_weights)
        self.losses = nn.ModuleDict(
            {name: build_loss(config, num_classes=num_classes) for name, config in losses.items()}
        )

    def set_class_counts(self, counts: Tensor) -> None:
        """Pass the counts of the training photos, (C,), to each loss that asks for them."""
        for loss in self.losses.values():
            if hasattr(loss, "set_class_counts"):
                loss.set_class_counts(counts)

    def forward(self, cls_score: Tensor, label: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the sum; all arguments go to each loss, as :class:`ClassWeightedLoss` has them."""
        for loss in self.losses.values():
            refuse_sets(loss, label)
        parts = [
            self.loss_weights[name] * loss(cls_score, label, *args, **kwargs)
            for name, loss in self.losses.items()
        ]
        return torch.stack(parts).sum()
