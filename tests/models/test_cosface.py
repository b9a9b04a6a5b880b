import pytest
import torch
from pytorch_metric_learning.losses import CosFaceLoss
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.models.heads.arcface import MaskArcFaceHead
from mmmask.models.heads.cosface import MaskCosFaceHead
from mmmask.models.heads.margin_head import class_cosines


def features(photos=12, channels=5, dtype=torch.float32):
    torch.manual_seed(1)
    return torch.randn(photos, channels, dtype=dtype), torch.randint(0, 18, (photos,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("margin", [0.1, 0.35, 1.0])
def test_loss_and_gradients_equal_pytorch_metric_learning(dtype, margin):
    feature, label = features(photos=64, dtype=dtype)
    head = MaskCosFaceHead(5, margin=margin, scale=20.0).to(dtype)
    reference = CosFaceLoss(num_classes=18, embedding_size=5, margin=margin, scale=20.0)
    reference.W.data = head.centers.detach().T.clone()
    ours, theirs = feature.clone().requires_grad_(), feature.clone().requires_grad_()
    loss = head.loss_module(head.training_logits((ours,), label), label)
    their_loss = reference(theirs, label)
    torch.testing.assert_close(loss, their_loss)
    by_feature, by_center = torch.autograd.grad(loss, [ours, head.centers])
    their_by_feature, their_by_center = torch.autograd.grad(their_loss, [theirs, reference.W])
    torch.testing.assert_close(by_feature, their_by_feature, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(by_center, their_by_center.T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("soft", [False, True])
def test_logits_equal_the_papers_formula_in_a_loop(soft):
    feature, label = features(dtype=torch.float64)
    margins = torch.linspace(0.1, 0.8, 18).tolist()
    head = MaskCosFaceHead(5, margin=margins, scale=3.0).double()
    one_hot = functional.one_hot(label, 18).double()
    target = 0.7 * one_hot + 0.3 * one_hot.roll(1, dims=0) if soft else one_hot
    logits = head.training_logits((feature,), target if soft else label)
    for n, row in enumerate(feature):
        for c, center in enumerate(head.centers):
            cosine = row @ center / row.norm() / center.norm()
            expected = 3 * (cosine - target[n, c] * margins[c])
            torch.testing.assert_close(logits[n, c], expected, atol=1e-6, rtol=0)


def test_sub_centers_class_margins_and_warm_up_are_those_of_the_family():
    feature, label = features()
    head = MaskCosFaceHead(5, margin=0.4, scale=10.0, sub_centers=3)
    head.set_margin_factor(0.5)
    cosine = class_cosines(feature, head.centers, sub_centers=3)
    expected = 10 * (cosine - 0.2 * functional.one_hot(label, 18))
    torch.testing.assert_close(head.training_logits((feature,), label), expected)


def test_without_a_margin_arcface_and_cosface_are_the_same():
    feature, label = features()
    arcface, cosface = MaskArcFaceHead(5, margin=0.0), MaskCosFaceHead(5, margin=0.0)
    cosface.load_state_dict(arcface.state_dict())
    torch.testing.assert_close(
        cosface.training_logits((feature,), label), arcface.training_logits((feature,), label)
    )
    assert torch.equal(cosface((feature,)), arcface((feature,)))


def test_the_default_margins_are_the_papers():
    assert MaskArcFaceHead(5).margin.tolist() == [0.5] * 18
    torch.testing.assert_close(MaskCosFaceHead(5).margin, torch.full((18,), 0.35))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_feature_on_its_centre_or_opposite_has_finite_gradients(sign):
    head = MaskCosFaceHead(64)
    feature = (sign * head.centers.detach()).requires_grad_()
    label = torch.arange(18)
    loss = head.loss_module(head.training_logits((feature,), label), label)
    gradients = torch.autograd.grad(loss, [feature, head.centers])
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("options", [{"margin": 1.2}, {"margin_range": (0.0, 1.2)}])
def test_a_margin_beyond_one_is_refused_in_units_of_the_cosine(options):
    with pytest.raises(InputError, match=r"units of the cosine from 0 to 1\.0000"):
        MaskCosFaceHead(5, **options)
