import math

import pytest
import torch
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.models.losses.cross_entropy import WeightedCrossEntropyLoss
from mmmask.models.losses.focal import SoftmaxFocalLoss, softmax_focal

CLASS_WEIGHT = [0.5, 1.0, 2.0, 4.0]


def batch(dtype=torch.float64):
    torch.manual_seed(0)
    return torch.randn(6, 4, dtype=dtype, requires_grad=True), torch.tensor([0, 1, 2, 3, 3, 1])


def focal_of_one_photo(logits, target, class_weight, gamma):
    """The formula with plain numbers; ``target`` holds the (smoothed) share of each class."""
    total = sum(math.exp(logit) for logit in logits)
    loss = 0.0
    for logit, share, weight in zip(logits, target, class_weight, strict=True):
        p = math.exp(logit) / total
        loss -= weight * share * (1 - p) ** gamma * math.log(p)
    return loss


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_each_photo_equals_the_papers_formula_in_a_loop(dtype, rtol, gamma, smoothing):
    logits, label = batch(dtype)
    ours = softmax_focal(
        logits,
        label,
        gamma=gamma,
        class_weight=torch.tensor(CLASS_WEIGHT, dtype=dtype),
        label_smoothing=smoothing,
    )
    expected = [
        focal_of_one_photo(
            row,
            [(1 - smoothing) * (c == right) + smoothing / 4 for c in range(4)],
            CLASS_WEIGHT,
            gamma,
        )
        for row, right in zip(logits.tolist(), label.tolist(), strict=True)
    ]
    torch.testing.assert_close(ours, torch.tensor(expected, dtype=dtype), rtol=rtol, atol=1e-7)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_gradient_equals_finite_differences(gamma):
    logits, label = batch()
    assert torch.autograd.gradcheck(lambda x: softmax_focal(x, label, gamma=gamma), logits)


def test_gamma_zero_is_the_weighted_cross_entropy():
    logits, label = batch()
    weight = torch.tensor(CLASS_WEIGHT, dtype=torch.float64)
    focal = softmax_focal(logits, label, gamma=0.0, class_weight=weight, label_smoothing=0.1)
    entropy = functional.cross_entropy(
        logits, label, weight=weight, label_smoothing=0.1, reduction="none"
    )
    torch.testing.assert_close(focal, entropy)
    torch.testing.assert_close(
        torch.autograd.grad(focal.sum(), logits), torch.autograd.grad(entropy.sum(), logits)
    )


@pytest.mark.parametrize("denominator", ["weights", "samples"])
def test_the_focal_factor_is_not_in_the_denominator(denominator):
    logits, label = batch(torch.float32)
    options = {"num_classes": 4, "class_weight": CLASS_WEIGHT, "denominator": denominator}
    weight = torch.rand(6)
    torch.testing.assert_close(
        SoftmaxFocalLoss(gamma=0.0, **options)(logits, label, weight),
        WeightedCrossEntropyLoss(**options)(logits, label, weight),
    )
    total = (softmax_focal(logits, label, class_weight=torch.tensor(CLASS_WEIGHT)) * weight).sum()
    by_photo = torch.tensor(CLASS_WEIGHT)[label] if denominator == "weights" else torch.ones(6)
    torch.testing.assert_close(
        SoftmaxFocalLoss(**options)(logits, label, weight), total / (by_photo * weight).sum()
    )


def test_a_photo_that_is_already_right_is_discounted():
    sure, unsure = torch.tensor([[4.0, 0, 0, 0]]), torch.tensor([[0.5, 0, 0, 0]])
    label = torch.tensor([0])

    def ratio(logits):
        return (softmax_focal(logits, label) / functional.cross_entropy(logits, label)).item()

    assert ratio(sure) < 0.01 < 0.3 < ratio(unsure)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_certain_photo_has_finite_gradients_right_or_wrong(gamma, dtype):
    logits = torch.tensor([[1000.0, 0, 0, 0]] * 2, dtype=dtype, requires_grad=True)
    loss = softmax_focal(logits, torch.tensor([0, 1]), gamma=gamma, label_smoothing=0.1)
    gradient = torch.autograd.grad(loss.sum(), logits)[0]
    assert loss.isfinite().all()
    assert gradient.isfinite().all()


def test_half_precision_logits_are_summed_in_float32_under_autocast():
    logits, label = batch(torch.float32)
    half = logits.detach().bfloat16()
    loss = SoftmaxFocalLoss(num_classes=4, class_weight=CLASS_WEIGHT)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = loss(half, label)
    assert under_autocast.dtype == torch.float32
    assert under_autocast == loss(half.float(), label)


def test_a_negative_gamma_is_refused():
    with pytest.raises(InputError, match="gamma must be at least 0; got -1"):
        SoftmaxFocalLoss(gamma=-1)
