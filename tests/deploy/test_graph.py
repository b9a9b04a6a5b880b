import sys

import numpy as np
import onnx
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

import mmmask.register
from mmmask.datasets.photos import Geometry
from mmmask.datasets.preparation import Preparation
from mmmask.deploy.facts import ModelFacts
from mmmask.deploy.graph import HEAD, PhotoClassifier, check_opset, write_graph
from mmmask.deploy.networks import OnnxNetwork
from mmmask.errors import InputError

POOLED = {"type": "GlobalAveragePooling"}
VIT = {"embed_dims": 24, "num_layers": 1, "num_heads": 2, "feedforward_channels": 48}
SWIN = {"embed_dims": 8, "depths": [2, 1, 1, 1], "num_heads": [1, 2, 2, 2]}
CONVNEXT = {"depths": [1, 1, 1, 1], "channels": [8, 16, 24, 32]}
#: Backbone, neck, length of its feature, (height, width).
BACKBONES = {
    "mobilenet": ({"type": "MobileNetV2", "widen_factor": 0.1}, POOLED, 1280, (64, 48)),
    "resnet": ({"type": "ResNet", "depth": 18, "base_channels": 8}, POOLED, 64, (64, 48)),
    "timm": ({"type": "TimmBackbone", "model_name": "mnasnet_small"}, POOLED, 1280, (64, 48)),
    # Positions are interpolated, as the photo has not the size that they were made for.
    "vit": (
        {"type": "VisionTransformer", "img_size": 32, "patch_size": 8, "arch": VIT},
        *(None, 24, (48, 32)),
    ),
    # Windows of 7 are filled up, and shifted.
    "swin": (
        {"type": "SwinTransformer", "arch": SWIN, "img_size": 64, "pad_small_map": True},
        *(POOLED, 64, (64, 48)),
    ),
    "convnext": ({"type": "ConvNeXt", "arch": CONVNEXT}, None, 32, (64, 48)),
    "effnet": ({"type": "EfficientNet", "arch": "b0"}, POOLED, 1280, (64, 48)),
}
HEADS = {
    "linear": {"type": "MaskLinearHead", "temperature": 1.7},
    "arcface": {"type": "MaskArcFaceHead", "sub_centers": 2},
    "decomposed": {"type": "DecomposedHead"},
    "coral": {"type": "DecomposedHead", "age": {"type": "CoralAge"}, "temperature": 0.8},
    "corn": {"type": "DecomposedHead", "age": {"type": "CornAge"}},
    "regression": {"type": "DecomposedHead", "age": {"type": "RegressionAge"}},
    "age": {"type": "AgeHead", "age": {"type": "LabelDistributionAge"}},
    "mask": {"type": "AttributeHead", "attribute": "mask"},
}


def exported(backbone, head, path, **options):
    """Write a model of random weights; return it and the network that reads it."""
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    kind, neck, features, size = BACKBONES[backbone]
    mean_and_std = {"mean": (120.0, 110.0, 100.0), "std": (60.0, 55.0, 50.0)}
    model = MODELS.build(
        {
            "type": "ImageClassifier",
            "data_preprocessor": {"type": "FacePreprocessor", **mean_and_std},
            "backbone": kind,
            "neck": neck,
            "head": {**HEADS[head], "in_channels": features},
        }
    )
    for parameter in model.parameters():  # so that answers differ between photos
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    norms = [module for module in model.modules() if hasattr(module, "running_mean")]
    for norm in norms:
        norm.momentum = 1.0
    model.train()
    with torch.no_grad():
        model.backbone(torch.randn(8, 3, *size))
    model.eval()
    facts = ModelFacts(
        preparation=Preparation(Geometry(size)),
        preprocessing={"size": list(size), **mean_and_std},
        attribute=model.head.attribute,
        years=model.head.age_model is not None,
        old_from=60,
        views=("identity", "hflip"),
    )
    write_graph(model, facts, path, **options)
    return model, OnnxNetwork(path, threads=1)


@pytest.mark.parametrize(
    ("backbone", "head"),
    [
        ("resnet", "coral"),
        ("vit", "corn"),
        ("swin", "arcface"),
        ("convnext", "age"),
        *(
            pytest.param(*pair, marks=pytest.mark.slow)
            for pair in (("mobilenet", "regression"), ("timm", "decomposed"), ("effnet", "linear"))
        ),
    ],
)
def test_the_graph_answers_as_the_model_for_any_number_of_photos(backbone, head, tmp_path):
    model, network = exported(backbone, head, tmp_path / "model.onnx")
    noise = np.random.default_rng(0)
    for count in (1, 2, 5):
        size = network.facts.preparation.geometry.size
        photos = noise.integers(0, 256, (count, *size, 3), dtype=np.uint8)
        with torch.no_grad():  # the way of a test, through the model's own preprocessor
            inputs = torch.from_numpy(photos).permute(0, 3, 1, 2)
            inputs = model.data_preprocessor({"inputs": inputs})["inputs"]
            batch = model(inputs, mode="predict")
        answer = network(photos)
        np.testing.assert_allclose(answer.probabilities, batch.pred_score, atol=1e-5)
        np.testing.assert_allclose(answer.probabilities.sum(axis=1), 1, rtol=1e-5)
        assert (answer.years is not None) == network.facts.years
        if answer.years is not None:
            np.testing.assert_allclose(answer.years, batch.pred_years, atol=1e-5)
    if count > 1:
        assert np.ptp(answer.probabilities, axis=0).max() > 1e-3  # it looks at the photos


def test_the_file_says_what_it_is_and_not_where_it_was_made(tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(InputError, match=r"--opset must be a version that .* such as 18; got 3"):
        exported("convnext", "mask", path, opset=3)
    assert not path.exists()
    model, network = exported("convnext", "mask", path, opset=18)
    assert network.facts.classes == ("wear", "incorrect", "normal")
    assert network.facts.preparation.geometry.size == (64, 48)
    stored = onnx.load(path)
    assert {entry.key for entry in stored.metadata_props} >= {"classes", "input", "provenance"}
    assert [opset.version for opset in stored.opset_import if not opset.domain] == [18]
    assert b".py" not in path.read_bytes()
    head = [node.name for node in stored.graph.node if node.name.startswith(HEAD)]
    assert 1 <= len(head) < len(stored.graph.node) / 2
    assert stored.graph.node[-1].name in head
    assert not hasattr(PhotoClassifier(model).classifier, "window_reverse")


class Unwritable(torch.nn.Module):
    """A classifier by a function that ONNX does not have."""

    def __init__(self):
        super().__init__()
        self.data_preprocessor = MODELS.build(
            {"type": "FacePreprocessor", "mean": (0.0,) * 3, "std": (1.0,) * 3}
        )

    def forward(self, inputs, mode):
        scores = torch.special.bessel_j0(inputs.mean(dim=(2, 3)))
        return mmmask.structures.SampleBatch(pred_score=scores)


def test_without_onnx_it_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match="needs onnxscript: pip install onnxscript"):
        exported("convnext", "mask", tmp_path / "model.onnx")


def test_what_onnx_has_no_words_for_is_said_in_a_sentence(tmp_path):
    path = tmp_path / "model.onnx"
    facts = ModelFacts(Preparation(Geometry((8, 6))), {}, "mask", False, None, ())
    init_default_scope("mmpretrain")
    with pytest.raises(InputError, match=r"the network has no ONNX graph: .*bessel") as caught:
        write_graph(Unwritable(), facts, path)
    assert "\n" not in str(caught.value)
    assert not path.exists()


def test_operators_that_no_graph_can_have_are_refused_before_the_work() -> None:
    with pytest.raises(InputError, match=r"--opset must be from 7 to \d+; got 3"):
        check_opset(3)
    check_opset(18)
