"""Optimizer wrappers: one that never asks the device for a number, one for mixed precision."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmpretrain.registry import OPTIM_WRAPPERS
from torch import Tensor, nn
from torch.optim import Optimizer

from mmmask.errors import InputError

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


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


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(AsyncOptimWrapper):
    """Run forward pass and loss under ``torch.autocast``, on CPUs too, which MMEngine's refuses.

    float16 has too small a range for gradients, so its loss is scaled up before the backward
    pass and the gradients down before clipping (Micikevicius et al., ICLR 2018). A step whose
    gradients overflow is skipped and the scale halved.

    Args:
        optimizer: The optimizer wrapped.
        dtype: ``"bfloat16"``, or ``"float16"`` for GPUs older than Ampere.
        **kwargs: ``accumulative_counts`` and ``clip_grad``, as ``OptimWrapper`` has them.
    """

    def __init__(self, optimizer: Optimizer, *, dtype: str = "bfloat16", **kwargs: Any) -> None:
        if dtype not in _DTYPES:
            raise InputError(
                f"optim_wrapper.dtype must be one of {', '.join(_DTYPES)}; got {dtype!r}"
            )
        super().__init__(optimizer, **kwargs)
        self.dtype = _DTYPES[dtype]
        self.device_type = optimizer.param_groups[0]["params"][0].device.type
        if (
            self.device_type == "cuda"
            and dtype == "bfloat16"
            and not torch.cuda.is_bf16_supported(including_emulation=False)
        ):
            raise InputError("optim_wrapper.dtype must be 'float16' on this GPU; got 'bfloat16'")
        self.scaler = torch.amp.GradScaler(self.device_type, enabled=dtype == "float16")

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with super().optim_context(model), torch.autocast(self.device_type, self.dtype):
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        super().backward(self.scaler.scale(loss), **kwargs)

    def step(self, **kwargs: Any) -> None:
        if self.clip_grad_kwargs:
            self.scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.scaler.step(self.optimizer, **kwargs)
        self.scaler.update()

    def state_dict(self) -> dict:
        return {**super().state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state_dict: dict) -> None:
        scaler = state_dict.pop("scaler", None)
        if scaler:  # empty in a bfloat16 run
            self.scaler.load_state_dict(scaler)
        super().load_state_dict(state_dict)
