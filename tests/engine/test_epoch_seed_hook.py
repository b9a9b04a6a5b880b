import random

import numpy as np
import torch
from mmengine.hooks import Hook
from tiny_engine import tiny_config, train

from mmmask.engine.hooks.epoch_seed_hook import seed_everything


def draws() -> tuple[float, float, float]:
    return random.random(), np.random.rand(), torch.rand(()).item()  # noqa: NPY002


def test_the_same_seed_epoch_and_rank_give_the_same_numbers():
    seed_everything(3, 5, 1)
    first = draws()
    draws()
    seed_everything(3, 5, 1)
    assert draws() == first


def test_seed_epoch_and_rank_each_change_every_generator():
    seen = []
    for numbers in ((3, 5, 1), (4, 5, 1), (3, 6, 1), (3, 5, 0), (5, 3, 1)):
        seed_everything(*numbers)
        seen.append(draws())
    assert all(len(set(column)) == len(seen) for column in zip(*seen, strict=True))


class Draws(Hook):
    def __init__(self):
        self.drawn = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.drawn[runner.epoch, batch_idx] = draws()


def test_an_epoch_draws_the_same_numbers_whatever_came_before(tmp_path):
    whole, resumed = Draws(), Draws()
    train(tiny_config(tmp_path, epochs=2), hooks=[whole])
    config = tiny_config(tmp_path / "again", epochs=2, workers=1)
    train(config, kill={"point": "inside the epoch", "epoch": 2})
    train(config, resume=True, hooks=[resumed])
    second = {place: numbers for place, numbers in whole.drawn.items() if place[0] == 1}
    assert resumed.drawn == second
    assert len(second) == 5
    assert len(set(whole.drawn.values())) == 10
