"""Train any registered head on frozen features: a second or two in place of epochs of photos."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
import torch
from mmengine.logging import MMLogger
from mmpretrain.registry import MODELS
from numpy.typing import NDArray

from mmmask.errors import DivergedError, InputError
from mmmask.known import classes_of, values_of
from mmmask.labels import ATTRIBUTES
from mmmask.models.feature_training import batch_of, columns_of, tell_counts
from mmmask.models.heads.base import MaskFaceHead

Features = NDArray[np.float32]
#: Epoch -> the rows of its photos, in the order in which they are learned.
Order = Callable[[int], NDArray[np.integer]]
#: Name -> optimizer of parameters, ``lr`` and ``weight_decay``.
OPTIMIZERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "adamw": torch.optim.AdamW,
}


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How a head is trained; the learning rate falls along a cosine to 0.

    The number of steps is fixed: with more or fewer photos, a head trains as long. Of photos that
    are partly known a step takes more, see :func:`photos_per_step`.
    """

    optimizer: str = "sgd"  # with Nesterov's momentum of 0.9; or ``adamw``
    lr: float = 0.1  # learning rate at the start
    weight_decay: float = 0.0  # of all but biases
    steps: int = 80
    batch_size: int = 256
    warmup: float = 0.25  # share of the steps in which a margin grows from 0

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            known = ", ".join(OPTIMIZERS)
            raise InputError(f"training.optimizer must be one of {known}; got {self.optimizer!r}")
        for name, value, right, must in (
            ("lr", self.lr, self.lr > 0, "above 0"),
            ("weight_decay", self.weight_decay, self.weight_decay >= 0, "at least 0"),
            ("steps", self.steps, self.steps >= 1, "at least 1"),
            ("batch_size", self.batch_size, self.batch_size >= 1, "at least 1"),
            ("warmup", self.warmup, 0 <= self.warmup <= 1, "from 0 to 1"),
        ):
            if not right:
                raise InputError(f"training.{name} must be {must}; got {value!r}")


@dataclass(frozen=True)
class TrainedHead:
    """A head with the scale of the features that it learned from.

    Attributes:
        head: The head, of standardised features.
        mean: (D,) of the training photos.
        deviation: (D,) of the training photos; infinite where a feature is constant.
    """

    head: Any
    mean: Features
    deviation: Features

    @torch.no_grad()
    def __call__(self, features: Features) -> Features:
        """Return the probabilities of features, (N, D) -> (N, C)."""
        scaled = torch.as_tensor((features - self.mean) / self.deviation)
        return self.head.eval().predict((scaled,), None).pred_score.numpy()


def train_head(
    config: Mapping[str, Any],
    features: Features,
    samples: pd.DataFrame,
    schedule: Schedule,
    *,
    seed: int,
    order: Order | None = None,
) -> TrainedHead:
    """Train a head of mmmask on features, which are standardised first.

    Cosine heads need that too: on raw features all photos point the same way. Class weights and
    adaptive margins follow the counts of the photos, whatever the order draws of them.

    Args:
        config: Of the head; ``in_channels`` is set to D.
        features: (N, D) of the training photos.
        samples: Their rows, with ``label`` and perhaps ``fits``, ``weight`` and ages or their
            ranges.
        schedule: Rate, decay, steps.
        seed: Of the weights' start, of dropout, and of the order.
        order: None: each photo once in each epoch, shuffled.

    Raises:
        InputError: The head is none of mmmask, or no photo knows an attribute that it predicts.
        DivergedError: The loss is not finite.
    """
    head = _start(config, features.shape[1], seed)
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation[deviation < 1e-6 * (1 + np.abs(mean))] = np.inf  # a constant says nothing
    scaled = torch.as_tensor((features - mean) / deviation)
    columns = columns_of(samples)
    tell_counts(head, samples)
    if order is None:
        random = np.random.default_rng(seed)
        order = lambda _: random.permutation(len(samples))  # noqa: E731
    attributes = ATTRIBUTES if head.attribute is None else [head.attribute]
    rows = _batches(order, photos_per_step(samples, schedule.batch_size, attributes))
    weights = [value for value in head.parameters() if value.ndim > 1]
    biases = [value for value in head.parameters() if value.ndim <= 1]
    optimizer = OPTIMIZERS[schedule.optimizer](
        [{"params": weights}, {"params": biases, "weight_decay": 0.0}],
        lr=schedule.lr,
        weight_decay=schedule.weight_decay,
    )
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, schedule.steps)
    head.train()
    for step in range(schedule.steps):
        if hasattr(head, "set_margin_factor"):
            grown = (step + 1) / max(schedule.warmup * schedule.steps, 1)
            head.set_margin_factor(min(grown, 1.0))
        batch = torch.as_tensor(next(rows))
        loss = sum(head.loss((scaled[batch],), batch_of(columns, batch)).values())
        if not torch.isfinite(loss):
            raise DivergedError(
                f"the loss of {type(head).__name__} is {loss.item()}; lower training.lr"
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
    return TrainedHead(head, mean, deviation)


def photos_per_step(samples: pd.DataFrame, batch_size: int, attributes: Iterable[str]) -> int:
    """Return how many photos a step takes so that as many know each attribute as the batch size.

    Where few photos know an attribute, few of a batch would: its classifier would learn from noisy
    means, and from each photo fewer times. It is at most all photos, or the batch size.
    """
    if "fits" not in samples:
        return batch_size
    values = values_of(classes_of(samples))
    share = min((~values[name].all(axis=1)).mean() for name in attributes)
    return min(ceil(batch_size / share), max(len(samples), batch_size))


def _start(config: Mapping[str, Any], width: int, seed: int) -> Any:
    """Return a head of ``width`` features with the weights that the seed gives it."""
    torch.manual_seed(seed)
    head = MODELS.build({**config, "in_channels": width})
    if not isinstance(head, MaskFaceHead):
        raise InputError(f"head.type must be a head of mmmask; got {type(head).__name__}")
    log = MMLogger.get_current_instance()
    level = log.level
    log.setLevel("ERROR")  # MMEngine tells each layer
    head.init_weights()
    log.setLevel(level)
    return head


def _batches(order: Order, size: int) -> Iterator[NDArray[np.integer]]:
    """Yield batches of rows without end; the last of an epoch takes the first of the next."""
    epoch, rows = 0, order(0)
    while True:
        while len(rows) < size:
            epoch += 1
            rows = np.concatenate([rows, order(epoch)])
        yield rows[:size]
        rows = rows[size:]
