"""Runs that diverge: damage is done at a step, and the run must end before anything keeps it."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import test_semi_loop
import torch
from mmengine.hooks import Hook
from mmpretrain.registry import MODELS
from tiny_engine import TinyNet, differences, state, tiny_config, train

import mmmask.engine.hooks.finite_hook
import mmmask.engine.hooks.run_card_hook
import mmmask.engine.optim.sam
import mmmask.models.averaging  # noqa: F401 - these register
from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.engine.hooks.finite_hook import FiniteHook
from mmmask.errors import DivergedError, InputError
from mmmask.ledger.cards import read_card, status

HERE = Path(__file__).parent
STEPS = 20  # an epoch


@MODELS.register_module()
class ScaledNet(TinyNet):
    """Its loss can be spoiled without its feature; it has a mask like one of attention."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = 1.0
        self.register_buffer("mask", torch.tensor([0.0, -math.inf]))

    def forward(self, inputs, labels, mode="tensor"):
        result = super().forward(inputs, labels, mode)
        return {"loss": result["loss"] * self.factor} if mode == "loss" else result


class Damage(Hook):
    """Put a value into a part of the run, at some steps counted from 1."""

    def __init__(self, part: str, value: float, *steps: int) -> None:
        self.part, self.value, self.steps = part, value, steps
        self.ended_at = 0

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        model = getattr(runner.model, "module", runner.model)
        now = runner.iter + 1 in self.steps
        self.ended_at = runner.iter + 1
        model.factor = self.value if now and self.part == "loss" else 1.0
        if now and self.part == "photo":
            data_batch["inputs"][0, 0, 0, 0] = self.value

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 not in self.steps:
            return
        model = getattr(runner.model, "module", runner.model)
        places = {"weight": model.head.linear.weight, "statistic": model.norm.running_var}
        for hook in runner.hooks:
            if hasattr(hook, "ema_model"):
                places["average"] = hook.ema_model.module.conv.weight
        if self.part in places:
            places[self.part].data.view(-1)[3] = self.value


def config(work_dir: Path, **changes):
    config = tiny_config(work_dir, **{"runner_type": "ConsoleRunner", "epochs": 3, **changes})
    config.model = {"type": "ScaledNet"}
    config.train_dataloader.batch_size = 40 // STEPS
    added = [{"type": "RunCardHook"}, {"type": "FiniteHook"}]
    config.custom_hooks = [*config.custom_hooks, *added]
    return config


def with_average(cfg, **average):
    others = [hook for hook in cfg.custom_hooks if hook.type != "EMAHook"]
    cfg.custom_hooks = [*others, {"type": "EMAHook", **average}]
    return cfg


def diverging(cfg, *hooks) -> str:
    """Train a run that must diverge, and return why it says it was stopped."""
    with pytest.raises(DivergedError) as raised:
        train(cfg, hooks=hooks)
    return str(raised.value)


def check_files(work_dir: Path) -> list[str]:
    """Check that every checkpoint is finite, and return their names."""
    paths = sorted(work_dir.glob("*.pth"))
    for path in paths:
        content = load_checkpoint_file(path)
        for part in ("state_dict", "ema_state_dict"):
            for name, tensor in content.get(part, {}).items():
                assert tensor.isfinite().all() or name.endswith("mask"), (path, name)
    return [path.name for path in paths]


@pytest.mark.parametrize("part", ["photo", "loss", "weight", "statistic", "average"])
@pytest.mark.parametrize(
    ("value", "step"), [(math.nan, 1), (math.inf, 14), (-math.inf, 20), (math.nan, 31)]
)
def test_damage_ends_the_run_within_ten_steps_and_is_in_no_file(tmp_path, part, value, step):
    damage = Damage(part, value, step)
    said = diverging(config(tmp_path), damage)
    assert damage.ended_at < step + 10
    assert f"(epoch {1 + (step - 1) // STEPS})" in said
    files = check_files(tmp_path)
    card = read_card(tmp_path)
    assert (status(card), card["sessions"][-1]["error"]) == ("diverged", said)
    if step > STEPS:
        assert "epoch_1.pth" in files
        assert f"last good checkpoint: {tmp_path / 'epoch_1.pth'}" in said
    else:
        assert files == []
        assert f"{tmp_path} has no checkpoint yet" in said


def test_the_reason_names_step_loss_rate_and_what_may_help(tmp_path):
    cfg = config(tmp_path / "clipped")
    cfg.param_scheduler = None
    said = diverging(cfg, Damage("loss", math.nan, 3, 4))
    assert said.startswith("loss nan at step 3 (epoch 1), learning rate 0.02; ")
    assert said.endswith("try a lower optim_wrapper.optimizer.lr")
    cfg = config(tmp_path / "unclipped")
    cfg.optim_wrapper.clip_grad = None
    said = diverging(cfg, Damage("weight", math.inf, 10))
    assert said.startswith("head.linear.weight not finite by step 10 (epoch 1), learning rate ")
    assert "optim_wrapper.clip_grad=" in said


@pytest.mark.parametrize("wrapper", ["OptimWrapper", "AutocastOptimWrapper", "SAMOptimWrapper"])
def test_far_too_high_a_rate_ends_the_run(tmp_path, wrapper):
    cfg = config(tmp_path)
    optimizer = {"type": "SGD", "lr": 1e20, "momentum": 0.9}
    cfg.optim_wrapper = {"type": wrapper, "optimizer": optimizer}
    cfg.param_scheduler = None
    assert "at step 2 (epoch 1), learning rate 1e+20; " in diverging(cfg)
    check_files(tmp_path)


def test_far_too_high_a_rate_ends_a_semi_supervised_run(make_layout, tmp_path):
    root = make_layout(test_semi_loop.PEOPLE, eval_photos=11)
    rate = {"optim_wrapper.optimizer.lr": 1e20, "optim_wrapper.clip_grad": None}
    cfg = test_semi_loop.config(root, tmp_path / "run", **rate)
    diverging(cfg)
    assert check_files(tmp_path / "run") == []


def test_an_average_that_has_not_begun_and_one_of_buffers_are_watched(tmp_path):
    average = {"ema_type": "StochasticWeightAverage", "begin_epoch": 2, "update_buffers": True}
    said = diverging(with_average(config(tmp_path), **average), Damage("average", math.nan, 31))
    assert said.startswith("averaged conv.weight not finite by step 40")
    check_files(tmp_path)


@pytest.mark.parametrize("runner_type", ["ConsoleRunner", None])
def test_no_bit_of_a_training_changes(tmp_path, runner_type):
    states = []
    for name, added in (("with", True), ("without", False)):
        cfg = config(tmp_path / name, epochs=2)
        if runner_type is None:
            cfg.pop("runner_type")
        if not added:
            cfg.custom_hooks = [hook for hook in cfg.custom_hooks if hook.type != "FiniteHook"]
        train(cfg)
        states.append(state(tmp_path / name / "epoch_2.pth"))
    assert differences(*states) == []


class Overflow(Hook):
    """Make a gradient infinite at some steps, where the loss is not."""

    def __init__(self, *steps: int) -> None:
        self.steps = steps

    def before_train(self, runner):
        weight = runner.model.conv.weight
        weight.register_hook(lambda g: g * (math.inf if runner.iter + 1 in self.steps else 1.0))


def in_float16(work_dir: Path):
    cfg = config(work_dir)
    cfg.optim_wrapper.type = "AutocastOptimWrapper"
    cfg.optim_wrapper.dtype = "float16"
    return cfg


def test_steps_that_a_gradient_scaler_skips_are_no_divergence(tmp_path):
    lost = Damage("loss", math.inf, *range(21, 30), *range(31, 40))
    runner = train(in_float16(tmp_path), hooks=[Overflow(3, *range(5, 18)), lost])
    assert runner.iter == 3 * STEPS
    assert status(read_card(tmp_path)) == "finished"
    assert runner.optim_wrapper.scaler.get_scale() < 65536.0
    assert "epoch_3.pth" in check_files(tmp_path)


def test_losses_that_stay_infinite_end_a_run_in_float16(tmp_path):
    lost = Damage("loss", math.inf, *range(24, 50))
    said = diverging(in_float16(tmp_path), lost)
    assert said.startswith("loss inf at step 24 (epoch 2)")
    assert "full precision in place of float16" in said
    assert lost.ended_at == 40
    check_files(tmp_path)


def test_statistics_that_an_overflow_has_spoiled_end_a_run_in_float16(tmp_path):
    spoiled = Damage("photo", math.inf, 24)
    assert "norm.running_mean not finite" in diverging(in_float16(tmp_path), spoiled)
    assert spoiled.ended_at == 30


@pytest.mark.parametrize("by_epoch", [True, False])
@pytest.mark.parametrize("part", ["photo", "weight", "average"])
def test_a_config_of_mmpretrain_is_guarded_by_the_hook_alone(tmp_path, part, by_epoch):
    cfg = config(tmp_path)
    cfg.pop("runner_type")
    cfg.custom_hooks = [{"type": "EMAHook"}, {"type": "FiniteHook"}]
    interval = 1 if by_epoch else 3
    best = {"save_best": "macro_f1", "rule": "greater"}
    cfg.default_hooks.checkpoint = {"type": "CheckpointHook", "interval": interval, **best}
    if not by_epoch:
        cfg.default_hooks.checkpoint.by_epoch = False
        cfg.train_cfg = {"by_epoch": False, "max_iters": 40, "val_interval": 4}
        cfg.param_scheduler = None
    damage = Damage(part, math.nan, 22)
    said = diverging(cfg, damage)
    assert damage.ended_at == (30 if by_epoch else 24)
    files = check_files(tmp_path)
    last = "epoch_1.pth" if by_epoch else "iter_21.pth"
    assert last in files
    assert last in said


class LateDamage(Hook):
    """Spoil a weight after all looks of a step or epoch."""

    priority = 70

    def after_val(self, runner):
        runner.model.conv.weight.data[0] = math.nan


def test_what_is_spoiled_just_before_it_is_written_is_not_written(tmp_path):
    diverging(config(tmp_path), LateDamage())
    assert check_files(tmp_path) == []


def test_a_run_does_not_start_from_weights_that_are_not_finite(tmp_path):
    train(config(tmp_path / "first", epochs=1))
    path = tmp_path / "first" / "epoch_1.pth"
    content = torch.load(path, weights_only=False)
    content["state_dict"]["norm.running_mean"][2] = math.nan
    torch.save(content, path)
    cfg = config(tmp_path / "second", load_from=str(path))
    with pytest.raises(InputError, match=r"epoch_1\.pth: .* finite numbers; .* norm\.running_mean"):
        train(cfg)
    assert not (tmp_path / "second" / "card.json").exists()


def test_a_validation_by_itself_is_left_alone(tmp_path):
    runner = train(config(tmp_path, epochs=1))
    runner.model.conv.weight.data[0] = math.nan
    runner.val()


SCRIPT = """
import math, sys
from pathlib import Path
import torch
from mmengine.dist import get_rank
from test_finite_hook import Damage, config, train
from mmmask.engine.distributed import start_distributed, stop_distributed, wrap_for_device
from mmmask.errors import DivergedError

torch.set_num_threads(1)
folder = Path(sys.argv[1])
start_distributed("pytorch")
for part in ("loss", "statistic"):
    cfg = config(folder / part, launcher="pytorch")
    # BatchNormSyncHook is left out: what one process has spoiled stays with it
    cfg.train_dataloader.sampler = {"type": "DefaultSampler", "shuffle": True, "seed": 3}
    cfg.train_dataloader.batch_size = 1
    wrap_for_device(cfg)
    damage = Damage(part, math.nan, *([22] if get_rank() == 1 else []))
    try:
        train(cfg, hooks=[damage])
    except DivergedError as error:
        (folder / f"{part}{get_rank()}.txt").write_text(f"{damage.ended_at} {error}")
stop_distributed()
"""


@pytest.mark.slow
def test_what_one_process_finds_stops_all_with_the_same_words(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("with CUDA the processes use the GPUs")
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    done = subprocess.run(
        [*command, str(tmp_path / "script.py"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for part, found in (("loss", "loss nan at step 22"), ("statistic", "norm.running_var not")):
        one, other = ((tmp_path / f"{part}{rank}.txt").read_text() for rank in (0, 1))
        assert one == other
        assert one.startswith(f"30 {found}")
        assert status(read_card(tmp_path / part)) == "diverged"
        check_files(tmp_path / part)


def test_only_a_training_is_watched():
    hook = FiniteHook()
    hook.before_val(None)
    hook.after_val(None)
    hook.before_save_checkpoint(None, {})
