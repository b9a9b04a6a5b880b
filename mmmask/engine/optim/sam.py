"""Sharpness-aware minimisation: the gradient of a step is taken where the loss nearby is worst."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.model import is_model_wrapper
from mmpretrain.registry import OPTIM_WRAPPERS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from mmmask.engine.optim.wrappers import AsyncOptimWrapper
from mmmask.errors import InputError


@torch.no_grad()
def ascend(parameters: Sequence[Tensor], rho: float) -> list[Tensor]:
    """Move parameters by ``rho * g / ||g||``, in place, and return what they were.

    g is the gradient of all of them together; where it is 0, nothing moves.
    """
    norm = torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm()
    scale = rho / norm.clamp_min(1e-12)
    former = [parameter.clone() for parameter in parameters]
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.add_(parameter.grad * scale)
    return former


@OPTIM_WRAPPERS.register_module()
class SAMOptimWrapper(AsyncOptimWrapper):
    """Step along the gradient at ``w + rho * g / ||g||`` (Foret et al., ICLR 2021, eq. 2 and 3).

    Each step takes two forward and backward passes, so twice the time. The second pass sees the
    same batch with the same dropout, and leaves the statistics of batch norms alone: they are
    those of the weights that are trained. The loss shown is that of the first pass. With several
    processes the ascent follows the mean gradient of all of them; the paper's follows each one's.

    Args:
        optimizer: What makes the step; the paper uses SGD with momentum.
        rho: Radius of the neighbourhood, above 0; the paper's 0.05 is for ImageNet and CIFAR.
        **kwargs: ``clip_grad``, as in MMEngine, for the gradient of the step.

    Raises:
        InputError: ``rho`` is not above 0, or gradients are to be accumulated, where each part
            of the batch would need the gradient of all parts first.
    """

    def __init__(self, optimizer: Optimizer, *, rho: float = 0.05, **kwargs: Any) -> None:
        if not 0 < rho < float("inf"):
            raise InputError(f"optim_wrapper.rho must be above 0; got {rho}")
        if kwargs.get("accumulative_counts", 1) != 1:
            raise InputError(
                "optim_wrapper.accumulative_counts must be 1 with SAMOptimWrapper; got "
                f"{kwargs['accumulative_counts']}"
            )
        super().__init__(optimizer, **kwargs)
        self.rho = rho
        device = optimizer.param_groups[0]["params"][0].device
        self._gpus = [device] if device.type == "cuda" else []
        self._calls: list[tuple[nn.Module, tuple, dict]] = []

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Remember with what the model is called, for the second pass."""

        def remember(module: nn.Module, args: tuple, kwargs: dict) -> None:
            self._calls.append((module, args, kwargs))
            self._random_state = torch.get_rng_state(), [*map(torch.cuda.get_rng_state, self._gpus)]

        self._calls = []
        handle = model.register_forward_pre_hook(remember, with_kwargs=True)
        try:
            with super().optim_context(model):
                yield
        finally:
            handle.remove()

    def update_params(
        self, loss: Tensor, step_kwargs: dict | None = None, zero_kwargs: dict | None = None
    ) -> None:
        """Climb along the gradient of ``loss``, take the gradient there, go back and step."""
        if len(self._calls) != 1:
            raise InputError(
                "SAMOptimWrapper needs a model that makes one forward pass per step; "
                f"got {len(self._calls)}"
            )
        ((model, args, kwargs),) = self._calls
        self._calls = []
        self.backward(loss)
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        former = ascend(parameters, self.rho)
        self.zero_grad(**zero_kwargs or {})
        with torch.random.fork_rng(self._gpus), _batch_norms_kept(model):
            of_cpu, of_gpus = self._random_state
            torch.set_rng_state(of_cpu)
            for gpu, state in zip(self._gpus, of_gpus, strict=True):
                torch.cuda.set_rng_state(state, gpu)
            losses = model(*args, **kwargs)
            inner = model.module if is_model_wrapper(model) else model
            inner.parse_losses(losses)[0].backward()
        with torch.no_grad():
            for parameter, value in zip(parameters, former, strict=True):
                parameter.copy_(value)
        self.step(**step_kwargs or {})
        self.zero_grad(**zero_kwargs or {})


@contextmanager
def _batch_norms_kept(model: nn.Module) -> Iterator[None]:
    """Keep running statistics as they are, though batch norms normalise by the batch."""
    norms = [
        norm
        for norm in model.modules()
        if isinstance(norm, _BatchNorm) and norm.track_running_stats and norm.training
    ]
    for norm in norms:
        norm.track_running_stats = False  # in training, torch then only leaves them alone
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
