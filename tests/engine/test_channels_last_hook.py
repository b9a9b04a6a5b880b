import pytest
import torch
from mmengine.runner import Runner
from tiny_engine import tiny_config, train


def test_weights_and_their_averaged_copy_are_stored_channels_last(tmp_path):
    config = tiny_config(tmp_path, epochs=1)
    config.custom_hooks = [*config.custom_hooks, {"type": "ChannelsLastHook"}]
    runner = train(config)
    (ema,) = (hook for hook in runner.hooks if hasattr(hook, "ema_model"))
    for net in (runner.model, ema.ema_model.module):
        assert net.conv.weight.is_contiguous(memory_format=torch.channels_last)
        assert not net.conv.weight.is_contiguous()


def test_predictions_stay_the_same(tmp_path):
    config = tiny_config(tmp_path)
    plain = Runner.from_cfg(config)
    config.custom_hooks = [{"type": "ChannelsLastHook"}]
    config.experiment_name = "channels last"
    last = Runner.from_cfg(config)
    last.model.load_state_dict(plain.model.state_dict())
    assert last.val()["macro_f1"] == pytest.approx(plain.val()["macro_f1"], rel=1e-5)
