"""Dropout and one linear layer."""

from collections.abc import Mapping
from typing import Any

import torch
from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from mmmask.labels import NUM_CLASSES
from mmmask.models.heads.base import InitCfg, MaskFaceHead


@MODELS.register_module()
class MaskLinearHead(MaskFaceHead):
    """Linear classifier on the pooled feature.

    Args:
        in_channels: As in :class:`MaskFaceHead`, like all that are not named here.
        num_classes: C.
        loss: Config of a loss; None is the plain cross-entropy.
        dropout: Probability in [0, 1).
        final_relu: Cut negative logits to 0. Published with Kaiming-uniform weights as a slight
            gain; a logit that is cut has no gradient.
        temperature: Above 0.
        init_cfg: None is MMPretrain's normal distribution with a standard deviation of 0.01.
            PyTorch's ``kaiming_uniform_`` is
            ``dict(type='Kaiming', layer='Linear', distribution='uniform', mode='fan_in')``;
            MMEngine's default mode, ``fan_out``, starts with logits about ``sqrt(D / C)`` times
            as large.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        num_classes: int = NUM_CLASSES,
        loss: Mapping[str, Any] | nn.Module | None = None,
        dropout: float = 0.0,
        final_relu: bool = False,
        temperature: float = 1.0,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(
            in_channels,
            num_classes=num_classes,
            loss=loss,
            dropout=dropout,
            temperature=temperature,
            init_cfg=init_cfg or {"type": "Normal", "layer": "Linear", "std": 0.01},
        )
        self.fc = nn.Linear(in_channels, num_classes)
        self.final_relu = final_relu

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        logits = self.fc(self.dropout(self.pre_logits(feats)))
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return functional.relu(logits) if self.final_relu else logits
