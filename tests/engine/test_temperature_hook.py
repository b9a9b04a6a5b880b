from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import Runner
from tiny_engine import TinyNet, tiny_config, train

from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.engine.hooks.temperature_hook import TemperatureHook
from mmmask.errors import InputError


def test_the_temperature_is_the_product_of_the_fitted_factors(tmp_path):
    runner = train(tiny_config(tmp_path, epochs=3))
    factors = runner.message_hub.get_scalar("val/temperature").data[0]
    assert len(set(factors)) == 3
    content = load_checkpoint_file(tmp_path / "epoch_3.pth")
    for weights, prefix in (("state_dict", ""), ("ema_state_dict", "module.")):
        stored = content[weights][f"{prefix}head.temperature"].item()
        assert stored == pytest.approx(factors.prod(), rel=1e-6)


def test_the_temperature_of_the_best_checkpoint_is_that_of_its_own_validation(tmp_path):
    runner = train(tiny_config(tmp_path, epochs=3))
    (best,) = tmp_path.glob("best_*.pth")
    content = load_checkpoint_file(best)
    factors = runner.message_hub.get_scalar("val/temperature").data[0]
    expected = factors[: content["meta"]["epoch"]].prod()
    assert content["state_dict"]["head.temperature"].item() == pytest.approx(expected, rel=1e-6)


def test_a_validation_outside_of_training_leaves_the_temperature(tmp_path):
    runner = Runner.from_cfg(tiny_config(tmp_path))
    runner.val()
    assert runner.model.head.temperature == 1


def hook_and_runner():
    warnings = []
    logger = SimpleNamespace(warning=warnings.append)
    runner = SimpleNamespace(model=TinyNet(), hooks=[], logger=logger)
    hook = TemperatureHook()
    hook.before_train(runner)
    return hook, runner, warnings


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 0.0])
def test_a_factor_that_is_no_temperature_is_left_out(factor):
    hook, runner, warnings = hook_and_runner()
    hook.after_val_epoch(runner, {"temperature": factor})
    assert runner.model.head.temperature == 1
    assert len(warnings) == 1


def test_a_metric_without_a_temperature_is_named():
    hook, runner, _ = hook_and_runner()
    with pytest.raises(InputError, match=r"`temperature`, got \['macro_f1'\]"):
        hook.after_val_epoch(runner, {"macro_f1": 0.5})


def test_a_head_without_a_temperature_is_left_alone():
    hook, runner, _ = hook_and_runner()
    runner.model.head = torch.nn.Linear(1, 1)
    hook.after_val_epoch(runner, {"macro_f1": 0.5})
