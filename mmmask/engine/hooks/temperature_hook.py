"""Keep the head's softmax temperature at what the validation photos ask for."""

import math

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmmask.engine.hooks import priorities
from mmmask.engine.unwrap import heads_with
from mmmask.errors import InputError


@HOOKS.register_module()
class TemperatureHook(Hook):
    """Multiply ``head.temperature`` with the factor that the metric fitted, after a validation.

    The metric states ``temperature`` relative to the probabilities it was given, which already
    carry the head's own, so the product is the new temperature. The averaged copy of an
    EMAHook gets the same one: its weights are those that were validated, and either may be what
    a checkpoint is loaded into. Training does not use the temperature.
    """

    priority = priorities.TEMPERATURE

    def __init__(self) -> None:
        self._training = False

    def before_train(self, runner: Runner) -> None:
        self._training = True

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        heads = heads_with(runner, "temperature")
        if not self._training or not heads:
            return
        if metrics is None or "temperature" not in metrics:
            raise InputError(
                "TemperatureHook needs a metric that states `temperature`, got "
                f"{sorted(metrics or ())}"
            )
        factor = float(metrics["temperature"])
        if not (math.isfinite(factor) and factor > 0):
            runner.logger.warning(f"temperature is left as it is: its factor is {factor}")
            return
        for head in heads:
            head.temperature.mul_(factor)

    def after_train(self, runner: Runner) -> None:
        self._training = False
