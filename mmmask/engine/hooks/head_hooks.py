"""What a run tells the head: class counts, when class weights hold, the margin, the temperature.

A head that has no such method is left alone, so one configuration serves every head.
"""

import math
from typing import Any

import pandas as pd
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.datasets import PackInputs
from mmpretrain.registry import HOOKS
from torch import Tensor
from torch.utils.data import Dataset

from mmmask.engine.hooks import priorities
from mmmask.engine.unwrap import heads_with, inner_datasets, live_model
from mmmask.errors import InputError
from mmmask.known import check_known
from mmmask.labels import ATTRIBUTES
from mmmask.models.heads.base import MaskFaceHead
from mmmask.tables import PROBABILITIES


def class_counts(dataset: Dataset) -> Tensor:
    """Return how many photos of each class one epoch of a dataset shows: (C,) float32.

    A dataset of MMPretrain, such as ``CustomDataset``, is asked for all labels; C is then the
    number of ``classes`` in its ``metainfo``, and one more than the largest label at least.
    """
    parts = inner_datasets(dataset, "class_counts", "get_gt_labels")
    return torch.stack([times * _photos_by_class(inner) for inner, times in parts]).sum(
        0, dtype=torch.float32
    )


def _photos_by_class(dataset: Any) -> Tensor:
    if hasattr(dataset, "class_counts"):
        return torch.as_tensor(dataset.class_counts())
    labels = torch.as_tensor(dataset.get_gt_labels())
    return torch.bincount(labels, minlength=len(dataset.metainfo.get("classes") or ()))


def check_can_learn(head: Any, dataset: Dataset) -> None:
    """Refuse photos whose labels are partly known where a head cannot learn from them.

    Raises:
        InputError: The head is none of mmmask, the photos are packed without what is known of them,
            or no photo knows an attribute that the head predicts.
    """
    parts = [
        inner
        for inner, _ in inner_datasets(dataset, "class_counts", "get_gt_labels")
        if "label" in getattr(inner, "samples", ()) and PROBABILITIES[0] not in inner.samples
    ]
    tables = [inner.samples for inner in parts]
    if not any(table["label"].isna().any() for table in tables):
        return
    if any(isinstance(step, PackInputs) for inner in parts for step in inner.pipeline.transforms):
        raise InputError(
            "train_dataloader.dataset.pipeline must end with PackPhoto where labels are partly "
            "known; got PackInputs, which drops what is known"
        )
    if not isinstance(head, MaskFaceHead):
        raise InputError(
            "head.type must be a head of mmmask where labels are partly known; got "
            f"{type(head).__name__}"
        )
    predicted = ATTRIBUTES if head.attribute is None else [head.attribute]
    check_known(pd.concat(tables, ignore_index=True), predicted)


@HOOKS.register_module()
class ClassCountHook(Hook):
    """Call ``head.set_class_counts`` with the counts of the training split, before training.

    Class weights and adaptive margins then follow the split that is really trained on. Of a head
    of MMPretrain, the loss is told, where it is one of ours. A head that cannot learn from the
    split is refused, see :func:`check_can_learn`.
    """

    priority = priorities.HEAD_SETTING

    def before_train(self, runner: Runner) -> None:
        check_can_learn(getattr(live_model(runner), "head", None), runner.train_dataloader.dataset)
        heads = heads_with(runner, "set_class_counts")
        heads += [
            head.loss_module
            for head in heads_with(runner, "loss_module")
            if head not in heads and hasattr(head.loss_module, "set_class_counts")
        ]
        if not heads:
            return
        counts = class_counts(runner.train_dataloader.dataset)
        for head in heads:
            device = next((parameter.device for parameter in head.parameters()), None)
            head.set_class_counts(counts.to(device))


@HOOKS.register_module()
class DeferredReweightingHook(Hook):
    """Let each class weigh 1 in the losses until an epoch, and its class weight from then on.

    Class weights from the start hinder learning the features. Cao et al. 2019, "Learning
    Imbalanced Datasets with Label-Distribution-Aware Margin Loss", algorithm 1 (DRW), whose second
    stage began after 160 of 200 epochs. It serves every loss with class weights, alone, mixed, or
    of one attribute. The epoch alone decides, so a resumed run has the right weights.

    Args:
        begin: Epochs trained without class weights, a whole number of at least 0.
    """

    priority = priorities.HEAD_SETTING

    def __init__(self, *, begin: int) -> None:
        if not isinstance(begin, int) or begin < 0:
            raise InputError(
                "DeferredReweightingHook must have a whole number of at least 0 as `begin`; "
                f"got {begin!r}"
            )
        self.begin = begin

    def before_train(self, runner: Runner) -> None:
        self.losses = [
            module for module in live_model(runner).modules() if hasattr(module, "set_reweighting")
        ]
        if self.begin >= runner.max_epochs:
            runner.logger.warning(
                f"class weights would begin after epoch {self.begin}, but the run has "
                f"{runner.max_epochs}: they are never used; lower `begin`"
            )

    def before_train_epoch(self, runner: Runner) -> None:
        for loss in self.losses:
            loss.set_reweighting(runner.epoch >= self.begin)


def margin_factor(step: int, begin: float, end: float) -> float:
    """Return the share of the margin, 0 to 1, that holds at a step counted from 0.

    It grows linearly over the steps after ``begin`` and is whole from the step before ``end``.
    """
    if step + 1 >= end:
        return 1.0
    return max(0.0, (step + 1 - begin) / (end - begin))


@HOOKS.register_module()
class MarginWarmupHook(Hook):
    """Grow the head's margin linearly over some epochs, step by step.

    From scratch, the full margin hinders the first steps. The factor follows from the step alone,
    so a resumed run has the right one.

    Args:
        begin: Epochs trained without a margin, fractions allowed.
        end: Epochs after which the margin is whole; 0 for no warm-up.
    """

    priority = priorities.HEAD_SETTING

    def __init__(self, *, begin: float = 0.0, end: float) -> None:
        if not 0 <= begin <= end:
            raise InputError(
                f"MarginWarmupHook must have 0 <= `begin` <= `end`; got {begin} and {end}"
            )
        self.begin, self.end = begin, end

    def before_train(self, runner: Runner) -> None:
        self.head: Any = getattr(live_model(runner), "head", None)
        self.steps_per_epoch = len(runner.train_dataloader)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if hasattr(self.head, "set_margin_factor"):
            begin, end = self.begin * self.steps_per_epoch, self.end * self.steps_per_epoch
            self.head.set_margin_factor(margin_factor(runner.iter, begin, end))


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
            runner.logger.warning(
                "temperature is left as it is: no metric states one, as MaskFaceMetric does"
            )
            return
        factor = float(metrics["temperature"])
        if not (math.isfinite(factor) and factor > 0):
            runner.logger.warning(f"temperature is left as it is: its factor is {factor}")
            return
        for head in heads:
            head.temperature.mul_(factor)

    def after_train(self, runner: Runner) -> None:
        self._training = False
