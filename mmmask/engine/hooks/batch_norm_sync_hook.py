"""One running mean and variance for all processes."""

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmmask.engine.hooks import priorities
from mmmask.engine.unwrap import model_and_copies


@torch.no_grad()
def average_batch_norms(model: nn.Module) -> None:
    """Replace the running statistics of each batch norm by their mean over the processes."""
    statistics = [
        statistic
        for module in model.modules()
        if isinstance(module, _BatchNorm)
        for statistic in (module.running_mean, module.running_var)
        if statistic is not None
    ]
    if not statistics:
        return
    flat = torch.cat(statistics)  # one message for all
    all_reduce(flat, op="mean")
    for statistic, mean in zip(
        statistics, flat.split([len(part) for part in statistics]), strict=True
    ):
        statistic.copy_(mean)


@HOOKS.register_module()
class BatchNormSyncHook(Hook):
    """Average the running statistics at the end of each training epoch.

    Each process gathers those of its own photos, and a checkpoint holds those of the first.
    Averaged, every process validates the very model that is stored, and a resumed run starts
    from the same one. MMEngine's SyncBuffersHook leaves out the averaged weights of an EMAHook.
    """

    priority = priorities.BATCH_NORM

    def after_train_epoch(self, runner: Runner) -> None:
        if get_world_size() > 1:
            for model in model_and_copies(runner):
                average_batch_norms(model)
