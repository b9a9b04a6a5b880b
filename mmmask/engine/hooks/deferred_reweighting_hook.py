"""Class weights that begin late, because from the start they hinder learning the features."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmmask.engine.hooks import priorities
from mmmask.engine.unwrap import live_model
from mmmask.errors import InputError


@HOOKS.register_module()
class DeferredReweightingHook(Hook):
    """Let each class weigh 1 in the losses until an epoch, and its class weight from then on.

    Cao et al. 2019, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    algorithm 1 (DRW), whose second stage began after 160 of 200 epochs. It serves every loss
    with class weights, alone, mixed, or of one attribute. The epoch alone decides, so a resumed
    run has the right weights.

    Args:
        begin: Epochs trained without class weights, a whole number of at least 0.
    """

    priority = priorities.HEAD_SETTING

    def __init__(self, *, begin: int) -> None:
        if not isinstance(begin, int) or begin < 0:
            raise InputError(
                "DeferredReweightingHook must have a whole number of at least 0 as `begin`, "
                f"got {begin!r}"
            )
        self.begin = begin

    def before_train(self, runner: Runner) -> None:
        self.losses = [
            module for module in live_model(runner).modules() if hasattr(module, "set_reweighting")
        ]
        if self.begin >= runner.max_epochs:
            runner.logger.warning(
                f"class weights would begin after epoch {self.begin}, but the run has "
                f"{runner.max_epochs}: they are never used; lower `begin`"
            )

    def before_train_epoch(self, runner: Runner) -> None:
        for loss in self.losses:
            loss.set_reweighting(runner.epoch >= self.begin)
