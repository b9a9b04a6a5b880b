import torch
from torch import nn

from mmmask.engine.hooks import batch_norm_sync_hook
from mmmask.engine.hooks.batch_norm_sync_hook import average_batch_norms


def net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 1),
        nn.Sequential(nn.BatchNorm2d(4), nn.BatchNorm2d(4, track_running_stats=False)),
        nn.BatchNorm1d(2),
        nn.GroupNorm(1, 2),
    )


def test_every_running_mean_and_variance_becomes_the_mean_over_the_processes(monkeypatch):
    one, other = net(), net()
    for number, model in enumerate((one, other)):
        for norm in (model[1][0], model[2]):
            norm.running_mean.normal_()
            norm.running_var.fill_(1 + 2 * number)
    expected = [(one[1][0].running_mean + other[1][0].running_mean) / 2]
    theirs = [model_part for norm in (other[1][0], other[2]) for model_part in norm_parts(norm)]

    def mean_of_two(flat, op):
        assert op == "mean"
        flat.add_(torch.cat(theirs)).div_(2)

    monkeypatch.setattr(batch_norm_sync_hook, "all_reduce", mean_of_two)
    weight = one[1][0].weight.clone()
    average_batch_norms(one)
    assert torch.equal(one[1][0].running_mean, expected[0])
    assert one[1][0].running_var.tolist() == [2] * 4
    assert one[2].running_var.tolist() == [2] * 2
    assert torch.equal(one[1][0].weight, weight)


def norm_parts(norm: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    return norm.running_mean, norm.running_var


def test_a_model_without_batch_norm_sends_nothing(monkeypatch):
    monkeypatch.setattr(batch_norm_sync_hook, "all_reduce", None)
    average_batch_norms(nn.Linear(2, 2))
