"""Random numbers that depend on nothing but seed, epoch and process."""

import random
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmmask.engine.hooks import priorities


def seed_everything(seed: int, epoch: int, rank: int) -> None:
    """Seed python, numpy and torch (CPU and every GPU) from the three numbers together."""
    words = np.random.SeedSequence((seed, epoch, rank)).generate_state(3)
    for_python, for_numpy, for_torch = (int(word) for word in words)
    random.seed(for_python)
    np.random.seed(for_numpy)  # noqa: NPY002 - the global state is what transforms may draw from
    torch.manual_seed(for_torch)


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Reseed at the first step of each epoch, so that a resumed epoch draws the same numbers.

    At the first step and not at the start of the epoch: making the iterator of a dataloader
    draws from the same generators, and a resumed run makes it where another reuses its own.
    """

    priority = priorities.EPOCH_SEED

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if batch_idx == 0:
            seed_everything(runner.seed, runner.epoch, runner.rank)
