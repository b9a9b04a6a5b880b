import math

import pytest
import torch
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.models.heads.cosface import MaskCosFaceHead
from mmmask.models.heads.decomposed import DecomposedHead
from mmmask.models.losses.ldam import LDAMLoss
from mmmask.structures import SampleBatch

COUNTS = [500, 60, 125, 8]


def batch(dtype=torch.float32, photos=9):
    torch.manual_seed(0)
    logits = torch.randn(photos, 4, dtype=dtype, requires_grad=True)
    return logits, torch.randint(0, 4, (photos,))


def loss_with_counts(**options):
    loss = LDAMLoss(num_classes=4, **options)
    loss.set_class_counts(torch.tensor(COUNTS))
    return loss


def published(logits, label, *, max_margin, class_weight=(1, 1, 1, 1)):
    """The authors' loss with plain numbers: 1 / n^(1/4), stretched to max_margin, off the label."""
    raw = [1 / math.sqrt(math.sqrt(count)) for count in COUNTS]
    margins = [margin * max_margin / max(raw) for margin in raw]
    total = weights = 0.0
    for row, right in zip(logits.tolist(), label.tolist(), strict=True):
        lowered = [z - margins[c] * (c == right) for c, z in enumerate(row)]
        log_sum = math.log(sum(math.exp(z) for z in lowered))
        total += class_weight[right] * (log_sum - lowered[right])
        weights += class_weight[right]
    return total / weights


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-7)])
@pytest.mark.parametrize("class_weight", [None, [0.5, 1.0, 2.0, 4.0]])
def test_the_loss_equals_the_authors_in_a_loop(dtype, tolerance, class_weight):
    logits, label = batch(dtype)
    loss = loss_with_counts(max_margin=0.8, class_weight=class_weight)
    weights = {} if class_weight is None else {"class_weight": class_weight}
    expected = published(logits, label, max_margin=0.8, **weights)
    assert loss(logits, label).item() == pytest.approx(expected, rel=tolerance)


def test_a_margin_of_zero_is_the_weighted_cross_entropy():
    logits, label = batch()
    weight = torch.tensor([0.5, 1.0, 2.0, 4.0])
    loss = loss_with_counts(max_margin=0.0, class_weight=weight.tolist(), label_smoothing=0.1)
    expected = functional.cross_entropy(logits, label, weight=weight, label_smoothing=0.1)
    torch.testing.assert_close(loss(logits, label), expected)


def test_on_cosines_it_is_the_cosface_head_with_adaptive_margins():
    torch.manual_seed(1)
    feature, label = torch.randn(20, 5), torch.arange(20) % 18
    counts = torch.arange(1.0, 19.0) ** 2
    head = MaskCosFaceHead(5, scale=30.0, margin="adaptive", margin_range=(0.0, 0.5))
    head.set_class_counts(counts)
    loss = LDAMLoss(max_margin=30 * 0.5)
    loss.set_class_counts(counts)
    by_head = head.loss_module(head.training_logits((feature,), label), label)
    torch.testing.assert_close(loss(head((feature,)), label), by_head)


def test_mixed_targets_share_the_margin_out():
    logits, label = batch()
    one_hot = functional.one_hot(label, 4).float()
    loss = loss_with_counts()
    assert loss(logits, one_hot) == loss(logits, label)
    mixed = 0.7 * one_hot + 0.3 * one_hot.flip(0)
    expected = functional.cross_entropy(logits - mixed * loss.margin, mixed)
    torch.testing.assert_close(loss(logits, mixed), expected)


def test_each_attribute_of_a_decomposed_head_has_margins_of_its_own_counts():
    head = DecomposedHead(5, loss={"type": "LDAMLoss", "max_margin": 1.0})
    head.set_class_counts(torch.tensor([1.0] * 17 + [16.0 - 1]))  # the last: normal, female, old
    gender = head.loss_module["gender"].margin  # 9 men, 23 women
    torch.testing.assert_close(gender, torch.tensor([1.0, (23 / 9) ** -0.25]))
    samples = SampleBatch()
    samples.gt_label = torch.arange(18)
    losses = head.loss((torch.randn(18, 5),), samples)
    assert all(loss.isfinite() for loss in losses.values())


def test_margins_travel_in_the_checkpoint():
    logits, label = batch()
    restored = LDAMLoss(num_classes=4)
    restored.load_state_dict(loss_with_counts().state_dict())
    assert restored(logits, label) == loss_with_counts()(logits, label)


def test_without_class_counts_it_is_an_error():
    with pytest.raises(InputError, match="LDAMLoss needs the class counts"):
        LDAMLoss(num_classes=4)(*batch())


def test_certain_photos_have_finite_gradients_right_or_wrong():
    logits = torch.tensor([[1000.0, 0, 0, 0]] * 2, requires_grad=True)
    loss = loss_with_counts()(logits, torch.tensor([0, 1]))
    assert loss.isfinite()
    assert torch.autograd.grad(loss, logits)[0].isfinite().all()


def test_half_precision_logits_are_summed_in_float32_under_autocast():
    logits, label = batch()
    half = logits.detach().bfloat16()
    loss = loss_with_counts()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = loss(half, label)
    assert under_autocast.dtype == torch.float32
    assert under_autocast == loss(half.float(), label)


def test_a_negative_margin_is_refused():
    with pytest.raises(InputError, match="max_margin must be finite and at least 0; got -1"):
        LDAMLoss(max_margin=-1)
