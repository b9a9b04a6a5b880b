"""Every leaf under configs/: loads, resolves, builds, and takes one finite step."""

import ast
import re
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import DATA_SAMPLERS, HOOKS, METRICS, MODELS, TRANSFORMS

import mmmask.register  # noqa: F401
from mmmask.config import load_config
from mmmask.structures import SampleBatch

CONFIGS = Path(__file__).parents[1] / "configs"
LEAVES = sorted(CONFIGS.glob("*.py"))

BACKBONES = {
    "convnext_tiny": "ConvNeXt",
    "deit_small": "deit-small",
    "effnet_b0": "b0",
    "effnet_b3": "b3",
    "effnet_b4": "b4",
    "mnasnet": "TimmBackbone",
    "mobilenet_v2": "MobileNetV2",
    "nfnet_f0": "TimmBackbone",
    "resnet50": "ResNet",
    "resnext50": "ResNeXt",
    "swin_tiny": "SwinTransformer",
    "vit_base": "VisionTransformer",
}
HEADS = {
    "linear": ("MaskLinearHead", "WeightedCrossEntropyLoss"),
    "focal": ("MaskLinearHead", "SoftmaxFocalLoss"),
    "arcface": ("MaskArcFaceHead", "WeightedCrossEntropyLoss"),
    "decomposed": ("DecomposedHead", None),
    "f1": ("MaskLinearHead", "SoftMacroF1Loss"),
    "f1focal": ("MaskLinearHead", "LossMix"),
    "sce": ("MaskLinearHead", "SymmetricCrossEntropyLoss"),
    "cosface": ("MaskCosFaceHead", "WeightedCrossEntropyLoss"),
    "ldam": ("MaskCosFaceHead", "WeightedCrossEntropyLoss"),
    "mask": ("AttributeHead", "WeightedCrossEntropyLoss"),
    "gender": ("AttributeHead", "WeightedCrossEntropyLoss"),
    "age_dldl": ("AgeHead", None),
    "age": ("AttributeHead", "WeightedCrossEntropyLoss"),
}


def ids(path: Path) -> str:
    return path.stem


def depth(path: Path) -> int:
    """How many levels of parents a config has."""
    bases = _bases(path)
    return 1 + max((depth(base) for base in bases), default=-1)


def _bases(path: Path) -> list[Path]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "_base_":
            return [path.parent / base for base in ast.literal_eval(node.value)]
    return []


def test_there_are_leaves() -> None:
    assert len(LEAVES) >= 8


def test_the_readme_names_every_leaf() -> None:
    text = (CONFIGS.parent / "README.md").read_text()
    for leaf in LEAVES:
        short = leaf.stem.removeprefix("mobilenet_v2_")
        assert f"`{leaf.stem}`" in text or f"`{short}`" in text, leaf.stem


@pytest.mark.parametrize("path", LEAVES, ids=ids)
def test_parents_are_at_most_two_levels_up_and_inside_the_repository(path: Path) -> None:
    assert 1 <= depth(path) <= 2
    assert all(CONFIGS in base.resolve().parents for base in _bases(path))


@pytest.mark.parametrize("path", LEAVES, ids=ids)
def test_the_name_tells_the_backbone_and_the_head(path: Path) -> None:
    name = re.fullmatch(rf"({'|'.join(BACKBONES)})_({'|'.join(HEADS)})(_\w+)?", path.stem)
    assert name, f"{path.stem} is not backbone_head[_extra]"
    cfg = load_config(path)
    assert BACKBONES[name[1]] in (cfg.backbone.get("arch"), cfg.backbone.type)
    head, loss = HEADS[name[2]]
    assert cfg.head.type == head
    assert loss is None or cfg.head.loss.type == loss


@pytest.mark.parametrize("path", LEAVES, ids=ids)
def test_it_opens_with_what_it_is_and_a_command_that_names_it(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text()))
    assert re.search(rf"python tools/(train|test)\.py configs/{path.name}", text)


@pytest.mark.parametrize("path", LEAVES, ids=ids)
def test_every_type_is_registered(path: Path) -> None:
    cfg = load_config(path)
    init_default_scope("mmpretrain")
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
    for loader in filter(None, loaders):  # a leaf that trains on everybody has no validation
        assert DATA_SAMPLERS.get(loader.sampler.type)
        assert all(TRANSFORMS.get(step.type) for step in loader.dataset.pipeline)
    assert all(HOOKS.get(hook.type) for hook in cfg.default_hooks.values())
    assert METRICS.get(cfg.test_evaluator.type)


@pytest.mark.parametrize("path", LEAVES, ids=ids)
def test_the_model_takes_one_finite_step_and_predicts(path: Path) -> None:
    cfg = load_config(path, {"pretrained": None})
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    counts = torch.arange(1.0, 19.0)
    model.head.set_class_counts(counts)
    batch = SampleBatch()
    batch.gt_label = torch.tensor([3, 16])
    batch.age = torch.tensor([24, 35])
    photos = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    data = model.data_preprocessor({"inputs": photos, "data_samples": [batch]}, True)
    loss, _ = model.train().parse_losses(model(**data, mode="loss"))
    loss.backward()
    assert torch.isfinite(loss)
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)
    with torch.no_grad():
        (result,) = model.eval()(data["inputs"], [batch], mode="predict")
    torch.testing.assert_close(result.pred_score.sum(dim=1), torch.ones(2))
