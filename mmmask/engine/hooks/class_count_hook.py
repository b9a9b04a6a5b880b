"""Tell the head how many training photos each class has."""

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import Tensor
from torch.utils.data import Dataset

from mmmask.engine.hooks import priorities
from mmmask.engine.unwrap import heads_with, inner_datasets


def class_counts(dataset: Dataset) -> Tensor:
    """Return how many photos of each class one epoch of a dataset shows, as float32.

    Shape:
        (18,) for the joint classes.
    """
    parts = inner_datasets(dataset, "class_counts")
    return torch.stack(
        [times * torch.as_tensor(inner.class_counts()) for inner, times in parts]
    ).sum(0, dtype=torch.float32)


@HOOKS.register_module()
class ClassCountHook(Hook):
    """Call ``head.set_class_counts`` with the counts of the training split, before training.

    Class weights and adaptive margins then follow the split that is really trained on. A head
    without that method is left alone, so one configuration serves every head.
    """

    priority = priorities.HEAD_SETTING

    def before_train(self, runner: Runner) -> None:
        heads = heads_with(runner, "set_class_counts")
        if not heads:
            return
        counts = class_counts(runner.train_dataloader.dataset)
        for head in heads:
            device = next((parameter.device for parameter in head.parameters()), None)
            head.set_class_counts(counts.to(device))
