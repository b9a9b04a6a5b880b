"""Log losses without waiting for the device at each step."""

from typing import Any

import torch
from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import Tensor

from mmmask.errors import InputError


@HOOKS.register_module()
class DeferredInfoHook(RuntimeInfoHook):
    """Hand losses and gradient norm to the message hub every few steps, all of them, in order.

    Upstream reads each loss as a number at each step, so the host waits for the device before it
    can launch the next step. Here they stay tensors until ``interval`` steps have gathered, and
    are read in one copy. What is logged is the same.

    Args:
        interval: Steps between two readings. The logger's should be a multiple of it.
    """

    def __init__(self, *, interval: int = 10) -> None:
        super().__init__()
        if interval < 1:
            raise InputError(f"runtime_info `interval` must be at least 1; got {interval}")
        self.interval = interval
        self._waiting: list[tuple[str, Tensor]] = []

    def before_train_epoch(self, runner: Runner) -> None:
        super().before_train_epoch(runner)
        self._waiting.clear()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        values = dict(outputs or {})
        norm = getattr(runner.optim_wrapper, "gradient_norm", None)  # of AsyncOptimWrapper
        if norm is not None:
            values["grad_norm"] = norm
        for name, value in values.items():
            if isinstance(value, Tensor):
                self._waiting.append((f"train/{name}", value.detach()))
            else:
                runner.message_hub.update_scalar(f"train/{name}", value)
        last = self.end_of_epoch(runner.train_dataloader, batch_idx)
        if self._waiting and (last or self.every_n_inner_iters(batch_idx, self.interval)):
            names, tensors = zip(*self._waiting, strict=True)
            for name, number in zip(names, torch.stack(tensors).tolist(), strict=True):
                runner.message_hub.update_scalar(name, number)
            self._waiting.clear()
