from types import SimpleNamespace

import torch
from mmengine.runner import Runner
from torch import nn

from mmmask.engine.hooks import priorities
from mmmask.engine.hooks.compile_hook import CompileHook


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
