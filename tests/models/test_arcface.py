import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import ArcFaceLoss, SubCenterArcFaceLoss
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.models.heads.arcface import MaskArcFaceHead, arcface_logits, cosine_with_margin
from mmmask.models.heads.margin_head import class_cosines, unsaturated_temperature

COUNTS = torch.tensor([100.0] * 9 + [400.0] * 9)


def features(photos=12, channels=5, dtype=torch.float32):
    torch.manual_seed(1)
    return torch.randn(photos, channels, dtype=dtype), torch.randint(0, 18, (photos,))


def arcface_of_one_photo(feature, centers, target, margins, scale):
    """Logits by the paper, with plain numbers and acos; ``target`` holds shares of the classes."""
    logits = []
    for center, share, margin in zip(centers, target, margins, strict=True):
        dot = sum(a * b for a, b in zip(feature, center, strict=True))
        theta = math.acos(dot / math.hypot(*feature) / math.hypot(*center))
        m = share * margin
        if theta <= math.pi - m:
            logits.append(scale * math.cos(theta + m))
        else:
            logits.append(scale * (math.cos(theta) - m * math.sin(m)))
    return logits


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sub_centers", [1, 3])
@pytest.mark.parametrize("margin", [0.3, 0.5, 1.2])
def test_loss_and_gradients_equal_pytorch_metric_learning(dtype, sub_centers, margin):
    feature, label = features(photos=64, dtype=dtype)
    head = MaskArcFaceHead(5, margin=margin, sub_centers=sub_centers).to(dtype)
    centers = torch.randn(18, 5, dtype=dtype).repeat_interleave(sub_centers, dim=0)
    head.centers.data = centers + 0.05 * torch.randn_like(centers)
    feature[:8] = 0.1 * feature[:8] - centers[label[:8] * sub_centers]  # past pi with the margin
    options = {"num_classes": 18, "embedding_size": 5, "scale": 30.0}
    options["margin"] = np.degrees(margin)
    reference = (
        ArcFaceLoss(**options)
        if sub_centers == 1
        else SubCenterArcFaceLoss(sub_centers=sub_centers, **options)
    )
    reference.W.data = head.centers.detach().T.clone()

    ours, theirs = feature.clone().requires_grad_(), feature.clone().requires_grad_()
    past_pi = head.cosines((ours,))[torch.arange(64), label] < -math.cos(margin)
    assert past_pi.any()
    assert not past_pi.all()
    loss = head.loss_module(head.training_logits((ours,), label), label)
    their_loss = reference(theirs, label)
    torch.testing.assert_close(loss, their_loss)
    by_feature, by_center = torch.autograd.grad(loss, [ours, head.centers])
    their_by_feature, their_by_center = torch.autograd.grad(their_loss, [theirs, reference.W])
    torch.testing.assert_close(by_feature, their_by_feature, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(by_center, their_by_center.T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 2e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("soft", [False, True])
def test_logits_equal_the_papers_formula_in_a_loop(dtype, atol, soft):
    feature, label = features(dtype=dtype)
    centers = torch.randn(18, 5, dtype=dtype)
    margins = torch.linspace(0.1, 0.8, 18, dtype=dtype)
    one_hot = functional.one_hot(label, 18).to(dtype)
    target = 0.7 * one_hot + 0.3 * one_hot.roll(1, dims=0) if soft else label
    logits = arcface_logits(class_cosines(feature, centers), target, margin=margins, scale=30.0)
    shares = (target if soft else one_hot).tolist()
    expected = [
        arcface_of_one_photo(row, centers.tolist(), share, margins.tolist(), 30.0)
        for row, share in zip(feature.tolist(), shares, strict=True)
    ]
    torch.testing.assert_close(logits, torch.tensor(expected, dtype=dtype), rtol=0, atol=atol)


@pytest.mark.parametrize("degrees", [0, 30, 60, 90, 120, 149])
def test_thirty_degrees_of_margin_turn_a_known_angle_by_thirty(degrees):
    theta = math.radians(degrees)
    feature = torch.tensor([[math.cos(theta), math.sin(theta)]], dtype=torch.float64)
    center = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    logit = arcface_logits(
        class_cosines(feature, center), torch.tensor([0]), margin=math.radians(30), scale=2.0
    )
    assert logit.item() == pytest.approx(2 * math.cos(math.radians(degrees + 30)), abs=1e-12)


def test_the_gradient_equals_finite_differences_on_both_sides_of_pi():
    cosine = torch.linspace(-0.99, 0.99, 12, dtype=torch.float64, requires_grad=True)
    margin = torch.tensor(0.5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: cosine_with_margin(x, margin), cosine)


@pytest.mark.parametrize("margin", [0.1, 0.5, math.pi / 2])
def test_the_logit_falls_as_the_angle_grows_even_past_pi(margin):
    cosine = torch.cos(torch.linspace(0, math.pi, 2000, dtype=torch.float64))
    shifted = cosine_with_margin(cosine, torch.tensor(margin, dtype=torch.float64))
    assert (shifted.diff() < 0).all()


def test_margin_lowers_only_the_target_logit():
    feature, label = features()
    cosine = class_cosines(feature, torch.randn(18, 5))
    lowered = arcface_logits(cosine, label, margin=0.5, scale=30.0) - 30 * cosine
    is_target = functional.one_hot(label, 18).bool()
    assert (lowered[is_target] < 0).all()
    assert (lowered[~is_target] == 0).all()


def test_margin_zero_is_a_softmax_over_scaled_cosines():
    feature, label = features()
    head = MaskArcFaceHead(5, margin=0.0, scale=10.0)
    cosine = functional.cosine_similarity(feature[:, None], head.centers[None], dim=2)
    expected = functional.cross_entropy(10 * cosine, label)
    torch.testing.assert_close(
        head.loss_module(head.training_logits((feature,), label), label), expected
    )


def test_one_hot_soft_targets_equal_labels():
    feature, label = features()
    head = MaskArcFaceHead(5)
    one_hot = functional.one_hot(label, 18).float()
    assert torch.equal(
        head.training_logits((feature,), one_hot), head.training_logits((feature,), label)
    )


def test_logits_ignore_the_length_of_features_and_centres():
    feature, _ = features(dtype=torch.float64)
    centers = torch.randn(18, 5, dtype=torch.float64)
    torch.testing.assert_close(
        class_cosines(7 * feature, 0.1 * centers), class_cosines(feature, centers)
    )


def test_a_class_takes_the_nearest_of_its_sub_centers():
    centers = torch.tensor([[1.0, 0], [0, 1.0], [-1.0, 0], [0, -1.0]])  # classes 0, 0, 1, 1
    cosine = class_cosines(torch.tensor([[0.6, 0.8]]), centers, sub_centers=2)
    torch.testing.assert_close(cosine, torch.tensor([[0.8, -0.6]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("beyond", [0.0, 2e-7])
def test_cosines_of_one_have_finite_logits_and_gradients_even_beyond(dtype, beyond):
    cosine = torch.tensor([[1 + beyond, -1 - beyond]] * 2, dtype=dtype, requires_grad=True)
    logits = arcface_logits(cosine, torch.tensor([0, 1]), margin=0.5, scale=1.0)
    gradient = torch.autograd.grad(logits.sum(), cosine)[0]
    expected = [[math.cos(0.5), -1], [1, -1 - 0.5 * math.sin(0.5)]]
    torch.testing.assert_close(logits, cosine.new_tensor(expected), atol=1e-6, rtol=0)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_feature_on_its_centre_or_opposite_has_finite_gradients(sign):
    head = MaskArcFaceHead(64)
    feature = (sign * head.centers.detach()).requires_grad_()
    label = torch.arange(18)
    loss = head.loss_module(head.training_logits((feature,), label), label)
    gradients = torch.autograd.grad(loss, [feature, head.centers])
    assert loss.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_the_warm_up_factor_scales_the_margin():
    feature, label = features()
    half = MaskArcFaceHead(5, margin=0.4)
    full = MaskArcFaceHead(5, margin=0.2)
    full.load_state_dict(half.state_dict() | {"margin": full.margin})
    half.set_margin_factor(0.5)
    torch.testing.assert_close(
        half.training_logits((feature,), label), full.training_logits((feature,), label)
    )
    half.set_margin_factor(0.0)
    torch.testing.assert_close(half.training_logits((feature,), label), half((feature,)))


def test_a_warm_up_factor_above_one_is_refused():
    with pytest.raises(ValueError, match=r"from 0 to 1; got 1.5"):
        MaskArcFaceHead(5).set_margin_factor(1.5)


def test_test_logits_have_no_margin():
    feature, _ = features()
    head = MaskArcFaceHead(5, scale=10.0)
    torch.testing.assert_close(head((feature,)), 10 * class_cosines(feature, head.centers))


def test_each_class_has_its_own_margin():
    feature, label = features()
    margins = [0.1 * (index % 5) for index in range(18)]
    head = MaskArcFaceHead(5, margin=margins)
    cosine = class_cosines(feature, head.centers)
    theta = cosine[torch.arange(12), label].acos() + torch.tensor(margins)[label]
    expected = (30 * theta.cos())[theta <= math.pi]
    logits = head.training_logits((feature,), label)[torch.arange(12), label]
    torch.testing.assert_close(logits[theta <= math.pi], expected, rtol=1e-4, atol=1e-4)


def test_adaptive_margins_follow_the_training_counts_and_travel_in_the_checkpoint():
    head = MaskArcFaceHead(5, margin="adaptive", margin_range=(0.1, 0.5), margin_power=0.5)
    head.set_class_counts(COUNTS)
    torch.testing.assert_close(head.margin, torch.tensor([0.5] * 9 + [0.3] * 9))
    restored = MaskArcFaceHead(5, margin="adaptive")
    restored.load_state_dict(head.state_dict())
    feature, label = features()
    assert torch.equal(
        restored.training_logits((feature,), label), head.training_logits((feature,), label)
    )


def test_adaptive_margins_without_counts_are_an_error():
    feature, label = features()
    with pytest.raises(InputError, match="set_class_counts"):
        MaskArcFaceHead(5, margin="adaptive").training_logits((feature,), label)


def test_at_run_start_a_configured_margin_wins_over_the_checkpoint():
    head = MaskArcFaceHead(5, margin=0.3)
    head.load_state_dict(MaskArcFaceHead(5, margin=0.5).state_dict())
    head.set_class_counts(COUNTS)
    torch.testing.assert_close(head.margin, torch.full((18,), 0.3))


@pytest.mark.parametrize("scale", [30.0, 64.0])
def test_the_default_temperature_gives_a_perfect_photo_99_percent(scale):
    simplex = torch.eye(18) - 1 / 18  # 18 centres, as far apart as they can be
    head = MaskArcFaceHead(18, scale=scale)
    head.load_state_dict(head.state_dict() | {"centers": simplex})
    probabilities = head.probabilities(head((simplex,)))
    torch.testing.assert_close(probabilities.diag(), torch.full((18,), 0.99))


def test_unsaturated_temperature_grows_with_the_scale():
    assert unsaturated_temperature(60.0, 18) == pytest.approx(2 * unsaturated_temperature(30.0, 18))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0.0}, "scale must be finite and above 0; got 0.0"),
        ({"sub_centers": 0}, "sub_centers must be at least 1; got 0"),
        ({"margin": 28.6}, "radians"),
        ({"margin_range": (0.5, 0.1)}, "margin_range"),
    ],
)
def test_options_that_mean_nothing_are_refused_by_name(options, message):
    with pytest.raises(InputError, match=message):
        MaskArcFaceHead(5, **options)
