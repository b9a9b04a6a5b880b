"""Keep the first layers of a backbone as they were pretrained."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import nn

from mmmask.engine.hooks import priorities
from mmmask.engine.unwrap import live_model, wrap_again
from mmmask.errors import InputError
from mmmask.models.layers import depths


def frozen_weights(backbone: nn.Module, share: float) -> set[nn.Parameter]:
    """Return the weights that lie in the first ``share`` of a backbone's depth."""
    by_name, head = depths(backbone)
    named = dict(backbone.named_parameters())
    return {named[name] for name, depth in by_name.items() if share == 1 or depth < share * head}


def modules_within(backbone: nn.Module, weights: set[nn.Parameter]) -> list[nn.Module]:
    """Return the modules that have weights, all of them among ``weights``."""
    return [
        module
        for module in backbone.modules()
        if (own := set(module.parameters())) and own <= weights
    ]


@HOOKS.register_module()
class FreezingHook(Hook):
    """Train without the backbone's first layers, or without all of it.

    Frozen weights get no gradient, so neither momentum nor weight decay moves them. Frozen
    layers stay in evaluation mode: batch norms keep their statistics, dropout is off.

    Args:
        share: How much of the backbone's depth is frozen, above 0; 1 trains the head alone.
        epochs: For how many epochs; None for all of them. What is thawed later starts with the
            learning rate that the schedule has come to.
    """

    priority = priorities.FREEZING

    def __init__(self, *, share: float, epochs: int | None = None) -> None:
        if not 0 < share <= 1:
            raise InputError(f"freezing `share` must be above 0 and at most 1; got {share}")
        if epochs is not None and epochs < 1:
            raise InputError(f"freezing `epochs` must be at least 1 or None; got {epochs}")
        self.share, self.epochs = share, epochs
        self._weights: set[nn.Parameter] = set()
        self._modules: list[nn.Module] = []

    def before_run(self, runner: Runner) -> None:
        """Freeze before anything else looks at which weights are trained."""
        backbone = live_model(runner).backbone
        self._weights = frozen_weights(backbone, self.share)
        self._modules = modules_within(backbone, self._weights)
        self._set_trained(runner, trained=False)

    def before_train_epoch(self, runner: Runner) -> None:
        if self._weights and self.epochs is not None and runner.epoch >= self.epochs:
            self._set_trained(runner, trained=True)
            self._weights, self._modules = set(), []

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if batch_idx == 0:  # the train loop has put the whole model into training mode
            for module in self._modules:
                module.eval()

    def _set_trained(self, runner: Runner, *, trained: bool) -> None:
        for weight in self._weights:
            weight.requires_grad_(trained)
        wrap_again(runner)  # a distributed wrapper waits for the weights it was made with
