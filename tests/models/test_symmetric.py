import math

import pytest
import torch
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.models.losses.symmetric import (
    SymmetricCrossEntropyLoss,
    reverse_cross_entropy,
    symmetric_cross_entropy,
)

CLASS_WEIGHT = [0.5, 1.0, 2.0, 4.0]


def batch(dtype=torch.float64):
    torch.manual_seed(0)
    return torch.randn(6, 4, dtype=dtype, requires_grad=True), torch.tensor([0, 1, 2, 3, 3, 1])


def of_one_photo(logits, target, class_weight, alpha, beta, floor):
    """The authors' formula with plain numbers: targets are clipped below, before the logarithm."""
    total = sum(math.exp(logit) for logit in logits)
    p = [math.exp(logit) / total for logit in logits]
    forward = -sum(w * q * math.log(a) for w, q, a in zip(class_weight, target, p, strict=True))
    reverse = -sum(a * math.log(max(q, floor)) for q, a in zip(target, p, strict=True))
    mean_weight = sum(w * q for w, q in zip(class_weight, target, strict=True))
    return alpha * forward + beta * mean_weight * reverse


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("floor", [1e-4, math.exp(-4)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("soft", [False, True])
def test_each_photo_equals_the_papers_formula_in_a_loop(dtype, rtol, floor, smoothing, soft):
    logits, label = batch(dtype)
    target = functional.one_hot(label, 4).to(dtype)
    if soft:
        target = 0.7 * target + 0.3 * target.flip(0)
    ours = symmetric_cross_entropy(
        logits,
        target if soft else label,
        alpha=0.1,
        beta=0.7,
        log_zero=math.log(floor),
        class_weight=torch.tensor(CLASS_WEIGHT, dtype=dtype),
        label_smoothing=smoothing,
    )
    smoothed = (1 - smoothing) * target + smoothing / 4
    expected = [
        of_one_photo(row, shares, CLASS_WEIGHT, 0.1, 0.7, floor)
        for row, shares in zip(logits.tolist(), smoothed.tolist(), strict=True)
    ]
    torch.testing.assert_close(ours, torch.tensor(expected, dtype=dtype), rtol=rtol, atol=1e-7)


def test_the_reverse_loss_of_a_label_is_its_missing_probability_times_four():
    logits, label = batch()
    right = logits.softmax(1)[torch.arange(6), label]
    torch.testing.assert_close(reverse_cross_entropy(logits, label), 4 * (1 - right))


def test_without_beta_it_is_the_cross_entropy():
    logits, label = batch(torch.float32)
    options = {"num_classes": 4, "class_weight": CLASS_WEIGHT, "label_smoothing": 0.1}
    expected = functional.cross_entropy(
        logits, label, weight=torch.tensor(CLASS_WEIGHT), label_smoothing=0.1
    )
    loss = SymmetricCrossEntropyLoss(alpha=1.0, beta=0.0, **options)
    torch.testing.assert_close(loss(logits, label), expected)


def test_the_gradient_equals_finite_differences():
    logits, label = batch()
    assert torch.autograd.gradcheck(lambda x: symmetric_cross_entropy(x, label), logits)


def test_the_pull_of_a_wrong_label_fades_as_the_network_is_sure_and_that_of_cross_entropy_not():
    def pull(alpha, beta, certainty):
        logits = torch.tensor([[certainty, 0.0, 0, 0]], requires_grad=True)
        loss = symmetric_cross_entropy(logits, torch.tensor([1]), alpha=alpha, beta=beta)
        return torch.autograd.grad(loss.sum(), logits)[0].norm().item()

    assert pull(1.0, 0.0, 20.0) > 0.9 * pull(1.0, 0.0, 4.0)
    assert pull(0.0, 1.0, 20.0) < 1e-3 * pull(0.0, 1.0, 4.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_certain_photo_has_finite_gradients_right_or_wrong(dtype):
    logits = torch.tensor([[1000.0, 0, 0, 0]] * 2, dtype=dtype, requires_grad=True)
    loss = symmetric_cross_entropy(logits, torch.tensor([0, 1]))
    torch.testing.assert_close(loss, loss.new_tensor([0, 0.1 * 1000 + 4]))
    assert torch.autograd.grad(loss.sum(), logits)[0].isfinite().all()


def test_the_mean_divides_by_the_weights_of_photos_and_classes():
    logits, label = batch(torch.float32)
    weight = torch.rand(6)
    by_class = torch.tensor(CLASS_WEIGHT)
    loss = SymmetricCrossEntropyLoss(num_classes=4, class_weight=CLASS_WEIGHT)
    plain = symmetric_cross_entropy(logits, label)
    expected = (weight * by_class[label] * plain).sum() / (weight * by_class[label]).sum()
    torch.testing.assert_close(loss(logits, label, weight), expected)


def test_half_precision_logits_are_summed_in_float32_under_autocast():
    logits, label = batch(torch.float32)
    half = logits.detach().bfloat16()
    loss = SymmetricCrossEntropyLoss(num_classes=4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = loss(half, label)
    assert under_autocast.dtype == torch.float32
    assert under_autocast == loss(half.float(), label)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": -1.0}, "not both 0; got -1.0 and 1.0"),
        ({"alpha": 0.0, "beta": 0.0}, "not both 0; got 0.0 and 0.0"),
        ({"log_zero": 0.0}, "log_zero must be below 0; got 0.0"),
    ],
)
def test_options_that_mean_nothing_are_refused_by_name(options, message):
    with pytest.raises(InputError, match=message):
        SymmetricCrossEntropyLoss(**options)
