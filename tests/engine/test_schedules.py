"""Every block under configs/_base_/schedules/ and averaging/ trains, and resumes bit for bit."""

from pathlib import Path

import layered_net  # noqa: F401 - registers LayeredNet
import pytest
import test_checkpoint_hook  # noqa: F401 - registers TrendHook
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from tiny_engine import differences, state, tiny_config, train, without_validation

import mmmask.register  # noqa: F401
from mmmask.engine.checkpoints import load_checkpoint_file

BASE = Path(__file__).parents[2] / "configs" / "_base_"
SCHEDULES = sorted(path.stem for path in (BASE / "schedules").glob("*.py"))


def block(name: str) -> Config:
    return Config.fromfile(BASE / f"{name}.py")


def with_schedule(folder: Path, name: str, hooks: list | None = None) -> Config:
    """Return a run of 4 epochs of 5 steps, with a score that falls from the second on."""
    schedule = block(f"schedules/{name}")
    config = tiny_config(folder, model={"type": "LayeredNet"})
    config.optim_wrapper = schedule.optim_wrapper
    config.param_scheduler = schedule.param_scheduler
    config.custom_hooks = [
        {"type": "EpochSeedHook"},
        {"type": "TrendHook", "trend": "falling"},
        *(hooks or []),
    ]
    return config


def assert_resumes(config: Config, folder: Path, epoch: int = 3) -> dict:
    """Compare a whole run with one killed in an epoch and resumed; return the last checkpoint."""
    configs = [Config(config.to_dict()) for _ in range(2)]
    for run, name in zip(configs, ("whole", "killed"), strict=True):
        run.work_dir = str(folder / name)
    train(configs[0])
    train(configs[1], kill={"point": "inside the validation", "epoch": epoch})
    train(configs[1], resume=True)
    names = sorted(path.name for path in (folder / "whole").glob("*.pth"))
    assert names == sorted(path.name for path in (folder / "killed").glob("*.pth"))
    for name in names:
        assert not differences(*(state(folder / run / name) for run in ("whole", "killed"))), name
    return load_checkpoint_file(folder / "whole" / "epoch_4.pth")


def history(checkpoint: dict, name: str) -> list[float]:
    return checkpoint["message_hub"]["log_scalars"][name].data[0].tolist()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(tmp_path, name):
    last = assert_resumes(with_schedule(tmp_path, name), tmp_path)
    rates = history(last, "train/lr")
    assert len(set(rates)) > 1, "no schedule is a constant rate"
    assert torch.tensor(history(last, "train/loss")).isfinite().all()


def test_the_rate_falls_when_macro_f1_stops_to_rise_and_the_count_survives_a_resume(tmp_path):
    config = with_schedule(tmp_path, "adam_plateau")
    last = assert_resumes(config, tmp_path, epoch=3)
    lr = config.optim_wrapper.optimizer.lr
    rates = history(last, "train/lr")
    assert rates[5:15] == pytest.approx([lr] * 10)
    assert rates[15:] == pytest.approx([0.3 * lr] * 5), "the third epoch is the second bad one"


def test_one_cycle_rises_to_its_top_and_falls_to_nearly_nothing(tmp_path):
    train(with_schedule(tmp_path, "adamw_onecycle"))
    rates = history(load_checkpoint_file(tmp_path / "epoch_4.pth"), "train/lr")
    assert rates[0] == pytest.approx(1e-3 / 25)
    assert max(rates) == pytest.approx(1e-3)
    assert rates.index(max(rates)) == 5  # 30 % of 20 steps
    assert rates[-1] == pytest.approx(1e-3 / 25 / 1e4)


def test_warm_restarts_are_torchs_and_jump_back_to_the_top(tmp_path):
    config = without_validation(with_schedule(tmp_path, "sgd_restarts"))
    (schedule,) = config.param_scheduler
    schedule.periods = [2 * period // schedule.periods[0] for period in schedule.periods]
    config.train_cfg.max_epochs = 7
    train(config)
    rates = history(load_checkpoint_file(tmp_path / "epoch_7.pth"), "train/lr")

    options = {**config.optim_wrapper.optimizer}
    optimizer = getattr(torch.optim, options.pop("type"))([torch.nn.Parameter()], **options)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(
        optimizer, T_0=2 * 5, T_mult=2, eta_min=schedule.eta_min
    )
    expected = []
    for _ in range(7 * 5):
        expected.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    assert rates == pytest.approx(expected)
    restarts = [step for step in range(1, 35) if rates[step] > rates[step - 1]]
    assert restarts == [2 * 5, (2 + 4) * 5]
    assert [rates[step] for step in restarts] == pytest.approx([options["lr"]] * 2)


@pytest.mark.parametrize("name", ["ema", "swa"])
def test_averaged_weights_resume_bit_for_bit(tmp_path, name):
    averaging = block(f"averaging/{name}").averaging
    if name == "swa":
        averaging.begin_epoch = 2
    config = with_schedule(tmp_path, "sgd_swa", [dict(averaging)])
    last = assert_resumes(config, tmp_path)
    steps = {"ema": 20, "swa": 15}[name]
    assert last["ema_state_dict"]["steps"] == steps


def test_swa_averages_weights_and_batch_norm_statistics_over_the_steps_from_its_epoch_on(tmp_path):
    """Statistics are averaged, not computed anew on the averaged weights as in the paper."""
    seen = []

    class Watch(Hook):
        def after_train_iter(self, runner, **_):
            if runner.epoch >= 2:
                seen.append({k: v.clone() for k, v in runner.model.state_dict().items()})

    averaging = {**block("averaging/swa").averaging, "begin_epoch": 3}
    train(with_schedule(tmp_path, "sgd_swa", [averaging]), hooks=[Watch()])
    averaged = load_checkpoint_file(tmp_path / "epoch_4.pth")["state_dict"]
    assert len(seen) == 10
    for name in ("backbone.0.weight", "backbone.1.running_mean", "backbone.1.running_var"):
        expected = torch.stack([state[name] for state in seen]).mean(0)
        torch.testing.assert_close(averaged[name], expected)
        assert not torch.allclose(averaged[name], seen[-1][name], atol=1e-5)
