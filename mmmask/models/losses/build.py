"""Build a loss from its config, for a stated number of classes."""

from collections.abc import Mapping
from inspect import signature
from typing import Any

import torch
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from mmmask.errors import InputError
from mmmask.models.losses.base import ClassWeightedLoss
from mmmask.models.losses.cross_entropy import WeightedCrossEntropyLoss


def build_loss(loss: Mapping[str, Any] | nn.Module | None, *, num_classes: int) -> nn.Module:
    """Build a loss, with ``num_classes`` if it takes that; None is the plain cross-entropy.

    Raises:
        InputError: The type is not registered, or the config states another number of classes
            than the head.
    """
    if isinstance(loss, nn.Module):
        return loss
    config = dict(loss) if loss else {"type": WeightedCrossEntropyLoss}
    name = config.get("type")
    kind = MODELS.get(name) if isinstance(name, str) else name
    if kind is None:
        raise InputError(
            f"loss.type must be a loss that is registered; got {name!r}; is its module among "
            "custom_imports.imports of the config?"
        )
    # A loss of ours may hide the option behind ``**shared``.
    ours = isinstance(kind, type) and issubclass(kind, ClassWeightedLoss)
    if ours or "num_classes" in signature(kind).parameters:
        stated = config.setdefault("num_classes", num_classes)
        if stated != num_classes:
            raise InputError(f"loss.num_classes must be the head's {num_classes}; got {stated}")
    return MODELS.build(config)


def refuse_sets(loss: nn.Module, label: Tensor) -> None:
    """Refuse a target that is a set of classes, (N, C) bool, of a loss that knows no sets."""
    if label.dtype == torch.bool and not getattr(loss, "takes_sets", False):
        raise InputError(
            "loss.type must be a loss of mmmask, such as WeightedCrossEntropyLoss, where labels "
            f"are partly known; got {type(loss).__name__}"
        )
