"""Load photos whose augmentation is decided by their own seeds, in any process."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import get_worker_info

from mmmask.datasets.sampler import Draw


def load_draws(
    pipeline: Callable[[dict], Any], info: Callable[[int], dict], draws: Sequence[int | Draw]
) -> list[Any]:
    """Return the photos of a batch: each run through the pipeline under the seed of its draw.

    Args:
        pipeline: The transforms.
        info: Row -> what the pipeline starts from.
        draws: Rows, or draws that know a seed.
    """
    photos = []
    with own_generators():
        for draw in draws:
            if isinstance(draw, Draw):
                seed_generators(draw.seed)
                photos.append(pipeline({**info(draw.row), "repeat": draw.repeat}))
            else:
                photos.append(pipeline(info(draw)))
    return photos


def seed_generators(seed: int) -> None:
    """Seed the global generators, which are what OpenMMLab's transforms draw from."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)


@contextmanager
def own_generators() -> Iterator[None]:
    """Give the main process its generators back as they were; a worker has none to lose."""
    if get_worker_info() is not None:
        yield
        return
    saved = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(saved[0])
        np.random.set_state(saved[1])  # noqa: NPY002
        torch.set_rng_state(saved[2])
