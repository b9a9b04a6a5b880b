from itertools import pairwise

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from torch import nn

import mmmask.register  # noqa: F401
from mmmask.errors import InputError

DECAY = 0.75


def classifier(**backbone) -> nn.Module:
    neck = None if backbone["type"] == "VisionTransformer" else {"type": "GlobalAveragePooling"}
    head = {"type": "MaskLinearHead", "in_channels": 8}
    return MODELS.build(
        {"type": "ImageClassifier", "backbone": backbone, "neck": neck, "head": head}
    )


def rates(model: nn.Module, constructor: str, **paramwise) -> dict[str, tuple[float, float]]:
    """Return learning rate and weight decay of every weight by name."""
    init_default_scope("mmpretrain")
    wrapper = build_optim_wrapper(
        model,
        {
            "type": "OptimWrapper",
            "optimizer": {"type": "AdamW", "lr": 0.01, "weight_decay": 0.05},
            "constructor": constructor,
            "paramwise_cfg": paramwise,
        },
    )
    names = {weight: name for name, weight in model.named_parameters()}
    return {
        names[weight]: (group["lr"], group["weight_decay"])
        for group in wrapper.optimizer.param_groups
        for weight in group["params"]
    }


@pytest.mark.parametrize(
    ("backbone", "layers"),
    [
        ({"type": "VisionTransformer", "arch": "deit-tiny"}, 13),
        ({"type": "ConvNeXt", "arch": "atto"}, 7),
        ({"type": "ResNet", "depth": 50}, 7),
    ],
    ids=["vit", "convnext", "resnet"],
)
def test_rates_are_those_of_mmpretrain_where_it_has_any(backbone, layers):
    model = classifier(**backbone)
    ours = rates(
        model,
        "LayerwiseRateConstructor",
        first_layer_lr_mult=DECAY**layers,
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
    )
    theirs = rates(
        model,
        "LearningRateDecayOptimWrapperConstructor",
        layer_decay_rate=DECAY,
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
    )
    assert ours.keys() == theirs.keys()
    for name, pair in theirs.items():
        assert ours[name] == pytest.approx(pair), name


def test_any_backbone_learns_from_the_first_rate_to_the_head_s_in_equal_ratios():
    model = classifier(type="MobileNetV2")
    found = rates(model, "LayerwiseRateConstructor", first_layer_lr_mult=0.01)
    assert found["backbone.conv1.conv.weight"][0] == pytest.approx(0.01 * 0.01)
    assert found["head.fc.weight"][0] == pytest.approx(0.01)
    levels = sorted({lr for lr, _ in found.values()})
    ratios = [high / low for low, high in pairwise(levels)]
    assert ratios == pytest.approx([100 ** (1 / 19)] * 19)


def test_a_ratio_of_1_is_one_rate_and_one_group():
    model = classifier(type="MobileNetV2")
    cfg = {
        "type": "OptimWrapper",
        "optimizer": {"type": "SGD", "lr": 0.01},
        "constructor": "LayerwiseRateConstructor",
        "paramwise_cfg": {"first_layer_lr_mult": 1.0},
    }
    init_default_scope("mmpretrain")
    (group,) = build_optim_wrapper(model, cfg).optimizer.param_groups
    assert group["lr"] == 0.01
    assert len(group["params"]) == len(list(model.parameters()))


@pytest.mark.parametrize("value", [0.0, 1.5])
def test_a_ratio_outside_of_0_to_1_is_named(value):
    model = classifier(type="MobileNetV2")
    with pytest.raises(
        InputError, match=rf"first_layer_lr_mult must be above 0 and at most 1; got {value}"
    ):
        rates(model, "LayerwiseRateConstructor", first_layer_lr_mult=value)


def test_every_weight_is_trained_once():
    model = classifier(type="MobileNetV2")
    found = rates(model, "LayerwiseRateConstructor", first_layer_lr_mult=0.1)
    assert set(found) == {name for name, _ in model.named_parameters()}
    assert all(torch.isfinite(torch.tensor(pair)).all() for pair in found.values())
