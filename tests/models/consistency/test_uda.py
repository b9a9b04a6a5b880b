import math

import pytest
import torch

from mmmask.errors import InputError
from mmmask.models.consistency.losses import UDAConsistency, sharpened_kl


def softmax(row, temperature=1.0):
    powers = [math.exp(value / temperature) for value in row]
    return [power / sum(powers) for power in powers]


def uda_of_the_paper(weak, strong, temperature, threshold):
    """Photo by photo: sharpen, mask, and sum p log(p / q) over the classes."""
    losses, masks = [], []
    for original, augmented in zip(weak.tolist(), strong.tolist(), strict=True):
        target, answer = softmax(original, temperature), softmax(augmented)
        divergence = sum(p * math.log(p / q) for p, q in zip(target, answer, strict=True))
        mask = max(softmax(original)) > threshold
        losses.append(divergence if mask else 0.0)
        masks.append(mask)
    return losses, masks


def logits(dtype=torch.float32, photos=12, classes=18, scale=3.0):
    generator = torch.Generator().manual_seed(0)
    weak, strong = torch.randn(2, photos, classes, generator=generator, dtype=torch.float64) * scale
    return weak.to(dtype), strong.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_losses_and_mask_are_those_of_the_paper(dtype):
    weak, strong = logits(dtype)
    losses, confident = sharpened_kl(weak, strong, temperature=0.4, threshold=0.6)
    expected, mask = uda_of_the_paper(weak, strong, 0.4, 0.6)
    assert 0 < sum(mask) < len(mask), "the test needs photos on both sides of the threshold"
    assert confident.tolist() == mask
    torch.testing.assert_close(losses, torch.tensor(expected, dtype=dtype))


def test_the_module_divides_by_all_photos_and_not_by_the_confident_ones():
    weak, strong = logits()
    loss, share = UDAConsistency(threshold=0.6, weight=2.0)(weak, strong, 0.0)
    expected, mask = uda_of_the_paper(weak, strong, 0.4, 0.6)
    assert loss.item() == pytest.approx(2 * sum(expected) / len(expected), rel=1e-5)
    assert share.item() == pytest.approx(sum(mask) / len(mask))


def test_equal_views_without_sharpening_cost_nothing():
    weak, _ = logits()
    losses, _ = sharpened_kl(weak, weak, temperature=1.0, threshold=0.0)
    torch.testing.assert_close(losses, torch.zeros(len(weak)), atol=1e-6, rtol=0)


def test_a_constant_added_to_the_logits_of_a_photo_changes_nothing():
    weak, strong = logits(torch.float64)
    shift = torch.arange(len(weak), dtype=torch.float64)[:, None]
    one, _ = sharpened_kl(weak, strong, temperature=0.4, threshold=0.6)
    other, _ = sharpened_kl(weak + shift, strong - shift, temperature=0.4, threshold=0.6)
    torch.testing.assert_close(one, other)


def test_only_the_strong_view_learns():
    weak, strong = (view.requires_grad_() for view in logits())
    UDAConsistency(threshold=0.0)(weak, strong, 0.0)[0].backward()
    assert weak.grad is None
    assert strong.grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_are_finite_where_the_views_are_certain_and_disagree(dtype):
    weak = torch.tensor([[500.0, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=dtype)
    strong = torch.tensor([[0.0, 500.0, 0.0], [0.0, 0.0, 0.0]], dtype=dtype, requires_grad=True)
    loss, _ = UDAConsistency(threshold=0.5)(weak, strong, 0.0)
    loss.backward()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    assert torch.isfinite(strong.grad).all()


def test_the_ramp_lowers_the_loss_at_first():
    module = UDAConsistency(threshold=0.0, ramp=0.5)
    first, later = (module(*logits(), progress)[0].item() for progress in (0.0, 0.5))
    assert first == pytest.approx(math.exp(-5) * later)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"temperature": 0}, "temperature must be above 0; got 0"),
        ({"threshold": 1.0}, r"threshold must be at least 0 and below 1; got 1"),
        ({"weight": -1}, "weight must be at least 0; got -1"),
        ({"ramp": 2}, "ramp must be a share of the training from 0 to 1; got 2"),
    ],
)
def test_options_out_of_range_are_named(option, sentence):
    with pytest.raises(InputError, match=sentence):
        UDAConsistency(**option)
