import numpy as np
import pytest
import torch
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.labels import decode
from mmmask.models.heads.base import attribute_targets
from mmmask.models.heads.decomposed import DecomposedHead, joint_log_probabilities
from mmmask.models.losses.cross_entropy import WeightedCrossEntropyLoss
from mmmask.models.losses.focal import SoftmaxFocalLoss
from mmmask.structures import SampleBatch


def batch(soft=False):
    torch.manual_seed(2)
    feature = torch.randn(20, 6)
    samples = SampleBatch()
    samples.gt_label = torch.arange(20) % 18
    if soft:
        samples.gt_score = torch.rand(20, 18).softmax(1)
    return feature, samples


def test_the_joint_is_the_sum_of_three_log_softmaxes_in_the_order_of_the_labels():
    logits = {"mask": torch.randn(4, 3), "gender": torch.randn(4, 2), "age": torch.randn(4, 3)}
    joint = joint_log_probabilities(logits)
    for label in range(18):
        expected = sum(
            logits[name].log_softmax(1)[:, index] for name, index in decode(label).items()
        )
        torch.testing.assert_close(joint[:, label], expected)


def test_the_joint_probabilities_sum_to_one_at_any_temperature():
    feature, _ = batch()
    head = DecomposedHead(6, temperature=3.0)
    torch.testing.assert_close(head((feature,)).exp().sum(1), torch.ones(20))
    by_attribute = {name: logits / 3 for name, logits in head.attribute_logits((feature,)).items()}
    torch.testing.assert_close(
        head.probabilities(head((feature,))), joint_log_probabilities(by_attribute).exp()
    )


def test_labels_fall_apart_as_the_labels_module_says():
    label = torch.arange(18)
    for name, index in attribute_targets(label).items():
        np.testing.assert_array_equal(index.numpy(), decode(label.numpy())[name])


def test_soft_targets_are_marginalised():
    target = torch.rand(5, 18).softmax(1)
    parts = attribute_targets(target)
    for name, index in decode(np.arange(18)).items():
        for value in range(parts[name].shape[1]):
            torch.testing.assert_close(parts[name][:, value], target[:, index == value].sum(1))


@pytest.mark.parametrize("soft", [False, True])
def test_three_plain_cross_entropies_add_up_to_that_of_the_joint(soft):
    feature, samples = batch(soft)
    head = DecomposedHead(6)
    losses = head.loss((feature,), samples)
    assert set(losses) == {"loss_mask", "loss_gender", "loss_age"}
    joint = functional.cross_entropy(
        head((feature,)), samples.gt_score if soft else samples.gt_label
    )
    torch.testing.assert_close(sum(losses.values()), joint)
    parameters = list(head.classifiers.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(sum(losses.values()), parameters),
        torch.autograd.grad(joint, parameters),
    )


def test_loss_weights_multiply_the_attributes_losses():
    feature, samples = batch()
    plain = DecomposedHead(6)
    weighted = DecomposedHead(6, loss_weights={"age": 3.0, "gender": 0.0})
    weighted.load_state_dict(plain.state_dict())
    before, after = (head.loss((feature,), samples) for head in (plain, weighted))
    torch.testing.assert_close(after["loss_age"], 3 * before["loss_age"])
    torch.testing.assert_close(after["loss_mask"], before["loss_mask"])
    assert after["loss_gender"] == 0


def test_class_weights_follow_the_counts_of_each_attributes_own_values():
    counts = torch.arange(1.0, 19.0)
    head = DecomposedHead(6, loss={"type": "SoftmaxFocalLoss", "class_weight": "inverse"})
    head.set_class_counts(counts)
    for name, index in decode(np.arange(18)).items():
        loss = head.loss_module[name]
        marginal = torch.tensor([counts[index == value].sum() for value in range(index.max() + 1)])
        torch.testing.assert_close(loss.class_weight, 171 / (len(marginal) * marginal))


def test_each_attribute_may_have_its_own_loss():
    head = DecomposedHead(
        6,
        losses={
            "age": {"type": "SoftmaxFocalLoss", "class_weight": [1.0, 1.0, 4.0]},
            "gender": {"type": "CrossEntropyLoss", "loss_weight": 0.5},
        },
    )
    head.set_class_counts(torch.ones(18))
    assert isinstance(head.loss_module["age"], SoftmaxFocalLoss)
    assert isinstance(head.loss_module["mask"], WeightedCrossEntropyLoss)
    feature, samples = batch()
    gender = head.attribute_logits((feature,))["gender"]
    expected = 0.5 * functional.cross_entropy(gender, attribute_targets(samples.gt_label)["gender"])
    torch.testing.assert_close(head.loss((feature,), samples)["loss_gender"], expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"losses": {"sex": {}}}, "losses: keys must be among mask, gender, age; got sex"),
        ({"loss_weights": {"years": 1.0}}, "loss_weights: keys must be among"),
        ({"loss_weights": {"age": -1.0}}, "loss_weights must be at least 0"),
        ({"agreement": -0.5}, "agreement must be at least 0; got -0.5"),
        ({"loss": {"type": "SoftmaxFocalLoss"}, "losses": {"age": {}}}, "loss and losses"),
        ({"losses": {"age": {"type": "SoftmaxFocalLoss", "num_classes": 18}}}, "the head's 3"),
    ],
)
def test_options_that_mean_nothing_are_refused_by_name(options, message):
    with pytest.raises(InputError, match=message):
        DecomposedHead(6, **options)
