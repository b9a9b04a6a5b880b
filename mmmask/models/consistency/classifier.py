"""A classifier that learns from labelled photos and from two views of unlabelled ones."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.models.losses.reduction import as_distribution
from mmmask.structures import SampleBatch, stack_targets, stack_weights, stacked

#: Training signal annealing by name: progress -> how far the threshold has risen, 0 to 1.
ANNEALING: MappingProxyType[str, Callable[[float], float]] = MappingProxyType(
    {
        "linear": lambda progress: progress,
        "log": lambda progress: 1 - math.exp(-5 * progress),
        "exp": lambda progress: math.exp(5 * (progress - 1)),
    }
)


def annealed_threshold(progress: float, schedule: str, num_classes: int) -> float:
    """Return the probability above which a labelled photo is known well enough to be left out.

    ``eta = alpha (1 - 1 / K) + 1 / K`` rises from chance to 1 (Xie et al. 2020, "Unsupervised
    Data Augmentation for Consistency Training", training signal annealing). With few labels it
    keeps the network from learning them by heart: ``exp`` releases them latest, ``log`` earliest.

    Args:
        progress: Share of the training that is over, in [0, 1].
        schedule: Name in :data:`ANNEALING`.
        num_classes: K.
    """
    chance = 1 / num_classes
    return ANNEALING[schedule](progress) * (1 - chance) + chance


def check_annealing(schedule: str | None) -> None:
    """Refuse a name that is not in :data:`ANNEALING`; None is no annealing."""
    if schedule is not None and schedule not in ANNEALING:
        raise InputError(
            f"semi.annealing must be None or one of {', '.join(ANNEALING)}; got {schedule!r}"
        )


@MODELS.register_module()
class SemiSupervisedClassifier(ImageClassifier):
    """MMPretrain's classifier with a consistency loss on unlabelled photos, for any head.

    Labelled photos, weak and strong views pass the network together, as in the code of UDA and
    FixMatch: BatchNorm takes its mean and variance over all of them, so that in training the
    three share one normalisation, and the running statistics are those of the mixture. The head
    scores unlabelled views as at test, without a margin, and with the dropout of training.

    Its weights have the names of MMPretrain's ``ImageClassifier``; it tests like one.

    Args:
        consistency: Config of a consistency loss.
        annealing: Training signal annealing of the labelled photos, see
            :func:`annealed_threshold`; None leaves none out.
        **kwargs: As ``ImageClassifier`` has them.

    Attributes:
        progress: Share of the training that is over, in [0, 1]; :class:`SemiTrainLoop` sets it
            before each step.
    """

    def __init__(
        self, *, consistency: Mapping[str, Any], annealing: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_annealing(annealing)
        self.consistency = MODELS.build(dict(consistency))
        self.annealing = annealing
        self.progress = 0.0

    def loss(self, inputs: Tensor, data_samples: SampleBatch) -> dict[str, Tensor]:
        """Return the head's losses, ``loss_consistency`` and the ``confident`` share.

        ``inputs`` are (N + 2 U, 3, H, W), the N photos of ``data_samples`` first.
        """
        feats = self.extract_feat(inputs)
        labelled = len(stack_targets(data_samples))
        first = tuple(feature[:labelled] for feature in feats)
        if self.annealing is not None:
            data_samples = self._annealed(first, data_samples, self.annealing)
        losses = self.head.loss(first, data_samples)
        if labelled < len(inputs):
            rest = tuple(feature[labelled:] for feature in feats)
            weak, strong = self.head(rest).chunk(2)
            losses["loss_consistency"], losses["confident"] = self.consistency(
                weak, strong, self.progress
            )
        return losses

    @torch.no_grad()
    def _annealed(
        self, feats: tuple[Tensor, ...], data_samples: SampleBatch, schedule: str
    ) -> SampleBatch:
        """Return the batch with weight 0 for photos whose class is known well enough already.

        Of a photo that several classes fit, their probability counts.
        """
        probabilities = functional.softmax(self.head(feats).float(), dim=1)
        num_classes = probabilities.shape[1]
        target = self.head.targets(data_samples)
        right = as_distribution(target, num_classes=num_classes, dtype=probabilities.dtype)
        threshold = annealed_threshold(self.progress, schedule, num_classes)
        shares = stacked(data_samples, "shares")
        if shares is not None:
            right = shares @ right
        unknown = ((probabilities * right).sum(dim=1) <= threshold).float()
        if shares is not None:
            annealed = data_samples.new()
            annealed.shares = shares * unknown[:, None]
            return annealed
        weight = stack_weights(data_samples)
        annealed = data_samples.new()
        annealed.weight = unknown if weight is None else weight * unknown
        return annealed
