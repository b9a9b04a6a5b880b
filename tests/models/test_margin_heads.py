"""What ArcFace and CosFace share: cosines in float32 under autocast."""

import pytest
import torch

from mmmask.models.heads.arcface import MaskArcFaceHead
from mmmask.models.heads.cosface import MaskCosFaceHead

each_head = pytest.mark.parametrize("kind", [MaskArcFaceHead, MaskCosFaceHead])


@pytest.fixture
def batch():
    torch.manual_seed(1)
    return torch.randn(12, 64), torch.randint(0, 18, (12,))


@each_head
def test_cosines_are_computed_in_float32_under_autocast(kind, batch):
    feature, label = batch
    head = kind(64)
    half = feature.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = head.training_logits((half,), label)
    assert under_autocast.dtype == torch.float32
    assert torch.equal(under_autocast, head.training_logits((half.float(),), label))


@each_head
def test_gradients_under_autocast_are_those_of_float32(kind, batch):
    feature, label = batch
    head = kind(64)
    half = feature.bfloat16().requires_grad_()
    full = half.detach().float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = head.loss_module(head.training_logits((half,), label), label)
    loss.backward()
    of_centers, head.centers.grad = head.centers.grad, None
    head.loss_module(head.training_logits((full,), label), label).backward()
    assert full.grad.any()
    torch.testing.assert_close(of_centers, head.centers.grad)
    torch.testing.assert_close(half.grad, full.grad.bfloat16())
