"""What a technique learns from: features of photos, and the training people with their labels."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.datasets.corrections import correct
from mmmask.datasets.features import Features, read_features
from mmmask.datasets.layout import with_labels
from mmmask.datasets.packed import photos_of
from mmmask.datasets.splits import assign_folds
from mmmask.errors import InputError
from mmmask.evaluation.pseudo_labels import choose_sure
from mmmask.labels import GENDERS, NUM_CLASSES, age_group, marginals
from mmmask.workflows.frozen_features import ensure_features, frozen_model
from mmmask.workflows.label_errors.find import photos_held_out, ranked_issues
from mmmask.workflows.more_samples.pseudo_label import labelled
from mmmask.workflows.studies.partial_labels import Fit, complete, filled, hidden
from mmmask.workflows.studies.technique_space import BASE, Technique, Techniques

if TYPE_CHECKING:
    from mmengine.config import Config

#: Folds of the training people by which their own labels are judged.
INNER_FOLDS = 3
#: Least probability that a label is wrong for it to be corrected.
SURELY_WRONG = 0.5


class FeatureFiles:
    """The files of features that techniques name."""

    def __init__(self, files: Mapping[str, Features], columns: Mapping[str, Sequence[int]]) -> None:
        self._files, self._columns = files, columns

    def of(self, names: Sequence[str], images: Sequence[str]) -> NDArray[np.float32]:
        """Return the features of photos, those of several files side by side, (n, D)."""
        return np.concatenate([self._one(name, images) for name in names], axis=1)

    def _one(self, name: str, images: Sequence[str]) -> NDArray[np.float32]:
        if name in self._columns:
            first, end = self._columns[name]
            return self._files[BASE].of(images)[:, first:end]
        return self._files[name].of(images)

    def photos(self, start: str) -> list[str]:
        """Return the photos of the study's own file whose names start so."""
        return [name for name in self._files[BASE].images if name.startswith(start)]

    def digests(self, names: Sequence[str]) -> list[str]:
        """Return what the features of each name are, as text."""
        return [
            f"{self._files[BASE].digest} {list(self._columns[name])}"
            if name in self._columns
            else self._files[name].digest
            for name in names
        ]


def ensure_files(
    load: Callable[..., "Config"], space: Techniques, base: Path, out: Path
) -> dict[str, Path]:
    """Make the files of features that techniques need where they are missing or stale.

    Args:
        load: Name of a config (None: the study's) and options -> config.
        space: The techniques.
        base: The study's own file, of all photos.
        out: Folder of the others, which have the photos of ``train/`` alone.

    Returns:
        Name -> file.

    Raises:
        InputError: A network's weights are not there, or photos are missing.
    """
    cfg = load(None, {})
    images = photos_of(cfg)
    ensure_features(cfg, frozen_model(cfg), images, base)
    images = photos_of(cfg, with_eval=False)
    files = {BASE: base}
    for name in space.needed:
        source = space.features.get(name, {"columns": ()})
        if "columns" in source:
            continue
        cfg = load(source.get("config"), source.get("options", {}))
        files[name] = out / f"{name}.arrow"
        if "view" in source:
            cfg.tta = {"enabled": True, "views": [source["view"]]}
        ensure_features(cfg, frozen_model(cfg), images, files[name])
    return files


def open_files(files: Mapping[str, Path], space: Techniques) -> FeatureFiles:
    """Return the files of features, read."""
    columns = {
        name: source["columns"] for name, source in space.features.items() if "columns" in source
    }
    found = FeatureFiles({name: read_features(path) for name, path in files.items()}, columns)
    width = found.of([BASE], found.photos("")[:1]).shape[1]
    for name, (first, end) in columns.items():
        if not 0 <= first < end <= width:
            raise InputError(
                f"features[{name!r}]: columns must be from 0 to {width}, the width of "
                f"{files[BASE]}; got {first} to {end}"
            )
    return found


def learned_from(
    technique: Technique,
    samples: pd.DataFrame,
    *,
    seed: int,
    old_from: int,
    fit: Fit,
    unlabelled: Sequence[str],
) -> pd.DataFrame:
    """Return the samples that a technique makes of the training people's.

    Args:
        technique: Which people, labels and further photos it wants.
        samples: Of the training people, as the config labels them.
        seed: Chooses people and wrong labels.
        old_from: First age labelled as old.
        fit: A first head of the same recipe: learns samples, and predicts photos.
        unlabelled: Photos that may get pseudo-labels.
    """
    samples = without_source(samples, technique.without_source)
    samples = thinned(samples, technique.people, seed)
    samples = noisy(samples, technique.label_noise, old_from, seed)
    if technique.hide is not None:
        samples = hidden(samples, technique.hide, shuffled_people(samples, seed), old_from)
    if technique.learn == "complete":
        samples = complete(samples)
    elif technique.learn == "pseudo":
        samples = filled(samples, fit)
    if technique.corrections == "found":
        samples = self_corrected(samples, old_from, seed, fit)
    if technique.pseudo_labels is not None:
        probabilities = fit(samples, unlabelled)
        rows = choose_sure(probabilities, threshold=technique.pseudo_labels)
        images, labels = pd.Series(unlabelled).iloc[rows], probabilities.argmax(axis=1)[rows]
        more = labelled(images, labels, 1.0)
        samples = pd.concat([samples, more], ignore_index=True)
    return samples


def without_source(samples: pd.DataFrame, name: str | None) -> pd.DataFrame:
    """Return the samples without those of a data set, None: all of them.

    Raises:
        InputError: None is of it, or all are.
    """
    if name is None:
        return samples
    sources = samples.get("source", pd.Series(pd.NA, samples.index, dtype="str"))
    left = samples[sources.ne(name).fillna(True)]
    if len(left) in (0, len(samples)):
        known = ", ".join(sorted(sources.dropna().unique())) or "none"
        raise InputError(f"without_source must be one of several sources, {known}; got {name!r}")
    return left.reset_index(drop=True)


def thinned(samples: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """Return the photos of a share of the people; a larger share holds the smaller ones."""
    if share == 1:
        return samples
    people = shuffled_people(samples, seed)
    kept = people[: max(round(share * len(people)), 1)]
    return samples[samples["person"].isin(kept)].reset_index(drop=True)


def noisy(samples: pd.DataFrame, share: float, old_from: int, seed: int) -> pd.DataFrame:
    """Return the samples with the gender, or the age group, of a share of the people made wrong.

    A wrong age is that of somebody in another group. A larger share holds the wrong labels of the
    smaller ones.
    """
    if share == 0:
        return samples
    people = shuffled_people(samples, seed)
    wrong = samples.copy()
    ages = samples.drop_duplicates("person")["age"].to_numpy(dtype=np.int64)
    for number, person in enumerate(people[: round(share * len(people))]):
        random = np.random.default_rng([seed, number])
        rows = samples.index[samples["person"] == person]
        wrong.loc[rows, "label"] = pd.NA  # it follows
        if random.random() < 0.5:
            gender = samples["gender"][rows[0]]
            wrong.loc[rows, "gender"] = next(other for other in GENDERS if other != gender)
        else:
            own = age_group(int(samples["age"][rows[0]]), old_from)
            wrong.loc[rows, "age"] = random.choice(ages[age_group(ages, old_from) != own])
    return with_labels(wrong, old_from)


def shuffled_people(samples: pd.DataFrame, seed: int) -> NDArray:
    """Return the people, each once, in an order of the seed alone."""
    return np.random.default_rng(seed).permutation(np.sort(samples["person"].unique()))


def self_corrected(samples: pd.DataFrame, old_from: int, seed: int, fit: Fit) -> pd.DataFrame:
    """Return the samples with the labels corrected that heads of other training people refute.

    Whoever is held out is not among them, so that no score sees a corrected label.
    """
    fold = assign_folds(samples, folds=INNER_FOLDS, seed=seed)
    probabilities = np.empty((len(samples), NUM_CLASSES), np.float64)
    for one in range(INNER_FOLDS):
        rest = (fold == one).to_numpy()
        learned = samples[~rest].reset_index(drop=True)
        probabilities[rest] = fit(learned, samples["image"][rest].tolist())
    parts = {name: [part] for name, part in marginals(probabilities).items()}
    photos = photos_held_out(samples, parts, None)
    issues, _ = ranked_issues(photos, top=len(samples), min_score=SURELY_WRONG)
    found = correct(samples, issues, "the labels found wrong")
    found.loc[found["corrected"] == 1, "label"] = pd.NA  # it follows
    return with_labels(found, old_from)
