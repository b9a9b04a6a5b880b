import numpy as np
import pytest
import torch
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES, decode, group_probabilities
from mmmask.models.ages import dldl, ordinal, regression  # noqa: F401 (registers them)
from mmmask.models.heads.attribute import AgeHead, AttributeHead
from mmmask.structures import SampleBatch

LABELS = torch.arange(20) % 18
AGES = torch.tensor([20, 40, 60] * 6 + [18, 59])
MODELS_OF_YEARS = ["CoralAge", "CornAge", "RegressionAge", "LabelDistributionAge"]


def feature() -> torch.Tensor:
    return torch.randn(20, 6, generator=torch.Generator().manual_seed(2))


def batch(**fields) -> SampleBatch:
    samples = SampleBatch()
    samples.gt_label = LABELS
    samples.age = AGES
    samples.set_data(fields)
    return samples


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_the_loss_is_the_cross_entropy_of_the_attributes_part_of_the_label(attribute) -> None:
    head = AttributeHead(6, attribute=attribute)
    logits = head((feature(),))
    assert logits.shape == (20, len(ATTRIBUTES[attribute]))
    truth = torch.from_numpy(decode(LABELS.numpy())[attribute])
    expected = functional.cross_entropy(logits, truth)
    torch.testing.assert_close(head.loss((feature(),), batch())["loss"], expected)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_mixed_labels_and_weights_count(attribute) -> None:
    head = AttributeHead(6, attribute=attribute)
    scores = torch.rand(20, 18, generator=torch.Generator().manual_seed(1)).softmax(1)
    weight = torch.rand(20)
    index = torch.from_numpy(decode(np.arange(18))[attribute])
    soft = torch.zeros(20, len(ATTRIBUTES[attribute])).index_add_(1, index, scores)
    losses = functional.cross_entropy(head((feature(),)), soft, reduction="none")
    torch.testing.assert_close(
        head.loss((feature(),), batch(gt_score=scores, weight=weight))["loss"],
        (weight * losses).sum() / weight.sum(),
    )


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_class_weights_follow_the_attributes_own_counts(attribute) -> None:
    loss = {"type": "WeightedCrossEntropyLoss", "class_weight": "inverse"}
    head = AttributeHead(6, attribute=attribute, loss=loss)
    counts = torch.arange(1.0, 19.0)
    head.set_class_counts(counts)
    index = decode(np.arange(18))[attribute]
    own = torch.tensor([counts[index == k].sum() for k in range(index.max() + 1)])
    torch.testing.assert_close(head.loss_module.class_weight, 171 / (len(own) * own))


def test_predictions_say_which_attribute_they_are_about() -> None:
    head = AttributeHead(6, attribute="gender").eval()
    result = head.predict((feature(),), batch())
    assert result.attribute == "gender"
    assert result.pred_score.shape == (20, 2)
    assert "pred_years" not in result


@pytest.mark.parametrize("kind", MODELS_OF_YEARS)
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_an_age_head_predicts_groups_that_are_sums_of_its_years(kind, temperature) -> None:
    head = AgeHead(6, age={"type": kind}, temperature=temperature).eval()
    result = head.predict((feature(),), batch())
    assert result.attribute == "age"
    assert result.pred_years.shape == (20, 121)
    groups = group_probabilities(head.age_model.years(head.outputs((feature(),))))
    expected = (groups.log() / temperature).softmax(1)
    torch.testing.assert_close(result.pred_score, expected)
    torch.testing.assert_close(group_probabilities(result.pred_years), expected)


@pytest.mark.parametrize("kind", MODELS_OF_YEARS)
def test_an_age_head_learns_from_years_and_not_from_groups(kind) -> None:
    head = AgeHead(6, age={"type": kind})
    loss = head.loss((feature(),), batch())["loss"]
    other = batch()
    other.gt_label = LABELS.flip(0)
    assert head.loss((feature(),), other)["loss"] == loss
    other.age = AGES.flip(0)
    assert head.loss((feature(),), other)["loss"] != loss


def test_single_samples_receive_their_years_too() -> None:
    head = AgeHead(6, age={"type": "CoralAge"}).eval()
    alone = head.predict((feature(),))
    together = head.predict((feature(),), batch())
    torch.testing.assert_close(torch.stack([one.pred_years for one in alone]), together.pred_years)


def test_training_photos_without_any_age_are_refused() -> None:
    samples = SampleBatch()
    samples.gt_label = LABELS
    with pytest.raises(InputError, match="a model of years needs the photos' age in years"):
        AgeHead(6, age={"type": "CornAge"}).loss((feature(),), samples)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: AttributeHead(6, attribute="race"), "one of mask, gender, age; got 'race'"),
        (lambda: AgeHead(6, age={"type": "MaskLinearHead"}), "such as CoralAge.*'MaskLinearHead'"),
        (lambda: AgeHead(6, age={}), "head.age must name a model of years"),
    ],
)
def test_options_that_mean_nothing_are_refused_by_name(build, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        build()
