"""What every loss of ours promises to the heads."""

import pytest
import torch
from torch.nn import functional

import mmmask.register  # noqa: F401 - registers them
from mmmask.models.losses.build import build_loss

MIX = {
    "losses": {"f1": {"type": "SoftMacroF1Loss"}, "sce": {"type": "SymmetricCrossEntropyLoss"}},
    "loss_weights": {"f1": 0.4, "sce": 0.6},
}
LOSSES = {
    "WeightedCrossEntropyLoss": {"class_weight": "inverse"},
    "SoftmaxFocalLoss": {"class_weight": "effective_number", "label_smoothing": 0.1},
    "SymmetricCrossEntropyLoss": {"class_weight": "one_minus_share", "label_smoothing": 0.1},
    "LDAMLoss": {"class_weight": "effective_number", "label_smoothing": 0.1},
    "SoftMacroF1Loss": {},
    "LossMix": MIX,
}
CLASSES = [2, 3, 18]


def build(kind, classes):
    loss = build_loss({"type": kind, **LOSSES[kind]}, num_classes=classes)
    if hasattr(loss, "set_class_counts"):
        loss.set_class_counts(torch.arange(1.0, classes + 1))
    return loss


def batch(classes, photos=8):
    torch.manual_seed(0)
    return torch.randn(photos, classes, requires_grad=True), torch.randint(0, classes, (photos,))


def with_gradient(loss, logits):
    return loss, torch.autograd.grad(loss, logits)[0]


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("classes", CLASSES)
def test_one_hot_targets_equal_labels(kind, classes):
    logits, label = batch(classes)
    loss = build(kind, classes)
    one_hot = functional.one_hot(label, classes).float()
    torch.testing.assert_close(
        with_gradient(loss(logits, one_hot), logits), with_gradient(loss(logits, label), logits)
    )


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("classes", CLASSES)
def test_a_photo_of_weight_zero_does_not_count(kind, classes):
    logits, label = batch(classes)
    weight = torch.tensor([1.0, 0.5, 2, 1, 1, 1, 1, 0])
    loss = build(kind, classes)
    value, gradient = with_gradient(loss(logits, label, weight), logits)
    torch.testing.assert_close(value, loss(logits[:7], label[:7], weight[:7]))
    assert (gradient[7] == 0).all()


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("classes", CLASSES)
def test_the_loss_follows_the_shares_of_mixed_targets(kind, classes):
    logits, label = batch(classes)
    loss = build(kind, classes)
    one, other = (functional.one_hot(part, classes).float() for part in (label, label.flip(0)))
    values = [loss(logits, share * one + (1 - share) * other).item() for share in (0.9, 0.6, 0.5)]
    assert len(set(values)) == 3
    assert all(torch.tensor(values).isfinite())


@pytest.mark.parametrize("kind", LOSSES)
def test_a_step_down_the_gradient_lowers_the_loss(kind):
    logits, label = batch(18)
    loss = build(kind, 18)
    value, gradient = with_gradient(loss(logits, label), logits)
    assert loss(logits - 0.1 * gradient, label) < value


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("size", [1e3, 1e4])
def test_under_bfloat16_certain_photos_have_finite_float32_losses_and_gradients(kind, size):
    _, label = batch(18)
    logits = size * functional.one_hot(label.roll(1), 18).bfloat16()
    logits.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, gradient = with_gradient(build(kind, 18)(logits, label), logits)
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("kind", LOSSES)
def test_a_misspelled_option_is_refused(kind):
    with pytest.raises(TypeError, match="label_smoothin'"):
        build_loss({"type": kind, **LOSSES[kind], "label_smoothin": 0.1}, num_classes=18)
