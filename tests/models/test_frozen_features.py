from itertools import pairwise

import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from torch import nn

import mmmask.register  # noqa: F401
from mmmask.models.frozen_features import features, pooled, tapped


def small() -> nn.Module:
    torch.manual_seed(0)
    widths = (3, 8, 16, 32, 64, 64, 64)
    convolutions = [nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(widths)]
    return nn.Sequential(*convolutions).eval()


def test_blocks_at_even_depths_are_tapped_and_the_last_is_among_them() -> None:
    net, photos = small(), torch.randn(2, 3, 64, 64)
    with tapped(net, 3) as outputs:
        net(photos)
        first = list(outputs)
        final = net(photos)  # empties the list
        assert [output.shape[1] for output in outputs] == [16, 64, 64]
        assert torch.equal(outputs[-1], final)
        assert torch.equal(outputs[0], first[0])
    net(photos)
    assert len(outputs) == 3  # no longer tapped
    with tapped(net, 20) as outputs:
        net(photos)
        assert len(outputs) == 6


def test_maps_are_averaged_over_places_to_a_bounded_size() -> None:
    output = torch.randn(2, 30, 16, 12)
    assert pooled(output, most=1000).shape == (2, 30 * 25)
    assert pooled(output, most=10_000).shape == (2, 30 * 16 * 12)
    torch.testing.assert_close(pooled(output, most=30), output.mean(dim=(2, 3)))
    tokens = torch.randn(2, 7, 30)
    torch.testing.assert_close(pooled(tokens), tokens.mean(dim=1))


def test_a_photo_and_its_mirror_image_have_the_same_mean_features() -> None:
    net, photos = small(), torch.randn(2, 3, 64, 64)
    one, other = features(net, photos, 3), features(net, photos.flip(-1), 3)
    for kind, mirrored in zip(one, other, strict=True):
        torch.testing.assert_close(kind, mirrored)
        assert not kind.requires_grad


@pytest.mark.parametrize(
    "backbone",
    [
        {"type": "MobileNetV2"},
        {"type": "ResNet", "depth": 18},
        {"type": "VisionTransformer", "arch": "deit-tiny", "img_size": 32, "patch_size": 16},
    ],
)
def test_networks_of_mmpretrain_give_a_row_a_photo_at_each_depth(backbone) -> None:
    init_default_scope("mmpretrain")
    net = MODELS.build(backbone)
    net.eval()  # returns nothing: MMPretrain's train() does not
    found = features(net, torch.randn(2, 3, 32, 32), 4)
    assert len(found) == 4
    for kind in found:
        assert kind.shape[0] == 2
        assert kind.shape[1] <= 3000
        assert torch.isfinite(kind).all()
