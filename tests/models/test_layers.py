import pytest
import timm
import torch
from mmpretrain.registry import MODELS
from torch import nn

from mmmask.models.layers import depths


def mmpretrain(**config) -> nn.Module:
    return MODELS.build(config)


def test_a_network_of_mmpretrain_with_depths_keeps_them():
    by_name, head = depths(mmpretrain(type="VisionTransformer", arch="deit-tiny"))
    assert head == 13
    assert by_name["cls_token"] == by_name["patch_embed.projection.weight"] == 0
    assert by_name["layers.0.ln1.weight"] == 1
    assert by_name["layers.11.ffn.layers.1.bias"] == 12


def test_a_resnet_without_depths_of_its_own_is_counted_by_blocks():
    by_name, head = depths(mmpretrain(type="ResNet", depth=18))
    assert head == 9
    assert by_name["conv1.weight"] == by_name["bn1.weight"] == 0
    assert by_name["layer1.0.conv1.weight"] == 1
    assert by_name["layer4.1.bn2.weight"] == 8


@pytest.mark.parametrize("name", ["mnasnet_small", "efficientnet_b0"])
def test_blocks_of_timm_grow_deeper_inside_its_wrapper(name):
    by_name, head = depths(mmpretrain(type="TimmBackbone", model_name=name))
    blocks = sum(len(stage) for stage in timm.create_model(name).blocks)
    assert head == blocks + 2  # the stem and the last convolution
    assert list(by_name.values()) == sorted(by_name.values())
    assert by_name["timm_model.conv_stem.weight"] == by_name["timm_model.bn1.weight"] == 0
    assert by_name["timm_model.conv_head.weight"] == head - 1


def test_every_depth_from_0_to_the_head_is_there_and_every_weight_has_one():
    backbone = mmpretrain(type="MobileNetV2")
    by_name, head = depths(backbone)
    assert set(by_name) == {name for name, _ in backbone.named_parameters()}
    assert set(by_name.values()) == set(range(head))


def test_a_weight_outside_of_all_blocks_is_of_the_first():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
            self.token = nn.Parameter(torch.zeros(2))

    by_name, head = depths(Net())
    assert (by_name["token"], by_name["blocks.1.weight"], head) == (0, 1, 2)
