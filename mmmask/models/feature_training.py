"""Train what stands behind a frozen backbone on its stored features: seconds per epoch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from mmengine.model import initialize
from numpy.typing import NDArray
from torch import Tensor, nn

from mmmask.errors import DivergedError, InputError
from mmmask.known import ages_of, check_known, class_counts, classes_of, labels_of
from mmmask.labels import ATTRIBUTES
from mmmask.models.hidden_layer import HiddenLayer
from mmmask.structures import SampleBatch, stacked

Features = NDArray[np.floating]
#: Photos that are put through frozen layers at once.
_CHUNK = 64
#: Share of the steps in which the rate rises.
_RISE = 0.05


@dataclass(frozen=True, kw_only=True)
class FeatureTraining:
    """How long and how fast; rates fall along a cosine to 0.

    Layers that were pretrained are kept as they are at first, while the new ones learn from what
    they give: new layers with random weights would spoil them (Kumar et al., 2022, "Fine-Tuning
    can Distort Pretrained Features").

    The defaults of the new layers had the highest macro F1 and a low log loss on 700 people dealt
    into folds by the seed 99.
    """

    epochs: int = 10  # of the new layers: ``HiddenLayer`` and the head
    lr: float = 2e-3
    weight_decay: float = 0.1  # of AdamW, not of biases
    batch_size: int = 128  # photos
    tuned_epochs: int = 0  # then, of the whole neck and the head
    tuned_lr: float = 3e-4  # of pretrained layers; the new ones learn at ``new_lr`` meanwhile
    new_lr: float = 5e-4

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"training.{name} must be at least 1; got {getattr(self, name)}")
        for name in ("weight_decay", "tuned_epochs"):
            if getattr(self, name) < 0:
                raise InputError(f"training.{name} must be at least 0; got {getattr(self, name)}")
        for name in ("lr", "tuned_lr", "new_lr"):
            if not 0 < getattr(self, name) < np.inf:
                raise InputError(f"training.{name} must be above 0; got {getattr(self, name)}")


def train_on_features(
    neck: Sequence[nn.Module],
    head: Any,
    features: Features,
    rows: NDArray[np.int64],
    samples: pd.DataFrame,
    training: FeatureTraining,
    *,
    seed: int,
    tick: Callable[[float], None] = lambda share: None,
) -> None:
    """Train the last parts of a neck, and the head, in place.

    Args:
        neck: Its parts from the first with weights on: a ``HiddenLayer`` last, perhaps pretrained
            layers before it.
        head: A head of ours.
        features: (M, V, ...) of V views of photos; each epoch sees one of each photo.
        rows: (N,) those of the training photos.
        samples: The latter, with ``label`` and perhaps ``fits``, ``weight`` and ages or their
            ranges.
        training: Rates and epochs.
        seed: Of dropout, order and views.
        tick: Is told the share of all steps that each one is.

    Raises:
        InputError: No photo knows an attribute that the head predicts.
        DivergedError: The loss is not finite.
    """
    hidden = check_neck(neck)
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    hidden.fc.reset_parameters()
    initialize(head, head.init_cfg)  # again, whatever was drawn before
    columns = columns_of(samples)
    tell_counts(head, samples)
    pretrained = nn.Sequential(*neck[:-1])
    deep = next(pretrained.parameters(), None) is not None
    seen, places = features, rows
    if deep:
        seen, places = _through(pretrained, features, rows), np.arange(len(rows))
    hidden.standardize(_tensor(seen[places, 0]))
    new = [hidden, head]
    epochs = training.epochs + training.tuned_epochs * deep
    steps = epochs * len(_starts(len(samples), training.batch_size))
    ticks = lambda: tick(1 / steps)  # noqa: E731
    _epochs(
        [hidden], head, (seen, places), columns, training, training.epochs,
        [(new, training.lr)], random, ticks,
    )  # fmt: skip
    if deep and training.tuned_epochs:
        rates = [(new, training.new_lr), ([pretrained], training.tuned_lr)]
        _epochs(
            neck, head, (features, rows), columns, training, training.tuned_epochs, rates,
            random, ticks,
        )  # fmt: skip
    for part in (*neck, head):
        part.eval()


def check_neck(neck: Sequence[nn.Module]) -> HiddenLayer:
    """Return the last part of a neck that learns; refuse one that is no hidden layer."""
    hidden = neck[-1] if neck else None
    if not isinstance(hidden, HiddenLayer):
        raise InputError(
            "training on features needs a neck that ends with HiddenLayer; got "
            f"{type(hidden).__name__ if hidden else 'no layer with weights'}"
        )
    return hidden


def _epochs(
    neck: Sequence[nn.Module],
    head: nn.Module,
    learned: tuple[Features, NDArray[np.int64]],  # features, and the rows of the photos
    columns: dict[str, Tensor],
    training: FeatureTraining,
    epochs: int,
    rates: Sequence[tuple[Sequence[nn.Module], float]],
    random: np.random.Generator,
    tick: Callable[[], None],
) -> None:
    for part in (*neck, head):
        part.train()
    optimizer = torch.optim.AdamW(
        [
            {"params": [w for w in weights if (w.ndim > 1) == heavy], "lr": rate,
             "weight_decay": training.weight_decay * heavy}
            for parts, rate in rates
            for weights in [[w for part in parts for w in part.parameters() if w.requires_grad]]
            for heavy in (True, False)
        ],
        fused=True,
    )  # fmt: skip
    features, rows = learned
    photos, views = len(rows), features.shape[1]
    total = epochs * len(_starts(photos, training.batch_size))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [group["lr"] for group in optimizer.param_groups], total_steps=total + 1,
        pct_start=_RISE, cycle_momentum=False, div_factor=20, final_div_factor=1e3,
    )  # fmt: skip
    for batch in _batches(photos, training.batch_size, epochs, random):
        view = random.integers(views, size=len(batch))
        feats: tuple[Tensor, ...] = (_tensor(features[rows[batch], view]),)
        for part in neck:
            feats = part(feats)
        loss = sum(head.loss(feats, batch_of(columns, batch)).values())
        if not torch.isfinite(loss):
            raise DivergedError(f"the loss on features is {loss.item()}; lower training.lr")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        tick()


@torch.no_grad()
def predict_from_features(
    neck: Sequence[nn.Module], head: nn.Module, features: Features, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return what neck and head say of photos, the mean over their views.

    Shape:
        ``features``: (M, V, ...); ``rows``: (N,) those of the photos -> probabilities (N, C), and
        years (N, 121) where the head models them, else None.
    """
    for part in (*neck, head):
        part.eval()
    found: dict[str, list[NDArray[np.float32]]] = {"pred_score": [], "pred_years": []}
    for chunk in _chunks(features, rows):
        photos, views = chunk.shape[:2]
        feats: tuple[Tensor, ...] = (chunk.flatten(0, 1),)
        for part in neck:
            feats = part(feats)
        batch = head.predict(feats, None)
        for name, values in found.items():
            if (scores := stacked(batch, name)) is not None:
                values.append(scores.view(photos, views, -1).mean(dim=1).numpy())
    years = np.concatenate(found["pred_years"]) if found["pred_years"] else None
    return np.concatenate(found["pred_score"]), years


@torch.no_grad()
def _through(layers: nn.Module, features: Features, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return what frozen layers give for each view: (M, V, ...), (N,) -> (N, V, D)."""
    layers.eval()
    parts = []
    for chunk in _chunks(features, rows):
        photos, views = chunk.shape[:2]
        (seen,) = layers((chunk.flatten(0, 1),))
        parts.append(seen.view(photos, views, -1).numpy())
    return np.concatenate(parts)


def _chunks(features: Features, rows: NDArray[np.int64]) -> Iterator[Tensor]:
    for start in range(0, len(rows), _CHUNK):
        chunk = features[rows[start : start + _CHUNK]]
        photos, views = chunk.shape[:2]
        yield _tensor(chunk.reshape(photos * views, *chunk.shape[2:])).unflatten(0, (photos, views))


def _tensor(features: Features) -> Tensor:
    """Return features as float32; maps with the channels last in memory, as convolutions like."""
    values = torch.from_numpy(features).float()
    return values.contiguous(memory_format=torch.channels_last) if values.ndim == 4 else values


def _batches(
    photos: int, size: int, epochs: int, random: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    starts = _starts(photos, size)
    for _ in range(epochs):
        order = random.permutation(photos)
        yield from (
            order[start:stop] for start, stop in zip(starts, [*starts[1:], photos], strict=True)
        )


def _starts(photos: int, size: int) -> range:
    """Return where batches begin; a photo left over joins the last: batch norms refuse it alone."""
    return range(0, max(photos - 1, 1), size)


def columns_of(samples: pd.DataFrame) -> dict[str, Tensor]:
    """Return what a head learns of the photos, as a :class:`SampleBatch` holds it."""
    labels = labels_of(samples)
    ages, spans = ages_of(samples)
    columns = {
        "gt_label": labels,
        "fits": classes_of(samples) if (labels < 0).any() else None,
        "age": ages,
        "age_span": spans,
    }
    if "weight" in samples:
        columns["weight"] = samples["weight"].fillna(1).to_numpy(dtype=np.float32)
    return {name: torch.tensor(values) for name, values in columns.items() if values is not None}


def tell_counts(head: Any, samples: pd.DataFrame) -> None:
    """Tell a head how many photos each class has.

    Raises:
        InputError: No photo knows an attribute that the head predicts.
    """
    check_known(samples, ATTRIBUTES if head.attribute is None else [head.attribute])
    head.set_class_counts(torch.as_tensor(class_counts(samples)))


def batch_of(columns: dict[str, Tensor], rows: Tensor | NDArray[np.integer]) -> SampleBatch:
    """Return what :func:`columns_of` gives for some photos, as a head learns from it."""
    batch = SampleBatch()
    for name, values in columns.items():
        batch.set_field(values[rows], name)
    return batch
