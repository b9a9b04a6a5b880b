"""Every leaf under configs/: loads, resolves, builds, trains two steps and tests."""

import ast
import re
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpretrain.registry import DATA_SAMPLERS, HOOKS, METRICS, TRANSFORMS
from torch.optim import Optimizer
from torch.utils.data import BatchSampler

import mmmask.register  # noqa: F401
from mmmask.blocks import compose
from mmmask.config import load_config
from mmmask.datasets.layout import read_eval, read_train
from mmmask.drawing.drawn_faces import draw_dataset
from mmmask.tables import BOXES, write_table
from mmmask.workflows.testing import prepare_test
from mmmask.workflows.train import build_runner

CONFIGS = Path(__file__).parents[1] / "configs"
LEAVES = sorted(CONFIGS.glob("*.py"))
#: Their two steps take three seconds and more, so they are marked slow.
HEAVY = ("convnext", "deit", "effnet_b3_arcface_uda", "effnet_b4", "nfnet", "swin", "vit")

BACKBONES = {
    "convnext_tiny": "ConvNeXt",
    "deit_small": "deit-small",
    "effnet_b0": "b0",
    "effnet_b3": "b3",
    "effnet_b4": "b4",
    "effnet_lite0": "TimmBackbone",
    "face": "FoldedMobileNetV1",
    "face_pair": "SideBySide",
    "mnasnet": "TimmBackbone",
    "mobilenet_v2": "MobileNetV2",
    "nfnet_f0": "TimmBackbone",
    "resnet18": "ResNet",
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
    "probe": ("DecomposedHead", None),
}
PROBES = [path for path in LEAVES if "_probe" in path.stem]


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


def test_the_recipes_name_every_leaf() -> None:
    text = (CONFIGS.parent / "docs/recipes.md").read_text()
    for leaf in LEAVES:
        short = leaf.stem.removeprefix("mobilenet_v2_")
        assert f"`{leaf.stem}`" in text or f"`{short}`" in text, leaf.stem


@pytest.mark.parametrize("path", LEAVES, ids=ids)
def test_parents_are_at_most_two_levels_up_and_inside_the_repository(path: Path) -> None:
    assert 1 <= depth(path) <= 2
    assert all(CONFIGS in base.resolve().parents for base in _bases(path))


@pytest.mark.parametrize("head", ["linear", "arcface"])
def test_leaves_that_others_inherit_train_as_the_recipe_says(head: str) -> None:
    leaf, of_recipe = (load_config(CONFIGS / f"mobilenet_v2_{name}.py") for name in (head, "f1"))
    assert leaf.optim_wrapper == of_recipe.optim_wrapper
    assert leaf.train_cfg == of_recipe.train_cfg
    assert leaf.train_dataloader == of_recipe.train_dataloader


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
    assert re.search(rf"python tools/(train|test|linear_probe)\.py configs/{path.name}", text)


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


@DATA_SAMPLERS.register_module()
class FirstBatches(BatchSampler):
    """The first two batches that the leaf's own sampler makes of an epoch."""

    def __init__(self, sampler: Any, batch_size: int) -> None:
        super().__init__(sampler, batch_size, drop_last=True)

    def __iter__(self) -> Iterator[list]:
        return islice(super().__iter__(), len(self))

    def __len__(self) -> int:
        return 2


class WatchHook(Hook):
    """Keep the loss of each step, and whether every weight had a finite gradient in it."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.finite: list[bool] = []

    def before_train(self, runner: Runner) -> None:
        runner.optim_wrapper.optimizer.register_step_pre_hook(self._before_step)

    def _before_step(self, optimizer: Optimizer, *_: Any) -> None:
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        trained = [weight for weight in weights if weight.requires_grad]
        assert trained
        finite = (weight.grad is not None and weight.grad.isfinite().all() for weight in trained)
        self.finite.append(all(finite))

    def after_train_iter(self, runner: Runner, *_: Any, outputs: dict, **__: Any) -> None:
        self.losses.append(outputs["loss"].item())


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people, two of them held out; a seventh without labels; a box on each face."""
    root = tmp_path_factory.mktemp("drawn") / "data"
    draw_dataset(root, people=6, eval_people=1, size=(48, 64), processes=1)
    images = pd.concat([read_train(root), read_eval(root)])[["image"]]
    box = {"x0": 10.0, "y0": 10.0, "x1": 38.0, "y1": 50.0, "score": 1.0}
    write_table(root / "boxes.parquet", images.assign(width=48, height=64, **box), BOXES)
    return root


def small(path: Path, root: Path) -> Config:
    """Return a leaf that trains two steps, in this process, and tests on the people held out."""
    cfg = load_config(path)
    cfg.data.data_root = str(root)
    cfg.data.folds = 5  # there are six people
    cfg.pretrained = None
    cfg.preprocessing.size = (64, 64)
    if cfg.preprocessing.get("faces"):
        cfg.preprocessing.faces.boxes = str(root / "boxes.parquet")
    for name in ("train", "val", "test"):
        if cfg[f"{name}_dataloader"] is not None:
            cfg[f"{name}_dataloader"].num_workers = 0
    cfg.train_dataloader.batch_size = 2
    cfg.train_dataloader.batch_sampler = {"type": "FirstBatches"}
    cfg.test_dataloader.dataset.split = "val"
    cfg.train_cfg.max_epochs = 1
    if cfg.get("semi"):
        cfg.semi.num_workers = 0
    if "begin_epoch" in (cfg.get("averaging") or {}):
        cfg.averaging.begin_epoch = 1
    compose(cfg)
    return cfg


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.slow] if path.stem.startswith(HEAVY) else [])
        for path in LEAVES
        if path not in PROBES
    ],
    ids=ids,
)
def test_it_trains_two_steps_and_tests_on_the_people_held_out(
    path: Path, drawn: Path, tmp_path: Path
) -> None:
    cfg = small(path, drawn)
    cfg.work_dir = str(tmp_path)
    cfg.experiment_name = f"two steps of {path.stem}"  # MMEngine keeps loggers by it
    if cfg.tta.enabled:  # for tests alone
        runner = build_runner(prepare_test(cfg))
    else:
        watch = WatchHook()
        runner = build_runner(cfg)
        runner.register_hook(watch)
        runner.train()
        assert len(watch.losses) == 2
        assert np.isfinite(watch.losses).all()
        assert watch.finite == [True, True]
    scores = runner.test()
    assert 0 <= scores["macro_f1"] <= 1
    assert all(np.isfinite(score).all() for score in scores.values())
    shutil.rmtree(tmp_path)  # the checkpoints of all leaves are large


@pytest.mark.parametrize("path", PROBES, ids=ids)
def test_a_probe_fits_its_head_and_tests_on_the_people_held_out(
    path: Path, drawn: Path, tmp_path: Path
) -> None:
    cfg = small(path, drawn)
    del cfg.train_dataloader["batch_sampler"]
    cfg.work_dir = str(tmp_path)
    cfg.experiment_name = f"fit of {path.stem}"
    runner = build_runner(cfg)
    runner.train()
    state = runner.model.state_dict()
    assert state["head.classifiers.age.bias"].abs().max() > 1e-3  # it starts at 0
    assert all(not value for name, value in state.items() if name.endswith("batches_tracked"))
    assert 0 <= runner.test()["macro_f1"] <= 1
