"""Mean and spread of a data set, and the photos in it that are worth a look."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from mmmask.blocks import test_steps
from mmmask.config import parse_options
from mmmask.datasets.data_source import DataSource
from mmmask.datasets.photo_facts import PhotoFacts, nearest_earlier, photo_facts
from mmmask.datasets.splits import folds_of
from mmmask.datasets.transforms import LoadPhoto
from mmmask.errors import InputError
from mmmask.tables import OUTLIERS, write_table


@dataclass(frozen=True)
class DataStats:
    """What is known of a data set."""

    mean: NDArray[np.float64]  # (3,) RGB, 0 to 255, over all pixels of the photos trained on
    std: NDArray[np.float64]  # (3,) standard deviation of these pixels
    trained: int  # how many photos these are
    photos: int  # how many photos train/ has
    outliers: pd.DataFrame  # one row per photo and reason

    def in_words(self) -> str:
        """Return mean and std as lines to paste into a config, and how many outliers there are."""
        mean, std = (", ".join(f"{value:.3f}" for value in part) for part in (self.mean, self.std))
        counts = self.outliers["reason"].value_counts()
        found = ", ".join(f"{number} {reason}" for reason, number in counts.items())
        return (
            f"preprocessing = dict(  # RGB, over {self.trained:,} photos\n"
            f"    mean=({mean}),\n    std=({std}),\n)\n"
            f"outliers among {self.photos:,} photos: {found or 'none'}"
        )


def data_stats(
    data_root: str | Path,
    *,
    config: str | Path | None = None,
    out: str | Path | None = None,
    dark: float = 30.0,
    small: int = 96,
    alike: int = 2,
    options: Sequence[str] = (),
) -> DataStats:
    """Measure every photo of ``train/``; write the outliers.

    Args:
        data_root: Folder with ``train/``, or a table of photos.
        config: Its preprocessing and hold-out decide what mean and std are taken over; None: whole
            photos of everybody.
        out: csv of the outliers, for review; then for ``data.drop``.
        dark: Mean luminance, 0 to 255, below which a photo is dark.
        small: Pixels of the shorter side below which it is small.
        alike: Bits of 64 in which the hashes of photos of two people may differ for the later one
            to count as a near-duplicate. Photos of one person are alike by nature.
        options: ``name=value`` overrides of the config.
    """
    for name, value, most in (("dark", dark, 255), ("small", small, np.inf), ("alike", alike, 64)):
        if not 0 <= value <= most:
            limits = "at least 0" if most == np.inf else f"from 0 to {most}"
            raise InputError(f"--{name} must be {limits}; got {value}")
    source = DataSource.at(data_root)
    root, samples = source.root, source.train()
    preprocessing, trained = [], np.ones(len(samples), dtype=bool)
    if config is not None:
        from mmpretrain.registry import TRANSFORMS

        from mmmask.engine.runner_config import load_checked

        cfg = load_checked(config, parse_options(options), data_root=str(data_root))
        steps = test_steps(cfg)[1:-1]  # without loading and packing
        preprocessing = [TRANSFORMS.build(step) for step in steps]
        folds = folds_of(samples, folds=cfg.data.folds, seed=cfg.data.split_seed)
        trained = (folds != cfg.data.fold).to_numpy(dtype=bool)

    facts = measure(root, samples["image"], preprocessing)
    learned = [fact for fact, use in zip(facts, trained, strict=True) if use and fact is not None]
    if not learned:
        raise InputError(f"{root}: none of the {trained.sum()} photos to train on can be decoded")
    mean, std = colours(learned)
    outliers = find_outliers(samples, facts, dark=dark, small=small, alike=alike)
    if out is not None:
        write_table(out, outliers, OUTLIERS)
    return DataStats(mean, std, len(learned), len(samples), outliers)


def measure(
    root: Path, images: Sequence[str], preprocessing: Sequence[Callable[[dict], dict]] = ()
) -> list[PhotoFacts | None]:
    """Return the facts of each photo, None of one that cannot be read; with a progress bar."""

    def measured(image: str) -> PhotoFacts | None:
        try:
            loaded = LoadPhoto().transform({"img_path": str(root / image)})
        except InputError:
            return None
        return photo_facts(loaded, preprocessing)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found, console = threads.map(measured, images), Console(stderr=True)
        return list(track(found, "photos", len(images), console=console, transient=True))


def colours(facts: Sequence[PhotoFacts]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation over the pixels of all photos together.

    The deviation is that of all pixels, from the one mean; the mean of the photos' own deviations
    would leave out how photos differ.

    Shape:
        Both results: (3,), RGB.
    """
    pixels = np.array([fact.pixels for fact in facts], dtype=np.float64)
    share = pixels / pixels.sum()
    mean = share @ np.array([fact.mean for fact in facts])
    square = share @ np.array([fact.square for fact in facts])
    return mean, np.sqrt(np.maximum(square - mean**2, 0))  # rounding may fall below 0


def find_outliers(
    samples: pd.DataFrame,
    facts: Sequence[PhotoFacts | None],
    *,
    dark: float,
    small: int,
    alike: int,
) -> pd.DataFrame:
    """Return a table of outliers: image, reason, value and, of near-duplicates, the other photo.

    ``facts`` are those of each row of ``samples``, None where the photo could not be read; the
    bounds are those of :func:`data_stats`.
    """
    readable = samples.assign(facts=facts).dropna(subset="facts")
    bits = np.array([fact.bits for fact in readable["facts"]])
    other, distance = nearest_earlier(bits, pd.factorize(readable["person"])[0])
    readable = readable.assign(of=readable["image"].to_numpy()[other], distance=distance)
    unreadable = samples["image"].drop(readable.index)
    rows: list[tuple] = [(image, "unreadable", np.nan, "") for image in unreadable]
    for photo in readable.itertuples():
        fact = photo.facts
        if fact.light < dark:
            rows.append((photo.image, "dark", round(fact.light, 1), ""))
        if fact.shorter_side < small:
            rows.append((photo.image, "small", fact.shorter_side, ""))
        if photo.distance <= alike:
            rows.append((photo.image, "near_duplicate", photo.distance, photo.of))
    return pd.DataFrame(rows, columns=list(OUTLIERS))
