"""Models of one attribute: mask, gender or age alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmmask.class_weights import checked_counts
from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES, NUM_CLASSES, marginals
from mmmask.models.ages.base import build_age_model, log_groups
from mmmask.models.heads.base import InitCfg, MaskFaceHead
from mmmask.models.heads.decomposed import attribute_targets
from mmmask.models.heads.linear import MaskLinearHead
from mmmask.structures import stack_ages, stack_targets, stack_weights


@MODELS.register_module()
class AttributeHead(MaskLinearHead):
    """Classify one attribute alone; three such models compose into the 18 classes.

    Data, hooks and training stay those of the 18 classes: the target is the attribute's part of
    the label, and class weights by name follow the counts of the attribute's own values.

    Args:
        in_channels: As in :class:`MaskLinearHead`, like all that are not named here.
        attribute: ``mask``, ``gender`` or ``age`` (three groups).
        loss: Config of a loss; None is the plain cross-entropy.
        dropout: Probability in [0, 1).
        temperature: Above 0.
        init_cfg: As there.
    """

    attribute: str

    def __init__(
        self,
        in_channels: int,
        *,
        attribute: str,
        loss: Mapping[str, Any] | nn.Module | None = None,
        dropout: float = 0.0,
        temperature: float = 1.0,
        init_cfg: InitCfg = None,
    ) -> None:
        if attribute not in ATTRIBUTES:
            raise InputError(
                f"head.attribute must be one of {', '.join(ATTRIBUTES)}; got {attribute!r}"
            )
        super().__init__(
            in_channels,
            num_classes=len(ATTRIBUTES[attribute]),
            loss=loss,
            dropout=dropout,
            temperature=temperature,
            init_cfg=init_cfg,
        )
        self.attribute = attribute

    def set_class_counts(self, counts: Tensor) -> None:
        """Tell the loss how many photos each value has; ``counts``: (18,) of the classes."""
        joint = checked_counts(counts, NUM_CLASSES)
        super().set_class_counts(marginals(joint[None])[self.attribute][0])

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """Return ``loss``, for which the photos' weights count."""
        target = attribute_targets(stack_targets(data_samples))[self.attribute]
        logits = self(feats)
        return {"loss": self.loss_module(logits, target, weight=stack_weights(data_samples))}


@MODELS.register_module()
class AgeHead(MaskFaceHead):
    """Model the age in years alone; the age groups follow by summing years.

    It learns from the ages in years, whatever the data's age cut.

    Args:
        in_channels: As in :class:`MaskFaceHead`, like all that are not named here.
        age: Config of a model of years: CoralAge, CornAge, RegressionAge or LabelDistributionAge.
        dropout: Probability in [0, 1).
        temperature: Above 0; of the three age groups.
        init_cfg: None is MMPretrain's normal distribution with a standard deviation of 0.01.
    """

    attribute = "age"

    def __init__(
        self,
        in_channels: int,
        *,
        age: Mapping[str, Any],
        dropout: float = 0.0,
        temperature: float = 1.0,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(
            in_channels,
            num_classes=len(ATTRIBUTES["age"]),
            loss=nn.ModuleDict(),  # the model of years has its own
            dropout=dropout,
            temperature=temperature,
            init_cfg=init_cfg or {"type": "Normal", "layer": "Linear", "std": 0.01},
        )
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
        ages = stack_ages(data_samples)
        return {"loss": self.age_model.loss(self.outputs(feats), ages, stack_weights(data_samples))}
