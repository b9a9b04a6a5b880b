"""The decomposed classifier with age in years."""

import pytest
import torch

from mmmask.errors import InputError
from mmmask.labels import group_probabilities, marginals
from mmmask.models.ages import dldl, ordinal, regression  # noqa: F401 (registers them)
from mmmask.models.heads.decomposed import DecomposedHead, joint_log_probabilities
from mmmask.structures import SampleBatch

MODELS_OF_YEARS = ["CoralAge", "CornAge", "RegressionAge", "LabelDistributionAge"]


def batch() -> tuple[torch.Tensor, SampleBatch]:
    samples = SampleBatch()
    samples.gt_label = torch.arange(20) % 18
    samples.age = torch.tensor([20, 40, 60] * 6 + [18, -1])
    return torch.randn(20, 6, generator=torch.Generator().manual_seed(2)), samples


@pytest.mark.parametrize("kind", MODELS_OF_YEARS)
def test_the_joint_is_the_product_of_mask_gender_and_the_sums_of_years(kind) -> None:
    feature, _ = batch()
    head = DecomposedHead(6, age={"type": kind}).eval()
    torch.testing.assert_close(head((feature,)).exp().sum(1), torch.ones(20))
    logits = {name: classify(feature) for name, classify in head.classifiers.items()}
    groups = group_probabilities(head.age_model.years(head.age_model(feature)))
    expected = joint_log_probabilities({**logits, "age": groups.log()})
    torch.testing.assert_close(head((feature,)), expected)


@pytest.mark.parametrize("temperature", [1.0, 0.4, 3.0])
@pytest.mark.parametrize("kind", MODELS_OF_YEARS)
def test_the_predicted_years_sum_to_the_age_part_of_the_classes(kind, temperature) -> None:
    feature, samples = batch()
    head = DecomposedHead(6, age={"type": kind}, temperature=temperature).eval()
    result = head.predict((feature,), samples)
    torch.testing.assert_close(
        group_probabilities(result.pred_years), marginals(result.pred_score)["age"]
    )


@pytest.mark.parametrize("kind", MODELS_OF_YEARS)
def test_the_loss_of_age_is_that_of_the_model_of_years_times_its_weight(kind) -> None:
    feature, samples = batch()
    head = DecomposedHead(6, age={"type": kind}, loss_weights={"age": 0.25})
    losses = head.loss((feature,), samples)
    assert set(losses) == {"loss_mask", "loss_gender", "loss_age"}
    shares = torch.eye(121)[samples.age[:19]]
    alone = head.age_model.loss(head.age_model(feature[:19]), shares)
    torch.testing.assert_close(losses["loss_age"], 0.25 * alone)


def test_class_weights_by_name_reach_mask_and_gender() -> None:
    loss = {"type": "SoftmaxFocalLoss", "class_weight": "inverse"}
    head = DecomposedHead(6, losses={"mask": loss, "gender": loss}, age={"type": "CoralAge"})
    head.set_class_counts(torch.arange(1.0, 19.0))
    feature, samples = batch()
    assert all(loss.isfinite() for loss in head.loss((feature,), samples).values())


def test_the_starting_ages_survive_the_heads_initialisation() -> None:
    head = DecomposedHead(6, age={"type": "CoralAge", "center": 50.0})
    head.init_weights()
    years = head.age_model.years(head.age_model(torch.zeros(1, 6)))
    assert (years.cumsum(1) < 0.5).sum() == pytest.approx(50, abs=1)


def test_a_loss_for_a_model_of_years_is_refused() -> None:
    with pytest.raises(InputError, match="age and a loss of age"):
        DecomposedHead(6, loss={"type": "SoftmaxFocalLoss"}, age={"type": "CoralAge"})


def groups_and_years() -> DecomposedHead:
    age = {"type": "RegressionAge", "distribution": "normal"}
    return DecomposedHead(6, age=age, age_groups=True, loss_weights={"age": 0.5})


def test_groups_of_a_classifier_hold_and_years_lie_within_them() -> None:
    feature, samples = batch()
    head = groups_and_years().eval()
    with torch.no_grad():
        head.age_model.bias[1] = -3  # so sure of the years that a group may have none
        head.age_model.fc.weight.mul_(30)
    logits = {name: classify(feature) for name, classify in head.classifiers.items()}
    result = head.predict((feature,), samples)
    torch.testing.assert_close(result.pred_score, joint_log_probabilities(logits).exp())
    torch.testing.assert_close(
        group_probabilities(result.pred_years), logits["age"].softmax(dim=1), atol=1e-5, rtol=1e-4
    )


def test_groups_and_years_have_a_loss_each() -> None:
    feature, samples = batch()
    head = groups_and_years()
    losses = head.loss((feature,), samples)
    assert list(losses) == ["loss_mask", "loss_gender", "loss_age", "loss_years"]
    shares = torch.eye(121)[samples.age[:19]]
    alone = head.age_model.loss(head.age_model(feature[:19]), shares)
    torch.testing.assert_close(losses["loss_years"], 0.5 * alone)


def test_groups_need_years_beside_them() -> None:
    with pytest.raises(InputError, match=r"age_groups must be False.*got True"):
        DecomposedHead(6, age_groups=True)
