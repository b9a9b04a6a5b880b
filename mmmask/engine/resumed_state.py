"""Is the training state of a checkpoint whole? MMEngine and torch take it as it is.

Weights that are missing would stay random, and a state of another form would end the training at
its first step, or give a step of another size.
"""

import math
from collections.abc import Mapping
from typing import Any

from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor, nn

from mmmask.engine.checkpoints import check_numbers
from mmmask.engine.unwrap import live_model
from mmmask.errors import InputError
from mmmask.json_files import check_kinds, shown

#: What hooks keep in MMEngine's message hub -> its type.
_KINDS = {
    "message_hub.runtime_info.keep_ckpt_ids": list[int],
    "message_hub.runtime_info.best_ckpt_ids": list[int],
    "message_hub.runtime_info.early_stopping": dict,
    "message_hub.runtime_info.early_stopping.wait_count": int,
    "message_hub.runtime_info.early_stopping.stopped": bool,
}
#: Moments of Adam and of gradient descent, in the shape of their parameter.
_SHAPED = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer")


def check_state(runner: Runner, checkpoint: dict[str, Any], path: str | None) -> None:
    """Refuse to go on from a state that is not of the form of the runner's own.

    Args:
        runner: Its model, optimizer and schedulers are built.
        checkpoint: As :func:`mmmask.engine.checkpoints.load_checkpoint_file` returns it; of the
            same settings as the runner.
        path: What messages call it.

    Raises:
        InputError: Names the part, what is allowed and what was found.
    """
    where = f"{path}: no run can go on from it"
    check_kinds(checkpoint, _KINDS, where)
    _check_progress(runner, checkpoint["meta"], where)
    _check_weights(live_model(runner), checkpoint["state_dict"], where)
    optimizer = checkpoint["optimizer"]
    _check_alike(runner.optim_wrapper.state_dict(), optimizer, f"{where}: optimizer")
    plans = runner.param_schedulers or []
    if isinstance(plans, list):
        own = [one.state_dict() for one in plans]
        _check_alike(own, checkpoint.get("param_schedulers", []), f"{where}: param_schedulers")
    if "state" in optimizer:  # not one of several
        groups = runner.optim_wrapper.param_groups
        _check_moments(optimizer["state"], groups, where)
        if checkpoint["meta"]["iter"] and not optimizer["state"] and any(map(_has_moments, groups)):
            raise InputError(
                f"{where}: optimizer.state must have the moments of parameters; got none"
            )


def _check_progress(runner: Runner, meta: Mapping[str, Any], where: str) -> None:
    epoch, step = meta["epoch"], meta["iter"]
    if not 0 <= epoch <= runner.max_epochs:
        raise InputError(f"{where}: meta.epoch must be from 0 to {runner.max_epochs}; got {epoch}")
    loop = runner.train_loop
    if isinstance(loop, EpochBasedTrainLoop):
        steps = len(loop.dataloader)
        if not epoch * steps <= step < (epoch + 1) * steps:
            raise InputError(f"{where}: meta.iter must be {epoch * steps}; got {step}")
    seed = runner.cfg.get("randomness", {}).get("seed")
    if seed is not None and meta.get("seed", seed) != seed:
        raise InputError(f"{where}: meta.seed must be {seed}; got {shown(meta['seed'])}")


def _check_weights(model: nn.Module, given: Mapping[str, Any], where: str) -> None:
    own = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    for name in sorted({*own} - {*given}):
        raise InputError(f"{where}: state_dict lacks {name}")
    check_numbers(own, given, where)


def _check_alike(own: Any, given: Any, where: str) -> None:
    """Refuse another form than that of the same thing as it begins; versions may add names."""
    if isinstance(own, Mapping):
        alike = isinstance(given, Mapping)
        for name in {*own} & {*given} if alike else ():
            _check_alike(own[name], given[name], f"{where}.{name}")
    elif isinstance(own, (list, tuple)):
        alike = isinstance(given, (list, tuple)) and len(own) == len(given)
        for number, pair in enumerate(zip(own, given, strict=True)) if alike else ():
            _check_alike(*pair, f"{where}.{number}")
    elif isinstance(own, (int, float, Tensor)):  # a flag may stand for None, which is its default
        alike = given is None or _is_number(given)
    else:
        alike = own is None or isinstance(given, type(own))
    if not alike:
        wanted = "a number" if isinstance(own, (int, float, Tensor)) else type(own).__name__
        count = f" of {len(own)}" if isinstance(own, (list, tuple)) else ""
        found = f"{len(given)}" if isinstance(given, type(own)) and count else shown(given)
        raise InputError(f"{where} must be {wanted}{count}; got {found}")


def _is_number(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.numel() == 1 and bool(value.isfinite())
    return isinstance(value, (int, float)) and math.isfinite(value)


def _has_moments(group: Mapping[str, Any]) -> bool:
    return bool(group.get("momentum")) or "betas" in group


def _check_moments(state: Any, groups: list[dict], where: str) -> None:
    """Refuse moments of gradients that are not one set for each parameter that has some."""
    parameters = [one for group in groups for one in group["params"]]
    if not isinstance(state, Mapping):
        raise InputError(f"{where}: optimizer.state must be a mapping; got {shown(state)}")
    names: dict[bool, set[str]] = {}  # of matrices, of which some optimizers keep other ones
    for number, moments in state.items():
        here = f"{where}: optimizer.state.{shown(number)}"
        if not isinstance(moments, Mapping) or number not in range(len(parameters)):
            raise InputError(f"{here} must be the moments of a parameter; got {shown(moments)}")
        parameter = parameters[number]
        if {*moments} != names.setdefault(parameter.ndim > 1, {*moments}):
            raise InputError(f"{here} must have the same moments as other parameters")
        for name, value in moments.items():
            shaped = name not in _SHAPED or getattr(value, "shape", None) == parameter.shape
            if value is not None and not (shaped and isinstance(value, (Tensor, int, float))):
                raise InputError(
                    f"{here}.{name} must have the shape of its parameter; got {shown(value)}"
                )
