import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from torch import nn

import mmmask.register  # noqa: F401
from mmmask.errors import InputError
from mmmask.labels import NUM_CLASSES, decode
from mmmask.models.hires_cam import hires_cam

MOBILE = {"type": "MobileNetV2", "widen_factor": 0.25}
POOLED = {"type": "GlobalAveragePooling"}
VIT = {"type": "VisionTransformer", "img_size": 32, "patch_size": 8, "arch": "deit-tiny"}
CONVNEXT = {
    "type": "ConvNeXt",
    "arch": {"depths": [1, 1, 1, 1], "channels": [8, 16, 24, 32]},
}
SWIN = {"type": "SwinTransformer", "arch": "tiny", "img_size": 64, "pad_small_map": True}


def classifier(backbone=MOBILE, neck=POOLED, features=1280, head=None):
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    head = {"type": "DecomposedHead", "in_channels": features, **(head or {})}
    model = MODELS.build(
        {"type": "ImageClassifier", "backbone": backbone, "neck": neck, "head": head}
    )
    model.init_weights()
    return model.eval()


class Planes(nn.Module):
    """A backbone whose two feature maps are the first two channels of the photo."""

    def forward(self, inputs):
        return (inputs[:, :2],)


class Scores(nn.Module):
    """Logits that count the first map for class 0 and the second for class 9, alone."""

    attribute = None

    def forward(self, feats):
        logits = torch.zeros(len(feats[-1]), NUM_CLASSES)
        logits[:, 0], logits[:, 9] = 9 * feats[-1][:, 0], 9 * feats[-1][:, 1]
        return logits


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone, self.head = Planes(), Scores()

    def extract_feat(self, inputs):
        return tuple(feature.mean(dim=(2, 3)) for feature in self.backbone(inputs))


def test_the_place_that_speaks_for_a_class_is_found_and_the_other_is_not():
    photo = torch.zeros(1, 3, 8, 8)
    photo[0, 0, 1, 2] = 5.0  # speaks for class 0
    photo[0, 1, 6, 5] = 4.0  # speaks for class 9
    for label, place in ((0, (1, 2)), (9, (6, 5))):
        heat = hires_cam(Toy(), photo, [label])[0]
        assert divmod(int(heat.argmax()), 8) == place
        assert heat.sum() == 1
    assert torch.equal(hires_cam(Toy(), photo)[0], hires_cam(Toy(), photo, [0])[0])


def test_an_attribute_is_explained_by_all_classes_that_have_it():
    photo = torch.zeros(1, 3, 8, 8)
    photo[0, 0, 1, 2], photo[0, 1, 6, 5] = 5.0, 4.0
    parts = {name: int(part) for name, part in decode(np.array(9)).items()}
    assert parts == {"mask": 1, "gender": 1, "age": 0}
    assert divmod(int(hires_cam(Toy(), photo, [1], attribute="gender")[0].argmax()), 8) == (6, 5)
    heat = hires_cam(Toy(), photo, [0], attribute="age")[0]  # both classes are young
    assert heat[1, 2] > 0
    assert heat[6, 5] > 0


def test_it_equals_the_formula_written_out():
    model = classifier(head={"age": {"type": "LabelDistributionAge"}})
    inputs = torch.randn(2, 3, 96, 64)
    features, rest = inputs, nn.Sequential()
    for name in ("conv1", *model.backbone.layers):
        if name in ("layer6", "layer7", "conv2"):  # from here on a map has 3 x 2 places, not 6 x 4
            rest.append(getattr(model.backbone, name))
        else:
            features = getattr(model.backbone, name)(features)
    features = features.detach().requires_grad_()
    p = model.head((rest(features).mean(dim=(2, 3)),)).softmax(dim=1)
    for row, label in enumerate((4, 11)):
        score = torch.log(p[row, label]) - torch.log(1 - p[row, label])
        slope = torch.autograd.grad(score, features, retain_graph=True)[0][row]
        expected = sum(s * plane for s, plane in zip(slope, features[row], strict=True)).clamp(0)
        assert expected.shape == (6, 4)
        expected = nn.functional.interpolate(expected[None, None], (96, 64), mode="bilinear")
        found = hires_cam(model, inputs, [4, 11])[row]
        torch.testing.assert_close(found, (expected / expected.max())[0, 0], rtol=1e-3, atol=1e-4)


class Pooled(Planes):
    """Planes, a step that writes into its input, and a final map of only two places a side."""

    def __init__(self):
        super().__init__()
        self.steps = nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(2, 2, 4, 4))
        for step in (self.steps[0], self.steps[2]):
            nn.init.constant_(step.weight, 0)
            nn.init.constant_(step.bias, 0)
            for plane in range(2):
                nn.init.constant_(step.weight[plane, plane], 1 / step.weight[0, 0].numel())

    def forward(self, inputs):
        return (self.steps(inputs[:, :2]),)


def test_the_place_is_found_on_the_last_map_that_is_finer_than_the_final_one():
    model, photo = Toy(), torch.zeros(1, 3, 8, 8)
    model.backbone = Pooled().requires_grad_(False)
    photo[0, 0, 1, 2], photo[0, 1, 6, 5] = 5.0, 4.0
    for label, place in ((0, (1, 2)), (9, (6, 5))):
        heat = hires_cam(model, photo, [label])[0]
        assert divmod(int(heat.argmax()), 8) == place
        assert heat.sum() == 1  # a map of 2 x 2 places would spread it over 16


@pytest.mark.parametrize(
    ("backbone", "neck", "features", "size"),
    [
        (MOBILE, POOLED, 1280, (96, 64)),
        (VIT, None, 192, (32, 32)),
        (CONVNEXT, None, 32, (64, 64)),
        (SWIN, POOLED, 768, (64, 64)),
        ({"type": "TimmBackbone", "model_name": "mnasnet_small"}, POOLED, 1280, (64, 64)),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_each_kind_of_backbone_has_a_map(backbone, neck, features, size):
    model = classifier(backbone, neck, features)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    heat = hires_cam(model, torch.randn(4, 3, *size), attribute="mask")
    assert heat.shape == (4, *size)
    assert not heat.requires_grad
    assert heat.min() >= 0
    peaks = heat.amax(dim=(1, 2)).round(decimals=6)
    assert peaks.max() == 1
    assert ((peaks == 1) | (peaks == 0)).all()  # 0: nothing speaks for it
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.is_grad_enabled()


def test_a_sure_answer_still_has_a_map():
    photo = torch.zeros(1, 3, 8, 8)
    photo[0, 0, 1, 2] = 5000.0
    assert hires_cam(Toy(), photo, [0])[0, 1, 2] == 1


def test_what_cannot_be_explained_is_refused():
    head = {"type": "AttributeHead", "attribute": "mask"}
    model = classifier(head=head)
    with pytest.raises(InputError, match="that the model predicts: mask; got 'age'"):
        hires_cam(model, torch.randn(1, 3, 64, 64), attribute="age")
    assert hires_cam(model, torch.randn(1, 3, 64, 64), attribute="mask").shape == (1, 64, 64)
    model.backbone.forward = lambda inputs: (inputs.mean(dim=(2, 3)),)
    with pytest.raises(InputError, match=r"needs a feature map.*shape \(1, 3\)"):
        hires_cam(model, torch.randn(1, 3, 64, 64))
