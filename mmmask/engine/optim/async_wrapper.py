"""An optimizer wrapper that never asks the device for a number."""

from mmengine.optim import OptimWrapper
from mmpretrain.registry import OPTIM_WRAPPERS
from torch import Tensor


@OPTIM_WRAPPERS.register_module()
class AsyncOptimWrapper(OptimWrapper):
    """MMEngine's wrapper, whose gradient norm stays a tensor; ``DeferredInfoHook`` logs it.

    Upstream reads the norm at each step to log it, and so waits for the device.

    Attributes:
        gradient_norm: Norm before clipping, of the last step that clipped; None before one.
    """

    gradient_norm: Tensor | None = None

    def _clip_grad(self) -> None:
        groups = self.optimizer.param_groups
        parameters = [p for group in groups for p in group["params"] if p.grad is not None]
        if parameters:
            norm = self.clip_func(parameters, **self.clip_grad_kwargs)
            self.gradient_norm = None if norm is None else norm.detach()  # None: clipped by value
