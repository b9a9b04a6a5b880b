"""What the class-weighted losses share: options, weights that a checkpoint keeps, the mean."""

from collections.abc import Sequence
from typing import Literal, TypedDict, get_args

import torch
from torch import Tensor, nn

from mmmask.class_weights import checked_counts, rule_by_name
from mmmask.errors import InputError
from mmmask.labels import NUM_CLASSES
from mmmask.models.losses.reduction import (
    as_distribution,
    at_least_float32,
    mean_over_ranks,
    responsibilities,
)

Denominator = Literal["weights", "samples"]


class LossOptions(TypedDict, total=False):
    """The options that all class-weighted losses share; :class:`ClassWeightedLoss` says more."""

    num_classes: int
    class_weight: Sequence[float] | str | None
    label_smoothing: float
    denominator: Denominator
    loss_weight: float


class CountsCheck:
    """Refuses to train with a buffer that is NaN because the class counts are missing.

    Args:
        needing: What needs them, as the error message says it.
    """

    def __init__(self, needing: str) -> None:
        self.needing, self.passed = needing, False

    def __call__(self, buffer: Tensor) -> None:
        if self.passed:  # asked once, not every step: reading a buffer stalls a GPU
            return
        if buffer.isnan().any():
            raise InputError(
                f"{self.needing} needs the class counts of the training split: add "
                "dict(type='ClassCountHook') to custom_hooks of the config, or call "
                "set_class_counts of the head before training"
            )
        self.passed = True


class ClassWeightedLoss(nn.Module):
    """Weighted mean over the batch of a loss that knows class weights and label smoothing.

    Called like MMPretrain's losses, but without ``reduction_override``: what the mean divides by
    is part of the loss here. Photo-wise losses come from the bare functions.

    The class weights stand in the buffer ``class_weight``, which checkpoints keep. Weights by
    name are NaN until :class:`ClassCountHook` (through the head) or a checkpoint has filled them.
    :class:`DeferredReweightingHook` lets them begin late; a subclass uses ``active_class_weight``.
    A subclass with options of its own passes the others on, see :class:`SoftmaxFocalLoss`.

    **Partly known labels.** Where a label is a set S of classes, with ``P = sum_(c in S) p_c``,
    the loss is that of the event "one of S": ``-log P`` for the cross-entropy. The class weight
    of the photo is ``sum_(c in S) w_c p_c / P``, without a gradient; label smoothing spreads its
    share over all classes as ever. With one class in S this is the loss of a label. A photo of
    which all classes fit teaches nothing, and is in neither sum.

    Args:
        num_classes: C.
        class_weight: None (all 1), C numbers, or a name of ``mmmask.class_weights``, whose
            weights come from the counts of the training split.
        label_smoothing: In [0, 1), share of the target that is spread over all classes.
        denominator: What the sum over the batch is divided by. ``'weights'``: the sum of photo
            weight times class weight of the photo's unsmoothed target, which for hard labels is
            PyTorch's mean. ``'samples'``: the sum of the photo weights, or N without any. Either
            is summed over all processes of a distributed run.
        loss_weight: Factor of the result.

    Shape:
        ``cls_score``: (N, C) logits; ``label``: (N,) integers, (N, C) soft, or (N, C) bool, the
        classes that fit; ``weight``: (N,) photo weights; result: scalar.
    """

    class_weight: Tensor
    #: That a set of classes may stand for a label, see :func:`refuse_sets`.
    takes_sets = True

    def __init__(
        self,
        *,
        num_classes: int = NUM_CLASSES,
        class_weight: Sequence[float] | str | None = None,
        label_smoothing: float = 0.0,
        denominator: Denominator = "weights",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise InputError(
                f"label_smoothing must be at least 0 and below 1; got {label_smoothing}"
            )
        if denominator not in get_args(Denominator):
            raise InputError(
                f"denominator must be one of {', '.join(get_args(Denominator))}; "
                f"got {denominator!r}"
            )
        self.num_classes = num_classes
        self.label_smoothing = label_smoothing
        self.denominator = denominator
        self.loss_weight = loss_weight
        self.rule = rule_by_name(class_weight) if isinstance(class_weight, str) else None
        self.register_buffer("class_weight", initial_weights(class_weight, num_classes))
        self._configured = self.class_weight.clone()
        self._check_counts = CountsCheck("class_weight by name")
        self.reweighting = True

    def set_reweighting(self, active: bool) -> None:
        """Set whether class weights hold from now on, or each class weighs 1.

        :class:`DeferredReweightingHook` calls it before each training epoch.
        """
        self.reweighting = active

    @property
    def active_class_weight(self) -> Tensor:
        """The class weights (C,) that hold at present."""
        return self.class_weight if self.reweighting else torch.ones_like(self.class_weight)

    def set_class_counts(self, counts: Tensor) -> None:
        """Set the class weights that the config asks for, also over those of a checkpoint.

        :class:`ClassCountHook` calls it before training, through the head.

        Args:
            counts: Numbers of photos of each class in the training split, (C,).
        """
        counts = checked_counts(counts, self.num_classes)
        self.class_weight.copy_(self._configured if self.rule is None else self.rule(counts))

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
    ) -> Tensor:
        """Return the mean loss; ``avg_factor``, where given, is the denominator instead."""
        self._check_counts(self.class_weight)
        logits = at_least_float32(cls_score)
        sets = label.dtype == torch.bool
        if sets:
            target = responsibilities(logits, label)
            own_weight = (target * self.active_class_weight).sum(dim=1)
            losses = self.set_losses(logits, label, own_weight)  # (N,)
        else:
            target = as_distribution(label, num_classes=self.num_classes, dtype=logits.dtype)
            losses = self.sample_losses(logits, target)  # (N,)
        weight = torch.ones_like(losses) if weight is None else weight.to(losses)
        if sets:
            weight = weight * ~label.all(dim=1)
        total = self.loss_weight * (weight * losses).sum()
        if avg_factor is not None:
            return total / avg_factor
        if self.denominator == "weights":
            weight = weight * (target * self.active_class_weight).sum(dim=1)
        return mean_over_ranks(total, weight.sum())

    def sample_losses(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the class-weighted loss of each photo: two times (N, C) -> (N,)."""
        raise NotImplementedError

    def set_losses(self, logits: Tensor, fits: Tensor, own_weight: Tensor) -> Tensor:
        """Return the class-weighted loss of photos of which several classes fit.

        A loss that says nothing else learns from the probabilities of these classes as from a
        soft label, which is a step of EM.

        Shape:
            ``logits``: (N, C); ``fits``: (N, C) bool; ``own_weight``, the class weight of each
            photo: (N,) -> (N,).
        """
        return self.sample_losses(logits, responsibilities(logits, fits))


def initial_weights(class_weight: Sequence[float] | str | None, num_classes: int) -> Tensor:
    """Return the weights (C,) that are known before training: NaN where they have a name."""
    if class_weight is None:
        return torch.ones(num_classes)
    if isinstance(class_weight, str):
        return torch.full((num_classes,), torch.nan)
    weights = torch.tensor(list(class_weight), dtype=torch.float32)
    valid = weights.isfinite() & (weights >= 0)
    if weights.shape != (num_classes,) or not valid.all() or not weights.any():
        raise InputError(
            f"class_weight must be {num_classes} numbers of at least 0 that are not all 0; "
            f"got {list(class_weight)}"
        )
    return weights
