"""The README's four steps to a new loss, performed as they stand there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmmask.engine.checkpoints import load_checkpoint_file

from .conftest import ROOT

#: 1. A file with a registered class.
LOSS_FILE = "mmmask/models/losses/poly.py"
LOSS = '''\
"""Poly-1 loss (Leng et al., 2022): cross-entropy plus the probability that is missing."""

from mmpretrain.registry import MODELS
from torch import Tensor

from mmmask.models.losses.base import ClassWeightedLoss
from mmmask.models.losses.reduction import weigh_classes


@MODELS.register_module()
class PolyLoss(ClassWeightedLoss):
    def sample_losses(self, logits: Tensor, target: Tensor) -> Tensor:
        log_p = logits.log_softmax(dim=1)
        return weigh_classes(
            1 - log_p.exp() - log_p,
            target,
            class_weight=self.active_class_weight,
            label_smoothing=self.label_smoothing,
        )
'''
#: 2. and 3. A config that imports it, and names it in its head.
LEAF_FILE = "configs/mobilenet_v2_poly.py"
LEAF = """\
_base_ = ["mobilenet_v2_linear.py"]

custom_imports = dict(imports=["mmmask.register", "mmmask.models.losses.poly"])
head = dict(loss=dict(type="PolyLoss", class_weight="inverse"))
"""
#: 4. Training.
COMMAND = "python tools/train.py configs/mobilenet_v2_poly.py"
#: What makes the run small: two steps on photos of 64x64, without a validation.
SMALL = (
    *("--pretrained", "none", "--split", "all", "--cfg-options"),
    *("preprocessing.size=(64,64)", "train_cfg.max_epochs=1"),
    *("train_dataloader.num_workers=0", "train_dataloader.batch_size=84"),
)


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of the repository that belongs to a user."""
    for name in ("mmmask", "configs", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(command: str, checkout: Path, *more: object) -> subprocess.CompletedProcess[str]:
    program, *arguments = command.split()
    assert program == "python"
    return subprocess.run(
        [sys.executable, *arguments, *map(str, more)],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(checkout)},
    )


def test_a_user_adds_a_loss_in_four_steps_and_trains_with_it(checkout, drawn) -> None:
    (checkout / LOSS_FILE).write_text(LOSS)
    (checkout / LEAF_FILE).write_text(LEAF)
    done = run(COMMAND, checkout, "--data-root", drawn, *SMALL)
    assert done.returncode == 0, done.stderr
    assert "epoch 1/1  train loss" in done.stdout
    work_dir = checkout / "work_dirs" / "mobilenet_v2_poly"
    assert "PolyLoss" in (work_dir / "mobilenet_v2_poly.py").read_text()
    state = load_checkpoint_file(str(work_dir / "epoch_1.pth"))["state_dict"]
    weights = state["head.loss_module.class_weight"]  # which the file never mentions
    assert weights.max() > weights.min() > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("forgotten", "sentence"),
    [
        (LOSS_FILE, "Failed to import mmmask.models.losses.poly: No module named"),
        ('"mmmask.models.losses.poly"', "head.loss.type: unknown 'PolyLoss'"),
    ],
    ids=["the file", "the import"],
)
def test_a_step_that_was_forgotten_is_named_on_one_line(checkout, drawn, forgotten, sentence):
    if forgotten != LOSS_FILE:
        (checkout / LOSS_FILE).write_text(LOSS)
    (checkout / LEAF_FILE).write_text(LEAF.replace(forgotten, ""))
    done = run(COMMAND, checkout, "--data-root", drawn, *SMALL)
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert sentence in line


def test_the_readme_lists_these_steps() -> None:
    lines = {line.strip() for line in (ROOT / "README.md").read_text().splitlines()}
    steps = [line.strip() for line in (LOSS + LEAF).splitlines()]
    assert [line for line in steps if line not in lines] == []
    assert f"4. `{COMMAND}`" in lines
