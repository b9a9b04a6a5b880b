import math

import pytest
import torch

from mmmask.models.consistency.losses import FixMatchConsistency, pseudo_label_cross_entropy


def fixmatch_of_the_paper(weak, strong, threshold):
    """Equation 4, photo by photo."""
    losses, masks = [], []
    for original, augmented in zip(weak.tolist(), strong.tolist(), strict=True):
        total = sum(math.exp(value) for value in original)
        probabilities = [math.exp(value) / total for value in original]
        label = probabilities.index(max(probabilities))
        mask = probabilities[label] >= threshold
        answer = math.exp(augmented[label]) / sum(math.exp(value) for value in augmented)
        losses.append(-math.log(answer) if mask else 0.0)
        masks.append(mask)
    return losses, masks


def logits(dtype=torch.float32, photos=12, classes=18):
    generator = torch.Generator().manual_seed(0)
    weak, strong = torch.randn(2, photos, classes, generator=generator, dtype=torch.float64) * 3
    return weak.to(dtype), strong.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_losses_and_mask_are_those_of_the_paper(dtype):
    weak, strong = logits(dtype)
    losses, confident = pseudo_label_cross_entropy(weak, strong, threshold=0.6)
    expected, mask = fixmatch_of_the_paper(weak, strong, 0.6)
    assert 0 < sum(mask) < len(mask), "the test needs photos on both sides of the threshold"
    assert confident.tolist() == mask
    torch.testing.assert_close(losses, torch.tensor(expected, dtype=dtype))


def test_the_module_divides_by_all_photos_and_not_by_the_confident_ones():
    weak, strong = logits()
    loss, share = FixMatchConsistency(threshold=0.6, weight=3.0)(weak, strong, 0.0)
    expected, mask = fixmatch_of_the_paper(weak, strong, 0.6)
    assert loss.item() == pytest.approx(3 * sum(expected) / len(expected), rel=1e-5)
    assert share.item() == pytest.approx(sum(mask) / len(mask))


def test_renaming_the_classes_changes_nothing():
    weak, strong = logits(torch.float64)
    order = torch.randperm(18, generator=torch.Generator().manual_seed(1))
    one, _ = pseudo_label_cross_entropy(weak, strong, threshold=0.6)
    other, _ = pseudo_label_cross_entropy(weak[:, order], strong[:, order], threshold=0.6)
    torch.testing.assert_close(one, other)


def test_only_the_strong_view_of_confident_photos_learns():
    weak, strong = (view.requires_grad_() for view in logits())
    FixMatchConsistency(threshold=0.6)(weak, strong, 0.0)[0].backward()
    _, mask = fixmatch_of_the_paper(weak, strong, 0.6)
    assert weak.grad is None
    assert (strong.grad.abs().sum(dim=1) > 0).tolist() == mask


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_are_finite_where_the_views_are_certain_and_disagree(dtype):
    weak = torch.tensor([[500.0, 0.0, 0.0]], dtype=dtype)
    strong = torch.tensor([[0.0, 500.0, 0.0]], dtype=dtype, requires_grad=True)
    loss, _ = FixMatchConsistency()(weak, strong, 0.0)
    loss.backward()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    assert torch.isfinite(strong.grad).all()
