"""Dropout and one linear layer."""

from typing import Unpack

from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from mmmask.models.heads.base import ClassifierOptions, MaskFaceHead
from mmmask.models.losses.reduction import at_least_float32


@MODELS.register_module()
class MaskLinearHead(MaskFaceHead):
    """Linear classifier on the pooled feature.

    Args:
        in_channels: Length of the pooled feature.
        final_relu: Cut negative logits to 0. Published with Kaiming-uniform weights as a slight
            gain; a logit that is cut has no gradient.
        **shared: Options of :class:`MaskFaceHead`.
    """

    def __init__(
        self, in_channels: int, *, final_relu: bool = False, **shared: Unpack[ClassifierOptions]
    ) -> None:
        super().__init__(in_channels, **shared)
        self.fc = nn.Linear(in_channels, self.num_classes)
        self.final_relu = final_relu

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        logits = at_least_float32(self.fc(self.dropout(self.pre_logits(feats))))
        return functional.relu(logits) if self.final_relu else logits
