"""Photos to predict that cannot be read, answered by the class shares of training."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.datasets.data_source import DataSource
from mmmask.datasets.layout import with_labels
from mmmask.datasets.photos import load_photo
from mmmask.datasets.unreadable import PREDICT, all_unreadable, unreadable_photos
from mmmask.errors import InputError, UnreadablePhotoError
from mmmask.known import age_spans, class_counts
from mmmask.labels import OLDEST, marginals
from mmmask.workflows.testing import Tested

if TYPE_CHECKING:
    from mmengine.config import Config

#: What ``--unreadable`` takes.
CHOICES = ("refuse", "prior")
#: What a provenance calls the photos that were answered by the shares.
UNREADABLE = "unreadable"

logger = logging.getLogger("mmmask")


def unreadable_to_predict(cfg: "Config", choice: str) -> list[str]:
    """Return the photos to predict that cannot be read, if they are to be answered by shares.

    Raises:
        InputError: The choice is none, or a pack stands for the photos.
    """
    _check_choice(choice, cfg.data.pack)
    if choice == "refuse":
        return []
    source = DataSource.of(cfg)
    images, paths = _to_predict(source)
    found = set(unreadable_photos(paths))
    unread = [image for image, path in zip(images, paths, strict=True) if path in found]
    if unread:
        logger.warning(
            f"{source.root}: {len(unread):,} of {len(images):,} photos to predict cannot be read, "
            f"and are answered by the class shares of training: {', '.join(unread)}"
        )
    return unread


def check_unreadable(source: DataSource, choice: str, pack: str | None) -> None:
    """Refuse before a training what prediction would refuse after it.

    Args:
        source: Holds the photos to predict.
        choice: One of ``CHOICES``.
        pack: Packed photos to predict from, which are checked when they are made.
    """
    _check_choice(choice, pack)
    if choice == "prior" or pack is not None:
        return
    _, paths = _to_predict(source)
    for path in unreadable_photos(paths)[:1]:
        try:
            load_photo(path, at_least=(1, 1))
        except UnreadablePhotoError as error:
            raise all_unreadable(error, paths, PREDICT) from error


def _check_choice(choice: str, pack: str | None) -> None:
    if choice not in CHOICES:
        raise InputError(f"--unreadable must be one of {', '.join(CHOICES)}; got {choice!r}")
    if choice == "prior" and pack is not None:
        raise InputError(
            f"--unreadable prior reads the photos themselves, and a pack ({pack}) has "
            "none that cannot be read; leave out --pack and data.pack"
        )


def _to_predict(source: DataSource) -> tuple[list[str], list[str]]:
    """Return the names of the photos to predict, and their paths."""
    images = source.eval()["image"].tolist()
    return images, [os.path.join(source.root, image) for image in images]


def with_shares(cfg: "Config", tested: Tested, unread: Sequence[str]) -> Tested:
    """Return what a model says of the photos of ``eval``, and of those unread the shares.

    Args:
        cfg: Composed; names the data.
        tested: Of the photos of ``eval`` that can be read.
        unread: The other ones.
    """
    if not unread:
        return tested
    source = DataSource.of(cfg)
    samples, learned = source.eval(), with_labels(source.train(), cfg.data.old_from)
    shares = class_counts(learned).astype(np.float64)[None]
    shares /= shares.sum()
    if tested.attribute is not None:
        shares = marginals(shares)[tested.attribute]
    rows = pd.Index(tested.samples["image"]).get_indexer(samples["image"])
    years = tested.years
    return replace(
        tested,
        samples=samples,
        probabilities=_filled(tested.probabilities, rows, shares),
        years=None if years is None else _filled(years, rows, _year_shares(learned)),
    )


def _filled(
    values: NDArray[np.float32], rows: NDArray[np.intp], shares: NDArray[np.float64]
) -> NDArray[np.float32]:
    return np.where(rows[:, None] < 0, shares.astype(np.float32), values[rows])


def _year_shares(samples: pd.DataFrame) -> NDArray[np.float64]:
    """Return the shares of the ages 0 to 120, (1, 121), a range counting alike for its years."""
    first, last = (ages[:, None] for ages in age_spans(samples))
    years = np.arange(OLDEST + 1)
    within = (first <= years) & (years <= last)
    return (within / (last - first + 1)).mean(axis=0, keepdims=True)
