import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.models.losses.f1 import SoftMacroF1Loss


def batch(dtype=torch.float32, classes=18, photos=60):
    torch.manual_seed(0)
    logits = 2 * torch.randn(photos, classes, dtype=dtype)
    return logits.requires_grad_(), torch.randint(0, classes - 1, (photos,))  # the last is absent


def published(logits, label, classes, epsilon=1e-7):
    """The loss of public solutions, in plain loops: precision and recall, each with epsilon."""
    probabilities = logits.softmax(1).tolist()
    total = 0.0
    for c in range(classes):
        tp = fp = fn = 0.0
        for row, right in zip(probabilities, label.tolist(), strict=True):
            tp += (right == c) * row[c]
            fp += (right != c) * row[c]
            fn += (right == c) * (1 - row[c])
        precision, recall = tp / (tp + fp + epsilon), tp / (tp + fn + epsilon)
        f1 = 2 * precision * recall / (precision + recall + epsilon)
        total += min(max(f1, epsilon), 1 - epsilon)
    return 1 - total / classes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("classes", [2, 3, 18])
def test_the_loss_is_that_of_public_solutions(dtype, classes):
    logits, label = batch(dtype, classes)
    loss = SoftMacroF1Loss(num_classes=classes)(logits, label)
    assert loss.dtype == dtype
    assert loss.item() == pytest.approx(published(logits, label, classes), abs=1e-6)


def test_certain_predictions_have_one_minus_scikit_learns_macro_f1():
    logits, label = batch()
    predicted = logits.argmax(1)
    predicted[:30] = label[:30]
    certain = 1000 * functional.one_hot(predicted, 18).float()
    expected = f1_score(label, predicted, labels=range(18), average="macro", zero_division=0)
    assert SoftMacroF1Loss()(certain, label).item() == pytest.approx(1 - expected, abs=1e-6)


def test_the_gradient_equals_finite_differences():
    logits, label = batch(torch.float64, classes=4, photos=7)
    loss = SoftMacroF1Loss(num_classes=4)
    weight = torch.rand(7, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: loss(x, label, weight), logits)


def test_descent_on_the_loss_raises_the_macro_f1_of_the_decisions():
    logits, label = batch()
    logits = (logits.detach() / 20).requires_grad_()  # unsure: where sure, its slope is nearly 0
    optimizer = torch.optim.SGD([logits], lr=100.0)

    def score():
        return f1_score(label, logits.argmax(1), average="macro", zero_division=0)

    before = score()
    for _ in range(50):
        optimizer.zero_grad()
        SoftMacroF1Loss()(logits, label).backward()
        optimizer.step()
    assert before < 0.2
    assert score() > 0.9


def test_a_class_absent_from_the_batch_adds_its_share_and_pulls_nowhere():
    label = torch.tensor([0, 0, 1])
    logits = torch.tensor([[9.0, 0, 0], [9.0, 0, 0], [0, 9.0, 0]], requires_grad=True)
    assert SoftMacroF1Loss(num_classes=3)(100 * logits, label).item() == pytest.approx(1 / 3)
    # A third class with any probability has F1 0: with or without it, F1 of the others counts.
    probability = logits.softmax(1)
    others = [
        2 * probability[label == c, c].sum() / (probability[:, c].sum() + (label == c).sum())
        for c in (0, 1)
    ]
    expected = torch.autograd.grad(1 - sum(others) / 3, logits)
    loss = SoftMacroF1Loss(num_classes=3)(logits, label)
    torch.testing.assert_close(torch.autograd.grad(loss, logits), expected)


def test_a_photo_of_weight_two_counts_like_two_photos():
    logits, label = batch()
    weight = torch.ones(60)
    weight[0] = 2
    loss = SoftMacroF1Loss()
    repeated = loss(torch.cat([logits[:1], logits]), torch.cat([label[:1], label]))
    torch.testing.assert_close(loss(logits, label, weight), repeated)


def test_the_order_of_the_photos_does_not_matter():
    logits, label = batch(torch.float64)
    order = torch.randperm(60)
    loss = SoftMacroF1Loss()
    torch.testing.assert_close(loss(logits[order], label[order]), loss(logits, label))


def test_one_hot_targets_equal_labels_and_mixed_ones_count_by_share():
    logits, label = batch()
    loss = SoftMacroF1Loss()
    one_hot = functional.one_hot(label, 18).float()
    assert loss(logits, one_hot) == loss(logits, label)
    mixed = 0.7 * one_hot + 0.3 * one_hot.flip(0)
    p = logits.detach().softmax(1).numpy().astype(np.float64)
    t = mixed.numpy()
    f1 = 2 * (t * p).sum(0) / (t.sum(0) + p.sum(0) + 1e-7)
    assert loss(logits, mixed).item() == pytest.approx(1 - f1.mean(), abs=1e-6)


@pytest.mark.parametrize("right", [True, False])
def test_certain_photos_have_finite_gradients_right_or_wrong(right):
    label = torch.tensor([0, 1])
    logits = 1000 * functional.one_hot(label if right else 1 - label, 18).float()
    logits.requires_grad_()
    loss = SoftMacroF1Loss()(logits, label)
    assert loss.item() == pytest.approx(16 / 18 if right else 1)
    assert torch.autograd.grad(loss, logits)[0].isfinite().all()


def test_photos_that_weigh_nothing_have_a_finite_loss_without_gradient():
    logits, label = batch()
    loss = SoftMacroF1Loss()(logits, label, torch.zeros(60))
    assert loss == 1
    assert (torch.autograd.grad(loss, logits)[0] == 0).all()


def test_half_precision_logits_are_summed_in_float32_under_autocast():
    logits, label = batch()
    half = logits.detach().bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = SoftMacroF1Loss()(half, label)
    assert under_autocast.dtype == torch.float32
    assert under_autocast == SoftMacroF1Loss()(half.float(), label)


def test_the_loss_weight_multiplies():
    logits, label = batch()
    assert SoftMacroF1Loss(loss_weight=3.0)(logits, label) == 3 * SoftMacroF1Loss()(logits, label)


def test_an_epsilon_of_zero_is_refused():
    with pytest.raises(InputError, match="epsilon must be above 0; got 0"):
        SoftMacroF1Loss(epsilon=0.0)
