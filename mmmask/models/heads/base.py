"""What the heads share: pooled feature -> logits, temperature, loss, predictions."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

import torch
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.nn import functional

from mmmask.class_weights import checked_counts
from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES, JOINT_SHAPE, NUM_CLASSES, group_probabilities, marginals
from mmmask.models.ages.base import rescale_groups
from mmmask.models.losses.build import build_loss, refuse_sets
from mmmask.structures import (
    SampleBatch,
    put,
    put_metainfo,
    stack_targets,
    stack_weights,
    stacked,
    unmixed,
)

InitCfg = dict | list[dict] | None
LossConfig: TypeAlias = Mapping[str, Any] | nn.Module | None


class HeadOptions(TypedDict, total=False):
    """The options that all heads share; :class:`MaskFaceHead` says what they mean."""

    dropout: float
    temperature: float | None
    init_cfg: InitCfg


class ClassifierOptions(HeadOptions, total=False):
    """Those of the heads with one loss over one set of classes."""

    num_classes: int
    loss: LossConfig


def attribute_targets(target: Tensor) -> dict[str, Tensor]:
    """Return the target of each attribute: its index, or its marginal of a soft joint target.

    Of a set of classes it is the set of the attribute's values in them.

    Shape:
        ``target``: (N,) integers -> three times (N,); (N, 18), shares or bool -> mask (N, 3),
        gender (N, 2), age (N, 3).
    """
    if target.dtype == torch.bool:
        return {name: times > 0 for name, times in marginals(target).items()}
    if target.ndim == 2:
        return marginals(target)
    return dict(zip(ATTRIBUTES, torch.unravel_index(target, JOINT_SHAPE), strict=True))


class MaskFaceHead(ClsHead):
    """A head that reads a ``SampleBatch`` or a list of data samples, and knows a temperature.

    A subclass gives :meth:`forward`, the logits of test time, and :meth:`training_logits` where
    those of training differ. Logits are at least float32, under autocast too. Test probabilities
    are ``softmax(logits / temperature)`` (Guo et al. 2017, "On Calibration of Modern Neural
    Networks"); the training loss ignores the temperature.

    Args:
        in_channels: Length D of the pooled feature.
        num_classes: C.
        loss: Config of a loss, or the module; None is the plain cross-entropy.
        dropout: Probability in [0, 1) that an entry of the feature is dropped in training.
        temperature: Above 0; None is 1, but see :class:`MarginHead`. Kept in checkpoints, so that
            a value fitted later travels along.
        init_cfg: Initialisation in MMEngine's style; None is MMPretrain's normal distribution with
            a standard deviation of 0.01. PyTorch's ``kaiming_uniform_`` is
            ``dict(type='Kaiming', layer='Linear', distribution='uniform', mode='fan_in')``;
            MMEngine's default mode, ``fan_out``, starts with logits about ``sqrt(D / C)`` times
            as large.

    Shape:
        ``feats``: tuple whose last entry is (N, D); logits: (N, C).
    """

    temperature: Tensor
    #: The attribute that the logits are about; None: all three, as 18 classes.
    attribute: str | None = None

    def __init__(
        self,
        in_channels: int,
        *,
        num_classes: int = NUM_CLASSES,
        loss: LossConfig = None,
        dropout: float = 0.0,
        temperature: float | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(
            loss=build_loss(loss, num_classes=num_classes),
            init_cfg=init_cfg or {"type": "Normal", "layer": "Linear", "std": 0.01},
        )
        if not 0 <= dropout < 1:
            raise InputError(f"dropout must be at least 0 and below 1; got {dropout}")
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.dropout = nn.Dropout(dropout)
        #: The :class:`AgeModel`, where age is modelled in years.
        self.age_model: Any = None
        self.register_buffer("temperature", torch.ones(()))
        self.set_temperature(1.0 if temperature is None else temperature)

    def set_temperature(self, temperature: float) -> None:
        """Set what test logits are divided by, above 0; :class:`TemperatureHook` changes it too."""
        if not 0 < temperature < float("inf"):
            raise InputError(f"temperature must be finite and above 0; got {temperature}")
        self.temperature.fill_(temperature)

    def set_class_counts(self, counts: Tensor) -> None:
        """Tell the head how many training photos each class has, (C,); it tells its losses.

        :class:`ClassCountHook` calls it once before training, after a checkpoint was loaded: what
        the config asks for then replaces what the checkpoint held.
        """
        counts = checked_counts(counts, self.num_classes)
        if hasattr(self.loss_module, "set_class_counts"):
            self.loss_module.set_class_counts(counts)

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Return the pooled feature, (N, D)."""
        feature = feats[-1]
        if feature.ndim != 2 or feature.shape[1] != self.in_channels:
            raise InputError(
                f"head.in_channels: the pooled feature must have shape (N, {self.in_channels}); "
                f"got {tuple(feature.shape)}; set in_channels to the backbone's, and use a neck "
                "that pools"
            )
        return feature

    def targets(self, data_samples: Sequence[DataSample]) -> Tensor:
        """Return what the logits should say, see :func:`mmmask.structures.stack_targets`."""
        target = stack_targets(data_samples)
        if self.attribute is not None:
            return attribute_targets(target)[self.attribute]
        if target.ndim == 2 and target.shape[1] != self.num_classes:
            raise InputError(
                f"head.num_classes is {self.num_classes}, but the mixed labels have "
                f"{target.shape[1]} classes: data_preprocessor.num_classes must be the head's"
            )
        return target

    def training_logits(self, feats: tuple[Tensor, ...], target: Tensor) -> Tensor:
        """Return the logits that the loss sees; here those of test time."""
        return self(feats)

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """Return ``loss``, for which the photos' weights count.

        Where labels are partly known, a mixed photo learns what is known of each photo in it, see
        :func:`mmmask.structures.unmixed`, and its loss must be one that takes sets of classes.
        """
        feats, data_samples = unmixed(feats, data_samples)
        target = self.targets(data_samples)
        refuse_sets(self.loss_module, target)
        logits = self.training_logits(feats, target)
        return {"loss": self.loss_module(logits, target, weight=stack_weights(data_samples))}

    def predict(
        self,
        feats: tuple[Tensor, ...],
        data_samples: Sequence[DataSample | None] | None = None,
    ) -> Sequence[DataSample]:
        """Put probabilities into the data samples, and those of the years where they are modelled.

        The years sum to the age part of the probabilities, at any temperature. Without data
        samples, the result is a new ``SampleBatch``.
        """
        predictions = super().predict(feats, data_samples)
        if self.attribute is not None:
            put_metainfo(predictions, attribute=self.attribute)
        if self.age_model is not None:
            scores = stacked(predictions, "pred_score")
            assert scores is not None
            groups = scores.unflatten(1, (-1, 3)).sum(dim=1)  # age is the last axis
            years = self.age_model.years(self.age_model(self.pre_logits(feats)))
            years = rescale_groups(years, group_probabilities(years), groups)
            put(predictions, "pred_years", years)
        return predictions

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return test probabilities, (N, C) -> (N, C) float32."""
        return functional.softmax(logits.float() / self.temperature, dim=1)

    def _get_predictions(
        self, cls_score: Tensor, data_samples: Sequence[DataSample | None] | None
    ) -> Sequence[DataSample]:
        if data_samples is None:
            data_samples = SampleBatch()
        elif not isinstance(data_samples, SampleBatch):
            data_samples = [DataSample() if s is None else s for s in data_samples]
        put(data_samples, "pred_score", self.probabilities(cls_score))
        return data_samples
