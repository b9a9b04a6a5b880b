"""Find the models, heads and datasets that a hook works on inside their wrappers."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from mmengine.dataset import RepeatDataset
from mmengine.hooks import EMAHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import ConcatDataset, Dataset

from mmmask.errors import InputError


def live_model(runner: Runner) -> nn.Module:
    """Return the model that is trained, without its distributed wrapper."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def wrap_again(runner: Runner) -> None:
    """Give the model of several processes a new wrapper, after its weights have changed."""
    if is_model_wrapper(runner.model):
        runner.model = live_model(runner)  # the former wrapper is gone before there is a new one
        runner.model = runner.wrap_model(runner.cfg.get("model_wrapper_cfg"), runner.model)


def classifier_of(model: nn.Module) -> nn.Module:
    """Return the classifier inside the wrappers of several processes and of several views."""
    while hasattr(model, "module"):
        model = model.module
    return model


def model_and_copies(runner: Runner) -> list[nn.Module]:
    """Return the model that is trained and the averaged copies that EMA hooks keep of it."""
    copies = [
        hook.ema_model.module
        for hook in runner.hooks
        if isinstance(hook, EMAHook) and hasattr(hook, "ema_model")
    ]
    return [live_model(runner), *copies]


def heads_with(runner: Runner, attribute: str) -> list[nn.Module]:
    """Return the heads, of the model and of its averaged copies, that have an attribute."""
    heads = (getattr(model, "head", None) for model in model_and_copies(runner))
    return [head for head in heads if hasattr(head, attribute)]


def inner_datasets(dataset: Dataset, *attributes: str) -> Iterator[tuple[Any, int]]:
    """Yield the datasets inside a nest of ``ConcatDataset`` and ``RepeatDataset``.

    With each comes how often an epoch repeats it. One with none of the attributes is refused.
    """
    if isinstance(dataset, ConcatDataset):
        for part in dataset.datasets:
            yield from inner_datasets(part, *attributes)
    elif isinstance(dataset, RepeatDataset):
        for inner, times in inner_datasets(dataset.dataset, *attributes):
            yield inner, times * dataset.times
    elif any(hasattr(dataset, attribute) for attribute in attributes):
        yield dataset, 1
    else:
        raise InputError(
            f"dataset must have `{'` or `'.join(attributes)}`, as MaskFaceDataset has, alone or "
            f"inside ConcatDataset and RepeatDataset; got {type(dataset).__name__}"
        )


def samples_of(dataset: Dataset) -> pd.DataFrame:
    """Return the table ``samples`` of a dataset, or of all those inside its wrappers."""
    tables = [inner.samples for inner, _ in inner_datasets(dataset, "samples")]
    return pd.concat(tables, ignore_index=True)
