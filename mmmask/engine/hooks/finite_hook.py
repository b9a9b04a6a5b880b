"""End a run that diverges, before anything of it is kept."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.dist import all_gather_object, all_reduce, get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import Tensor, nn

from mmmask.engine.hooks import priorities
from mmmask.engine.prefetch import tensors_of
from mmmask.engine.unwrap import model_and_copies
from mmmask.errors import DivergedError, InputError

#: Steps between two looks at losses and weights.
_INTERVAL = 10
#: Steps in a row whose loss is not finite, after which a gradient scaler will not recover.
_LASTING = 10


class _Step(NamedTuple):
    """A training step; it and its epoch are counted from 1."""

    number: int
    epoch: int
    rate: float  # learning rate, that of the first weights where weights have several

    def __str__(self) -> str:
        return f"step {self.number} (epoch {self.epoch}), learning rate {self.rate:.3g}"


@HOOKS.register_module()
class FiniteHook(Hook):
    """Stop a run whose loss or weights are infinite or NaN, by a :class:`DivergedError`.

    It looks every 10 steps, after each training epoch, around each validation, at the end, and
    before a checkpoint is written. Between two looks the losses stay on the device, so no step
    waits for it. Weights are all that a checkpoint holds of the model and of the averaged copies
    of EMA hooks, running statistics of batch norms among them; after an epoch, the optimizer's
    state too. A buffer that is infinite before the first step, as a mask may be, is left alone.

    A gradient scaler, as float16 needs it, skips steps whose gradients overflow. That leaves the
    weights as they are and is no divergence, even where the loss overflows too: with a scaler,
    such losses count only from 10 steps in a row on. Running statistics that an overflow has
    spoiled stay spoiled, and count at once.

    With several processes all look at the same time, and what one finds stops all with the same
    error. No bit of a training changes. It works in any config of MMPretrain, by
    ``custom_hooks = [dict(type="FiniteHook")]``.
    """

    priority = priorities.FINITE

    def __init__(self) -> None:
        self._training = False

    def before_train(self, runner: Runner) -> None:
        """Refuse to start from weights that are not finite."""
        weights = _weights(runner)
        largest = dict(zip(weights, _read([], weights.values())[1], strict=True))
        self._left_alone = {
            name
            for name, value in largest.items()
            if value == math.inf and not isinstance(weights[name], nn.Parameter)
        }
        spoiled = [name for name in _not_finite(largest) if name not in self._left_alone]
        if spoiled:
            source = runner.cfg.get("load_from") or runner.cfg.get("pretrained") or "config"
            raise InputError(
                f"{source}: the weights to start from must be finite numbers; {len(spoiled)} of "
                f"{len(largest)} tensors hold others, such as {spoiled[0]}"
            )
        self._unread: dict[_Step, Tensor] = {}  # losses on their device
        self._last = _step(runner), math.nan
        # The last steps, as far back as none of their losses is finite.
        self._bad: list[tuple[_Step, float]] = []
        self._tolerated = _LASTING - 1 if _has_scaler(runner) else 0
        # Runs counted in steps may write checkpoints between two looks.
        hooks = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
        self._intervals = [_INTERVAL, *(hook.interval for hook in hooks if not hook.by_epoch)]
        self._training = True

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        loss = (outputs or {}).get("loss")
        if isinstance(loss, Tensor):
            self._unread[_step(runner)] = loss.detach()
        due = any(self.every_n_train_iters(runner, interval) for interval in self._intervals)
        if due or self.is_last_train_iter(runner):
            self._look(runner, _weights(runner))

    def after_train_epoch(self, runner: Runner) -> None:
        self._look(runner, _weights(runner) | _optimizer_state(runner))

    def before_val(self, runner: Runner) -> None:
        if self._training and self._unread:  # in the midst of a run counted in steps
            self._look(runner, _weights(runner))

    def after_val(self, runner: Runner) -> None:
        """Look before checkpoints are written, while all processes are here."""
        if self._training:
            self._look(runner, _weights(runner))

    def after_train(self, runner: Runner) -> None:
        self.after_val(runner)
        self._training = False

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Stop the main process, which alone writes, should another hook have done damage."""
        if self._training:
            found = self._find(_weights(runner))
            if found is not None:
                raise DivergedError(_sentence(runner, found[1]), alone=get_world_size() > 1)

    def _look(self, runner: Runner, tensors: Mapping[str, Tensor]) -> None:
        """Stop all processes by what was first, where one of them finds something."""
        found = self._find(tensors)
        anywhere = torch.tensor(float(found is not None))
        all_reduce(anywhere, op="max")
        if anywhere:
            first = min(one for one in all_gather_object(found) if one is not None)
            raise DivergedError(_sentence(runner, first[1]))

    def _find(self, tensors: Mapping[str, Tensor]) -> tuple[int, str] | None:
        """Say what is not finite among the losses since the last look and ``tensors``.

        The number of the step comes with it; None where all is well.
        """
        watched = {name: one for name, one in tensors.items() if name not in self._left_alone}
        losses, largest = _read(self._unread.values(), watched.values())
        steps, self._unread = self._unread, {}
        for step, loss in zip(steps, losses, strict=True):
            self._last = step, loss
            self._bad = [] if math.isfinite(loss) else [*self._bad, self._last]
            if len(self._bad) > self._tolerated:
                first, loss = self._bad[0]
                return first.number, f"loss {loss:g} at {first}"
        spoiled = _not_finite(dict(zip(watched, largest, strict=True)))
        if not spoiled:
            return None
        step, loss = self._last
        return step.number, f"{spoiled[0]} not finite by {step}, loss {loss:g}"


def _step(runner: Runner) -> _Step:
    rates = runner.optim_wrapper.get_lr()
    rate = rates.get("base_lr") or next(iter(rates.values()))
    return _Step(runner.iter + 1, runner.epoch + 1, rate[0])


def _weights(runner: Runner) -> dict[str, Tensor]:
    """Return name -> what checkpoints hold of the model and of its averaged copies."""
    model, *copies = model_and_copies(runner)
    named = model.state_dict(keep_vars=True)
    for copy in copies:
        averaged = copy.state_dict(keep_vars=True)
        named |= {f"averaged {name}": tensor for name, tensor in averaged.items()}
    return {name: one for name, one in named.items() if _can_spoil(one)}


def _optimizer_state(runner: Runner) -> dict[str, Tensor]:
    """Return name -> the tensors that optimizers keep of weights, such as momentum."""
    named = enumerate(tensors_of(runner.optim_wrapper.state_dict()))
    return {
        f"optimizer state {place}": tensor
        for place, tensor in named
        if _can_spoil(tensor) and tensor.dim() > 0  # counters of steps stay with the host
    }


def _can_spoil(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.numel() > 0


@torch.no_grad()
def _read(losses: Iterable[Tensor], tensors: Iterable[Tensor]) -> tuple[list[float], list[float]]:
    """Return losses as numbers, and the largest magnitude in each tensor, NaN where one is NaN.

    All are copied from the device at once, so it is waited for once.
    """
    losses, largest = list(losses), torch._foreach_norm(list(tensors), math.inf)
    device = largest[0].device
    numbers = torch.stack([number.to(device) for number in (*losses, *largest)]).tolist()
    return numbers[: len(losses)], numbers[len(losses) :]


def _not_finite(largest: Mapping[str, float]) -> list[str]:
    return [name for name, value in largest.items() if not math.isfinite(value)]


def _has_scaler(runner: Runner) -> bool:
    """Say whether the optimizer wrapper, MMEngine's or ours, skips steps that overflow."""
    scalers = (getattr(runner.optim_wrapper, name, None) for name in ("loss_scaler", "scaler"))
    return any(scaler is not None and scaler.is_enabled() for scaler in scalers)


def _sentence(runner: Runner, found: str) -> str:
    """Return what was found, what is left of the run, and what may help."""
    pointer = Path(runner.work_dir) / "last_checkpoint"
    left = f"{runner.work_dir} has no checkpoint yet"
    if pointer.is_file():
        left = f"last good checkpoint: {pointer.parent / Path(pointer.read_text().strip()).name}"
    advice = ["a lower optim_wrapper.optimizer.lr"]
    if not getattr(runner.optim_wrapper, "clip_grad_kwargs", None):
        advice.append("optim_wrapper.clip_grad=dict(max_norm=5.0)")
    if _has_scaler(runner):
        advice.append("bfloat16 or full precision in place of float16")
    return f"{found}; the training diverged; {left}; try {' or '.join(advice)}"
