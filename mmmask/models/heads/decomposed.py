"""Three small classifiers, mask, gender and age, whose log-probabilities add up to 18."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.nn import functional

from mmmask.class_weights import checked_counts
from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES, NUM_CLASSES, marginals
from mmmask.models.ages.base import build_age_model, log_groups
from mmmask.models.heads.base import HeadOptions, MaskFaceHead, attribute_targets
from mmmask.models.losses.agreement import divergences_from_mean
from mmmask.models.losses.build import build_loss, refuse_sets
from mmmask.models.losses.reduction import at_least_float32, mean_over_ranks
from mmmask.structures import (
    stack_age_spans,
    stack_ages,
    stack_people,
    stack_targets,
    stack_weights,
    unmixed,
)


def joint_log_probabilities(logits: Mapping[str, Tensor]) -> Tensor:
    """Return ``log p(mask) + log p(gender) + log p(age)``: (N, 3), (N, 2), (N, 3) -> (N, 18)."""
    mask, gender, age = (functional.log_softmax(logits[name], dim=1) for name in ATTRIBUTES)
    joint = mask[:, :, None, None] + gender[:, None, :, None] + age[:, None, None, :]
    return joint.flatten(start_dim=1)  # (N, 3, 2, 3) -> (N, 18)


@MODELS.register_module()
class DecomposedHead(MaskFaceHead):
    """Mask, gender and age classified apart on one feature, joined to 18 log-probabilities.

    As mask, gender and age are taken as independent given the photo, data set, metric, TTA and
    submission stay those of 18 classes. With plain cross-entropies of weight 1, the three losses
    add up to the cross-entropy of the joint. Each attribute may have its own loss; class weights
    by name follow the counts of the attribute's own values.

    Where labels are partly known, each attribute learns from the photos that know it: the others
    are in no sum of its loss. An age range that a cut of age groups divides is a set of two groups.

    Args:
        in_channels: Length of the pooled feature.
        loss: One config for all three losses; None is the plain cross-entropy.
        losses: Attribute -> config of its loss, in place of ``loss``; one that is not named has
            the plain cross-entropy.
        loss_weights: Attribute -> factor, at least 0, of its loss; 1 where not named.
        age: Config of a model of years (CoralAge, CornAge, RegressionAge, LabelDistributionAge) in
            place of a classifier of three age groups. It learns from the ages in years, whatever
            the data's age cut, and has a loss of its own: none may be named for age.
        age_groups: Whether age groups have a classifier too where years are modelled. The model of
            years then tells the ages within each group.
        agreement: Factor, at least 0, of :meth:`disagreement`: gender and age are the same in all
            photos of a person, whatever the mask. For batches with several photos of a person,
            see :class:`PersonSampler`.
        **shared: Options of :class:`MaskFaceHead`. All three classifiers see the same dropout,
            and the temperature divides the logits of all attributes alike.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        loss: Mapping[str, Any] | None = None,
        losses: Mapping[str, Mapping[str, Any]] | None = None,
        loss_weights: Mapping[str, float] | None = None,
        age: Mapping[str, Any] | None = None,
        age_groups: bool = False,
        agreement: float = 0.0,
        **shared: Unpack[HeadOptions],
    ) -> None:
        if loss is not None and losses is not None:
            raise InputError("loss and losses: only one of the two may be given; got both")
        configs = dict.fromkeys(ATTRIBUTES, loss) | by_attribute(losses, field="losses")
        factors = dict.fromkeys(ATTRIBUTES, 1.0) | by_attribute(loss_weights, field="loss_weights")
        if age is None and age_groups:
            raise InputError("age_groups must be False where head.age models no years; got True")
        if age is not None and configs["age"] is not None and not age_groups:
            raise InputError("age and a loss of age: a model of years has its own loss; got both")
        if min(factors.values()) < 0:
            raise InputError(f"loss_weights must be at least 0; got {factors}")
        if agreement < 0:
            raise InputError(f"agreement must be at least 0; got {agreement}")
        classified = {
            name: values
            for name, values in ATTRIBUTES.items()
            if name != "age" or age is None or age_groups
        }
        modules = {
            name: build_loss(configs[name], num_classes=len(values))
            for name, values in classified.items()
        }
        super().__init__(
            in_channels, num_classes=NUM_CLASSES, loss=nn.ModuleDict(modules), **shared
        )
        self.loss_weights, self.agreement = factors, agreement
        self.classifiers = nn.ModuleDict(
            {name: nn.Linear(in_channels, len(values)) for name, values in classified.items()}
        )
        if age is not None:
            self.age_model = build_age_model(age, in_channels=in_channels)

    def set_class_counts(self, counts: Tensor) -> None:
        """Tell each loss the counts of its own values; ``counts``: (18,), of ClassCountHook."""
        joint = checked_counts(counts, self.num_classes)
        for name, marginal in marginals(joint[None]).items():
            if name in self.loss_module and hasattr(self.loss_module[name], "set_class_counts"):
                self.loss_module[name].set_class_counts(marginal[0])

    def outputs(self, feats: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return the logits of the classifiers, and of ``years`` what their model puts out."""
        feature = self.dropout(self.pre_logits(feats))
        outputs = {name: classify(feature) for name, classify in self.classifiers.items()}
        if self.age_model is not None:
            outputs["years"] = self.age_model(feature)
        return {name: at_least_float32(values) for name, values in outputs.items()}

    def attribute_logits(self, feats: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return the logits of each attribute: mask (N, 3), gender (N, 2), age (N, 3)."""
        logits = self.outputs(feats)
        years = logits.pop("years", None)
        if "age" not in logits:
            logits["age"] = log_groups(self.age_model, years)
        return logits

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Return the joint log-probabilities, (N, 18)."""
        return joint_log_probabilities(self.attribute_logits(feats))

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """Return ``loss_mask``, ``loss_gender`` and ``loss_age``, which MMEngine adds up.

        Where age groups and years both learn, ``loss_years`` joins them, with the factor of age;
        with ``agreement`` so does ``loss_agreement``.
        """
        feats, data_samples = unmixed(feats, data_samples)
        outputs = self.outputs(feats)
        targets = attribute_targets(stack_targets(data_samples))
        weight = stack_weights(data_samples)
        for name, loss in self.loss_module.items():
            refuse_sets(loss, targets[name])
        losses = {
            name: self.loss_weights[name] * loss(outputs[name], targets[name], weight=weight)
            for name, loss in self.loss_module.items()
        }
        if self.age_model is not None:
            ages, spans = stack_ages(data_samples), stack_age_spans(data_samples)
            of_years = self.age_model.loss(outputs["years"], ages, weight, spans)
            losses["years" if "age" in losses else "age"] = self.loss_weights["age"] * of_years
        if self.agreement:
            people = stack_people(data_samples)
            losses["agreement"] = self.agreement * self.disagreement(outputs, people, weight)
        return {f"loss_{name}": value for name, value in losses.items()}

    def disagreement(
        self, outputs: Mapping[str, Tensor], people: Tensor, weight: Tensor | None = None
    ) -> Tensor:
        """Return how far the photos of a person lie apart in gender and age, in nats.

        Of each photo it is the sum, over gender and what models age (groups, years or both), of
        :func:`divergences_from_mean`. The sum of photo weight times that is divided by the sum of
        weights of all photos, those without another of their person included, over all processes.
        A process compares its own photos.

        Shape:
            ``outputs``: those of :meth:`outputs`; ``people``, ``weight``: (N,).
        """
        with torch.autocast(people.device.type, enabled=False):
            total = torch.zeros_like(people, dtype=outputs["gender"].dtype)
            for name, values in outputs.items():
                if name != "mask":
                    of_years = name == "years"
                    told = self.age_model.years(values) if of_years else values.softmax(dim=1)
                    total = total + divergences_from_mean(told, people, weight)
            weight = torch.ones_like(total) if weight is None else weight.to(total)
            return mean_over_ranks((weight * total).sum(), weight.sum())


def by_attribute(values: Mapping[str, Any] | None, *, field: str) -> dict[str, Any]:
    """Return a plain dict of a config's ``attribute -> value``; refuse a key that is none."""
    values = dict(values or {})
    if unknown := sorted(set(values) - set(ATTRIBUTES)):
        raise InputError(
            f"{field}: keys must be among {', '.join(ATTRIBUTES)}; got {', '.join(unknown)}"
        )
    return values
