import copy

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from torch import nn

from mmmask.models.averaging import ForeachExponentialMovingAverage


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def change(model: nn.Module) -> None:
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(torch.randn(tensor.shape).to(tensor.dtype) + 1)


@pytest.mark.parametrize("update_buffers", [False, True])
@pytest.mark.parametrize("interval", [1, 3])
def test_the_average_is_mmengines_bit_for_bit(update_buffers: bool, interval: int) -> None:
    model = network()
    options = {"momentum": 0.1, "interval": interval, "update_buffers": update_buffers}
    ours = ForeachExponentialMovingAverage(copy.deepcopy(model), **options)
    theirs = ExponentialMovingAverage(copy.deepcopy(model), **options)
    for _ in range(7):
        change(model)
        ours.update_parameters(model)
        theirs.update_parameters(model)
    assert ours.steps == theirs.steps == 7
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name


def test_a_model_without_buffers_is_averaged() -> None:
    model = nn.Linear(2, 2)
    average = ForeachExponentialMovingAverage(copy.deepcopy(model), momentum=0.5)
    start = model.weight.detach().clone()
    average.update_parameters(model)
    with torch.no_grad():
        model.weight.add_(2)
    average.update_parameters(model)
    torch.testing.assert_close(average.module.weight, start + 1)
