"""The scores that decide over a run must be scores that its validation has."""

from collections.abc import Iterator
from itertools import chain

import pandas as pd
from mmengine.hooks import EarlyStoppingHook
from mmengine.optim import ReduceOnPlateauParamScheduler
from mmengine.runner import Runner

from mmmask.engine.hooks.checkpoint_hook import ResumableCheckpointHook
from mmmask.engine.unwrap import live_model
from mmmask.errors import InputError
from mmmask.evaluation.metric import MaskFaceMetric
from mmmask.known import truths_of
from mmmask.labels import ATTRIBUTES


def check_monitored(runner: Runner, val: pd.DataFrame) -> None:
    """Refuse a run of which an option names a score that no photo of the validation can have.

    Args:
        runner: Has built its model, hooks, schedules and validation.
        val: Samples of the validation. Where all labels are known, nothing is checked.

    Raises:
        InputError: Names the option and another value.
    """
    metrics = runner.val_loop.evaluator.metrics
    if "fits" not in val or not all(isinstance(one, MaskFaceMetric) for one in metrics):
        return
    attribute = getattr(getattr(live_model(runner), "head", None), "attribute", None)
    values = truths_of(val)
    known = {name for name, truth in values.items() if (truth >= 0).any()}
    for option, score in _options(runner):
        needed = _knowledge(score, attribute)
        if needed is None or needed in known:
            continue
        what = "mask, gender and age together" if needed == "class" else f"the {needed}"
        others = [f"{name}_accuracy" for name in ATTRIBUTES if name in known and attribute is None]
        way = f", or state {option}={' or '.join(others)}" if others else ""
        raise InputError(
            f"{option} is {score!r}, but {what} is known of none of the {len(val)} validation "
            f"photos; hold out photos of which it is known{way}"
        )


def _options(runner: Runner) -> Iterator[tuple[str, str]]:
    """Yield each option that names a score, and that score."""
    for hook in runner.hooks:
        if isinstance(hook, ResumableCheckpointHook) and hook.metric is not None:
            yield "default_hooks.checkpoint.save_best", hook.metric
        elif isinstance(hook, EarlyStoppingHook):
            yield "early_stopping.monitor", hook.monitor
    schedulers = runner.param_schedulers or []
    groups = schedulers.values() if isinstance(schedulers, dict) else [schedulers]
    for number, scheduler in chain.from_iterable(map(enumerate, groups)):
        if isinstance(scheduler, ReduceOnPlateauParamScheduler):
            yield f"param_scheduler.{number}.monitor", scheduler.monitor


def _knowledge(score: str, attribute: str | None) -> str | None:
    """Return what photos must know to have a score of MaskFaceMetric; None of other scores."""
    if attribute is None and score.removesuffix("_accuracy") in ATTRIBUTES:
        return score.removesuffix("_accuracy")
    whole = score in ("macro_f1", "accuracy", "nll") or score.startswith("f1_")
    return (attribute or "class") if whole else None
