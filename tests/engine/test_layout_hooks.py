from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import Runner
from tiny_engine import tiny_config, train
from torch import nn

from mmmask.engine.hooks import priorities
from mmmask.engine.hooks.layout_hooks import CompileHook


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


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        self.head = nn.Linear(8, 2)


def test_the_backbone_alone_is_compiled_and_gives_the_same() -> None:
    model = Classifier()
    names, photos = list(model.state_dict()), torch.randn(3, 4)
    expected = model.backbone(photos)
    runner: Runner = SimpleNamespace(model=model)
    CompileHook(backend="eager").before_run(runner)
    assert model.backbone._compiled_call_impl is not None
    assert model.head._compiled_call_impl is None
    assert list(model.state_dict()) == names
    torch.testing.assert_close(model.backbone(photos), expected)


def test_it_compiles_for_the_final_layout() -> None:
    assert priorities.MODEL_LAYOUT < CompileHook.priority < 50  # of EMAHook
