"""Averaged weights, updated all at once."""

import torch
from mmengine.model import ExponentialMovingAverage
from mmpretrain.registry import MODELS
from torch import nn


@MODELS.register_module()
class ForeachExponentialMovingAverage(ExponentialMovingAverage):
    """MMEngine's average of weights, with one call for all tensors in place of one for each.

    ``average = (1 - momentum) * average + momentum * weight``; the numbers are MMEngine's. With
    ``dict(type='EMAHook', ema_type='ForeachExponentialMovingAverage')`` that hook updates it after
    each training step.
    """

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        current = model.state_dict() if self.update_buffers else dict(model.named_parameters())
        averages = list(self.avg_parameters.values())
        weights = [current[name].detach() for name in self.avg_parameters]
        if self.steps == 0:
            torch._foreach_copy_(averages, weights)
        elif self.steps % self.interval == 0:
            pairs = zip(averages, weights, strict=True)  # counters stay, as upstream leaves them
            real = [(average, weight) for average, weight in pairs if average.is_floating_point()]
            torch._foreach_lerp_(*map(list, zip(*real, strict=True)), self.momentum)
        buffers = list(self.module.buffers())
        if buffers and not self.update_buffers:
            torch._foreach_copy_(buffers, list(model.buffers()))
        self.steps += 1
