"""Every block under configs/_base_/backbones: its facts, its source's facts, one finite step."""

from pathlib import Path

import mmpretrain
import pytest
import timm
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

import mmmask.register  # noqa: F401
from mmmask.config import load_config
from mmmask.structures import SampleBatch

CONFIGS = Path(__file__).parents[1] / "configs"
BLOCKS = sorted((CONFIGS / "_base_" / "backbones").glob("*.py"))
HEADS = ("arcface", "decomposed", "focal", "linear")
ZOO = Path(mmpretrain.__file__).parent / ".mim"
#: Their steps take seconds, so they are marked slow.
HEAVY = (
    "deit_base",
    "effnet_b5",
    "effnet_b6",
    "effnet_b7",
    "nfnet",
    "resnext101",
    "swin_large",
    "swin_tiny",
    "vit_base",
)

each_block = pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.slow] if path.stem.startswith(HEAVY) else [])
        for path in BLOCKS
    ],
    ids=lambda path: path.stem,
)


def blocks_of(*, timm: bool) -> pytest.MarkDecorator:
    """Parametrize over the blocks whose weights come from timm, or from MMPretrain's model zoo."""
    chosen = []
    for path in BLOCKS:
        block = Config.fromfile(path)
        if block.pretrained.startswith("http") and timm == (block.backbone.type == "TimmBackbone"):
            chosen.append(path)
    return pytest.mark.parametrize("path", chosen, ids=lambda path: path.stem)


of_mmpretrain = blocks_of(timm=False)
of_timm = blocks_of(timm=True)


def with_head(path: Path, head: str, folder: Path) -> Config:
    """Return the config of a backbone's block with a head's."""
    leaf = folder / "leaf.py"
    bases = ["data/mask_faces", f"backbones/{path.stem}", f"heads/{head}"]
    bases += ["schedules/adamw_cosine", "runtime/default"]
    leaf.write_text(f"_base_ = {[str(CONFIGS / '_base_' / base) + '.py' for base in bases]}\n")
    return load_config(leaf, {"pretrained": None})


def model_of(weights: str) -> Config:
    """Return the config that MMPretrain's model zoo states for a file of weights."""
    for metafile in ZOO.glob("configs/*/metafile.yml"):
        for model in yaml.safe_load(metafile.read_text())["Models"]:
            if model.get("Weights") == weights:
                return Config.fromfile(ZOO / model["Config"])
    raise AssertionError(f"no model of MMPretrain has the weights {weights}")


def test_there_are_blocks() -> None:
    assert len(BLOCKS) >= 20


@each_block
def test_a_head_on_it_takes_one_finite_step(path: Path, tmp_path: Path) -> None:
    cfg = with_head(path, HEADS[BLOCKS.index(path) % len(HEADS)], tmp_path)
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.head.set_class_counts(torch.arange(1.0, 19.0))
    batch = SampleBatch()
    batch.gt_label = torch.tensor([3, 16])
    photos = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    data = model.data_preprocessor({"inputs": photos, "data_samples": batch}, True)
    feature = model.extract_feat(data["inputs"])[-1]
    assert feature.shape == (2, cfg.features)
    loss, _ = model.train().parse_losses(model(**data, mode="loss"))
    loss.backward()
    assert torch.isfinite(loss)
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)


@of_mmpretrain
def test_it_is_the_network_that_its_weights_belong_to(path: Path) -> None:
    block = Config.fromfile(path)
    zoo = model_of(block.pretrained)
    init_default_scope("mmpretrain")
    shapes = []
    for backbone in (block.backbone, zoo.model.backbone):
        network = MODELS.build({**backbone, "init_cfg": None})
        shapes.append({name: value.shape for name, value in network.state_dict().items()})
    assert shapes[0] == shapes[1]
    assert block.features == zoo.model.head.in_channels
    assert (block.neck or {}).get("type") == (zoo.model.get("neck") or {}).get("type")


@of_mmpretrain
def test_it_sees_photos_as_its_weights_were_trained(path: Path) -> None:
    block = Config.fromfile(path)
    zoo = model_of(block.pretrained)
    theirs = {**zoo.get("data_preprocessor", {}), **zoo.model.get("data_preprocessor", {})}
    assert list(block.preprocessing["mean"]) == theirs["mean"]
    assert list(block.preprocessing["std"]) == theirs["std"]
    assert theirs["to_rgb"]
    if path.stem != "mobilenet_v2":  # smaller, for a CPU
        steps = zoo.test_dataloader.dataset.pipeline
        *_, side = (step.get("crop_size", step.get("scale")) for step in steps[:-1])
        assert block.preprocessing["size"] == (side, side)


@of_timm
def test_it_agrees_with_what_timm_says_of_its_weights(path: Path) -> None:
    block = Config.fromfile(path)
    facts = timm.get_pretrained_cfg(block.backbone["model_name"])
    assert block.pretrained == facts.url
    assert block.preprocessing["size"] == facts.input_size[1:]
    for name in ("mean", "std"):
        ours = [value / 255 for value in block.preprocessing[name]]
        assert ours == pytest.approx(getattr(facts, name))
