"""Models of one attribute: mask, gender or age alone."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmmask.class_weights import checked_counts
from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES, NUM_CLASSES, marginals
from mmmask.models.ages.base import build_age_model, log_groups
from mmmask.models.heads.base import HeadOptions, LossConfig, MaskFaceHead
from mmmask.models.heads.linear import MaskLinearHead
from mmmask.structures import stack_age_spans, stack_ages, stack_weights, unmixed


@MODELS.register_module()
class AttributeHead(MaskLinearHead):
    """Classify one attribute alone; three such models compose into the 18 classes.

    Data, hooks and training stay those of the 18 classes: the target is the attribute's part of
    the label, and class weights by name follow the counts of the attribute's own values. A photo
    that does not know the attribute teaches nothing.

    Args:
        in_channels: Length of the pooled feature.
        attribute: ``mask``, ``gender`` or ``age`` (three groups).
        loss: Config of a loss; None is the plain cross-entropy.
        **shared: Options of :class:`MaskLinearHead`.
    """

    attribute: str

    def __init__(
        self,
        in_channels: int,
        *,
        attribute: str,
        loss: LossConfig = None,
        **shared: Unpack[HeadOptions],
    ) -> None:
        if attribute not in ATTRIBUTES:
            raise InputError(
                f"head.attribute must be one of {', '.join(ATTRIBUTES)}; got {attribute!r}"
            )
        super().__init__(in_channels, num_classes=len(ATTRIBUTES[attribute]), loss=loss, **shared)
        self.attribute = attribute

    def set_class_counts(self, counts: Tensor) -> None:
        """Tell the loss how many photos each value has; ``counts``: (18,), of ClassCountHook."""
        joint = checked_counts(counts, NUM_CLASSES)
        super().set_class_counts(marginals(joint[None])[self.attribute][0])


@MODELS.register_module()
class AgeHead(MaskFaceHead):
    """Model the age in years alone; the age groups follow by summing years.

    It learns from the ages in years, whatever the data's age cut.

    Args:
        in_channels: Length of the pooled feature.
        age: Config of a model of years: CoralAge, CornAge, RegressionAge or LabelDistributionAge.
        **shared: Options of :class:`MaskFaceHead`; the temperature is of the three age groups.
    """

    attribute = "age"

    def __init__(
        self, in_channels: int, *, age: Mapping[str, Any], **shared: Unpack[HeadOptions]
    ) -> None:
        own_loss = nn.ModuleDict()  # none here: the model of years has one
        super().__init__(in_channels, num_classes=len(ATTRIBUTES["age"]), loss=own_loss, **shared)
        self.age_model = build_age_model(age, in_channels=in_channels)

    def set_class_counts(self, counts: Tensor) -> None:
        """Do nothing: years have no classes."""

    def outputs(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Return what the model of years puts out, (N, K)."""
        return self.age_model(self.dropout(self.pre_logits(feats)))

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Return the log-probabilities of the age groups, (N, 3)."""
        return log_groups(self.age_model, self.outputs(feats))

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """Return ``loss``, for which the photos' weights count."""
        feats, data_samples = unmixed(feats, data_samples)
        known = stack_ages(data_samples), stack_weights(data_samples), stack_age_spans(data_samples)
        return {"loss": self.age_model.loss(self.outputs(feats), *known)}
