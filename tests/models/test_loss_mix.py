import pytest
import torch
from torch import nn
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.models.heads.decomposed import DecomposedHead
from mmmask.models.heads.linear import MaskLinearHead
from mmmask.models.losses.build import build_loss
from mmmask.models.losses.f1 import SoftMacroF1Loss
from mmmask.models.losses.focal import SoftmaxFocalLoss
from mmmask.models.losses.mix import LossMix

F1_AND_FOCAL = {
    "type": "LossMix",
    "losses": {
        "f1": {"type": "SoftMacroF1Loss"},
        "focal": {"type": "SoftmaxFocalLoss", "class_weight": "inverse"},
    },
    "loss_weights": {"f1": 0.4, "focal": 0.6},
}


def batch(classes=4):
    torch.manual_seed(0)
    logits = torch.randn(9, classes, requires_grad=True)
    return logits, torch.randint(0, classes, (9,)), torch.rand(9)


@pytest.mark.parametrize("classes", [2, 3, 18])
def test_the_mix_is_the_weighted_sum_of_its_losses(classes):
    logits, label, weight = batch(classes)
    counts = torch.arange(1.0, classes + 1)
    mix = build_loss(F1_AND_FOCAL, num_classes=classes)
    focal = SoftmaxFocalLoss(class_weight="inverse", num_classes=classes)
    for loss in (mix, focal):
        loss.set_class_counts(counts)
    f1 = SoftMacroF1Loss(num_classes=classes)
    expected = 0.4 * f1(logits, label, weight) + 0.6 * focal(logits, label, weight)
    loss = mix(logits, label, weight)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(
        torch.autograd.grad(loss, logits), torch.autograd.grad(expected, logits)
    )


def test_the_order_in_which_losses_and_weights_are_named_does_not_matter():
    logits, label, _ = batch()
    turned = {
        name: dict(reversed(F1_AND_FOCAL[name].items())) for name in F1_AND_FOCAL if name != "type"
    }
    mixes = [build_loss({**F1_AND_FOCAL, **options}, num_classes=4) for options in ({}, turned)]
    for mix in mixes:
        mix.set_class_counts(torch.arange(1.0, 5.0))
    torch.testing.assert_close(mixes[0](logits, label), mixes[1](logits, label))


def test_an_avg_factor_reaches_each_loss():
    logits, label, _ = batch()
    entropy = {"type": "WeightedCrossEntropyLoss"}
    mix = LossMix(
        losses={"a": entropy, "b": entropy}, loss_weights={"a": 1.0, "b": 2.0}, num_classes=4
    )
    total = functional.cross_entropy(logits, label, reduction="sum")
    torch.testing.assert_close(mix(logits, label, avg_factor=3), 3 * total / 3)


def test_stock_losses_and_mixes_can_be_mixed():
    logits, label, weight = batch()
    options = {
        "losses": {"stock": {"type": "CrossEntropyLoss"}, "mix": F1_AND_FOCAL},
        "loss_weights": {"stock": 1.0, "mix": 0.5},
    }
    mix = LossMix(num_classes=4, **options)
    mix.set_class_counts(torch.arange(1.0, 5.0))
    stock = functional.cross_entropy(logits, label, reduction="none") * weight
    expected = stock.mean() + 0.5 * mix.losses["mix"](logits, label, weight)
    torch.testing.assert_close(mix(logits, label, weight), expected)


def test_a_decomposed_head_tells_a_mix_the_classes_of_each_attribute():
    head = DecomposedHead(5, loss=F1_AND_FOCAL)
    head.set_class_counts(torch.ones(18))
    assert head.loss_module["age"].losses["f1"].num_classes == 3
    assert head.loss_module["gender"].losses["focal"].class_weight.tolist() == [1, 1]


def test_a_loss_that_takes_the_number_of_classes_is_told_it():
    class Counting(nn.Module):
        def __init__(self, num_classes):
            super().__init__()
            self.num_classes = num_classes

    class Hiding(SoftmaxFocalLoss):
        def __init__(self, **options):
            super().__init__(gamma=1.0, **options)

    for kind in (Counting, Hiding):
        head = MaskLinearHead(5, num_classes=7, loss={"type": kind})
        assert head.loss_module.num_classes == 7


@pytest.mark.parametrize("config", [{"type": "NoSuchLoss"}, {"gamma": 2.0}])
def test_a_loss_that_is_not_registered_is_refused_with_what_to_do(config):
    with pytest.raises(InputError, match=r"loss.type .* custom_imports.imports"):
        build_loss(config, num_classes=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"losses": {}, "loss_weights": {}}, "losses: none; got"),
        ({"loss_weights": {"f1": 1.0}}, "losses: f1, focal; got f1"),
        ({"loss_weights": {"f1": -0.4, "focal": 1.4}}, "at least 0 and not all 0; got"),
        ({"loss_weights": {"f1": 0, "focal": 0}}, "not all 0"),
    ],
)
def test_options_that_mean_nothing_are_refused_by_name(options, message):
    with pytest.raises(InputError, match=message):
        build_loss({**F1_AND_FOCAL, **options}, num_classes=4)
