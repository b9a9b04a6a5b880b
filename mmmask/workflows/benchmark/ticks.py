"""When each batch of a run was done."""

import time
from typing import Any

import torch
from mmengine.hooks import Hook
from mmpretrain.registry import HOOKS

import mmmask.register  # noqa: F401

#: Seconds since the epoch at which each batch of this process was done.
TICKS: list[float] = []


class EnoughError(Exception):
    """Raised when the batches asked for are done: the shortest way out of a Runner."""


def tick(warmup: int, batches: int) -> None:
    """Note that a batch is done, and stop after ``batches``.

    The device is waited for where timing begins and ends, not in between.
    """
    if len(TICKS) + 1 in (warmup, batches) and torch.cuda.is_available():
        torch.cuda.synchronize()
    TICKS.append(time.time())
    if len(TICKS) >= batches:
        raise EnoughError


@HOOKS.register_module()
class TickHook(Hook):
    """Tick after each batch of training, validation or test."""

    priority = 100  # after the hooks that belong to the run

    def __init__(self, warmup: int, batches: int) -> None:
        self.counts = (warmup, batches)

    def _after_iter(self, *_: Any, **__: Any) -> None:
        tick(*self.counts)
