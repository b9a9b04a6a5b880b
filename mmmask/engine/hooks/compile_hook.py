"""Compile the backbone, on request."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmmask.engine.hooks import priorities
from mmmask.engine.unwrap import live_model


@HOOKS.register_module()
class CompileHook(Hook):
    """Compile the backbone with ``torch.compile`` before the run; the first step pays for it.

    The backbone alone: it has nearly all of the arithmetic and no data-dependent control flow,
    while heads and losses handle labels that come in more than one form. Weights keep their
    names, so checkpoints fit a run without the hook. Where compiling fails (it needs a C++
    compiler on a CPU) torch says so at the first step.

    Args:
        **options: Of ``torch.compile``, such as ``mode='max-autotune'``.
    """

    priority = priorities.COMPILE

    def __init__(self, **options: Any) -> None:
        self.options = options

    def before_run(self, runner: Runner) -> None:
        live_model(runner).backbone.compile(**self.options)
