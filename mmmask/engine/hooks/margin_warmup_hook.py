"""A margin that grows from 0, because from scratch the full margin hinders the first steps."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmmask.engine.hooks import priorities
from mmmask.engine.unwrap import live_model
from mmmask.errors import InputError


def margin_factor(step: int, begin: float, end: float) -> float:
    """Return the share of the margin, 0 to 1, that holds at a step counted from 0.

    It grows linearly over the steps after ``begin`` and is whole from the step before ``end``.
    """
    if step + 1 >= end:
        return 1.0
    return max(0.0, (step + 1 - begin) / (end - begin))


@HOOKS.register_module()
class MarginWarmupHook(Hook):
    """Grow the head's margin linearly over some epochs, step by step.

    The factor follows from the step alone, so a resumed run has the right one. A head without a
    margin is left alone, so one configuration serves every head.

    Args:
        begin: Epochs trained without a margin, fractions allowed.
        end: Epochs after which the margin is whole; 0 for no warm-up.
    """

    priority = priorities.HEAD_SETTING

    def __init__(self, *, begin: float = 0.0, end: float) -> None:
        if not 0 <= begin <= end:
            raise InputError(
                f"MarginWarmupHook must have 0 <= `begin` <= `end`, got {begin} and {end}"
            )
        self.begin, self.end = begin, end

    def before_train(self, runner: Runner) -> None:
        self.head: Any = getattr(live_model(runner), "head", None)
        self.steps_per_epoch = len(runner.train_dataloader)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if hasattr(self.head, "set_margin_factor"):
            begin, end = self.begin * self.steps_per_epoch, self.end * self.steps_per_epoch
            self.head.set_margin_factor(margin_factor(runner.iter, begin, end))
