"""Soft labels: what a teacher says of the training photos, mixed with their true labels.

Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", with a teacher that has written
down its answers, such as an ensemble. Nobody may teach his own label: a model repeats the labels
that it has learned. So photos of train/ are taught by predictions out of fold alone.

These, too, come from models that have learned the labels of all other people, those whom the
student holds out among them. A score that is free of this needs a teacher for each fold that has
never seen its people: ``tools/linear_probe.py --hold-out``.
"""

import logging
from collections.abc import Collection, Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.errors import InputError
from mmmask.known import age_spans, classes_of
from mmmask.labels import OLDEST
from mmmask.tables import (
    PROBABILITIES,
    YEARS,
    attribute_of,
    column_names,
    photo_index,
    predictions_table,
    probabilities,
    read_predictions,
    years_of,
)

#: How much of a soft label is the teacher's.
SHARE = 0.7
#: Stands for the fold held out, in the path of a table.
FOLD = "{fold}"
#: What is said of a score where the teacher is the same for all folds.
KNOWS_HELD_OUT = (
    "the teacher has learned the labels of the people held out, so their score is too high by an "
    f"unknown, usually small amount; a table for each fold, {FOLD} in its path, avoids this"
)

logger = logging.getLogger("mmmask")

Teacher = str | Sequence[str] | None


def listed(teacher: Teacher) -> list[str]:
    """Return the paths that ``data.teacher`` names, as they are written."""
    return [teacher] if isinstance(teacher, str) else list(teacher or ())


def teacher_tables(teacher: Teacher, fold: int) -> list[str]:
    """Return the paths that ``data.teacher`` names where a fold is held out."""
    return [path.replace(FOLD, str(fold)) for path in listed(teacher)]


def with_soft_labels(
    samples: pd.DataFrame,
    teacher: Teacher,
    share: float,
    *,
    fold: int,
    old_from: int,
    held_out: Iterable[str],
) -> pd.DataFrame:
    """Return the samples with ``(1 - share) onehot(label) + share teacher`` as p00 to p17.

    Where several classes fit what is known of a photo, its own label is what the teacher says of
    these classes alone, scaled to a sum of 1. Without a table that has it, all of them are alike.

    Where ages or the teacher's years are known, they have ``year_*`` likewise, with no share at
    the true age where it is unknown; of an age range, the own share is what the teacher says of
    its years. Further samples that no table has keep their own label and age, and so does the age
    of each photo whose table has no years.

    Args:
        samples: Photos to learn from, with ``label``, and ``fits`` where labels are missing.
        teacher: Paths of predictions tables, no photo in two; ``{fold}`` in one stands for
            ``fold``.
        share: From 0 to 1.
        fold: The fold held out.
        old_from: First age, in years, that the labels call old.
        held_out: Photos of the people held out, none where nobody is.

    Raises:
        InputError: A table is not of the 18 classes, has photos with labels that are not
            predicted out of fold, another age cut, or no training photo; two have the same photo;
            a training photo is in none; or one with ``{fold}`` has photos held out.
    """
    others = [*PROBABILITIES, *YEARS]  # of a table of further samples
    samples = samples.drop(columns=others, errors="ignore").reset_index(drop=True)
    images = pd.Index(samples["image"])
    fits = classes_of(samples)
    labels = fits / fits.sum(axis=1, keepdims=True)
    years, within = _years(samples)
    in_folds = samples["fold"].notna().to_numpy()  # further samples are in none
    taught = np.zeros(len(samples), dtype=bool)
    paths = teacher_tables(teacher, fold)
    for path, written in zip(paths, listed(teacher), strict=True):
        table = _read(path, old_from, {*images[in_folds], *held_out})
        _check_unseen(path, table, fold, held_out, nested=FOLD in written)
        rows = photo_index(path, table["image"]).get_indexer(images)
        known = rows >= 0
        _check_photos(path, images, known, taught)
        taught |= known
        for target, allowed, given in (
            (labels, fits, probabilities(table)),
            (years, within, years_of(table)),
        ):
            if given is not None:
                said = given[rows[known]].astype(np.float64)
                said /= said.sum(axis=1, keepdims=True)  # a csv may have rounded them
                own = _among(said, allowed[known], target[known])
                target[known] = (1 - share) * own + share * said
    untaught = images[in_folds & ~taught]
    if len(untaught):
        raise InputError(
            f"{', '.join(paths)}: a teacher must have each training photo; "
            f"{len(untaught)} of {len(images)} are missing, such as {untaught[0]}"
        )
    return predictions_table(samples, labels, years if years.any() else None)


def _check_photos(
    path: str, images: pd.Index, known: NDArray[np.bool_], taught: NDArray[np.bool_]
) -> None:
    """Refuse a table that knows no training photo, or one that a table before it knows."""
    if not known.any():
        raise InputError(
            f"{path}: a teacher must have at least one of the {len(images)} training photos, such "
            f"as {images[0]}; got none"
        )
    if (twice := known & taught).any():
        raise InputError(
            f"{path}: {images[twice][0]} is in another table of data.teacher too; join tables of "
            "the same photos by tools/ensemble.py"
        )


def _among(
    said: NDArray[np.float64], allowed: NDArray[np.bool_], target: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what is said of the values that are allowed, where these are several.

    ``target`` stays where one value is allowed, or all that are have nothing said of them.
    """
    inside = said * allowed
    total = inside.sum(axis=1, keepdims=True)
    several = (allowed.sum(axis=1, keepdims=True) > 1) & (total > 0)
    return np.where(several, inside / np.where(several, total, 1), target)


def _years(samples: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the share of each age, and which ages are in a range that is known, (N, 121) each.

    The share is 1 at the true age, and there is none where it is not known in years.
    """
    first, last = age_spans(samples)
    year = np.arange(OLDEST + 1)
    within = (first[:, None] <= year) & (year <= last[:, None])
    within[(first == 0) & (last == OLDEST)] = False
    exact = (first == last)[:, None]
    return np.where(exact, within, 0.0), within


def _read(path: str, old_from: int, labelled: Collection[str]) -> pd.DataFrame:
    """Return image, probabilities and years of a table; refuse one that may not teach."""
    attribute = attribute_of(column_names(path))
    if attribute is not None:
        raise InputError(
            f"{path}: a teacher must have p00 to p17, the probabilities of the 18 classes; got "
            f"those of {attribute} alone"
        )
    table = read_predictions(path, only={"image", *YEARS})
    stated = table.attrs.get("provenance", {})
    split = stated.get("split")
    if split != "oof" and table["image"].isin(labelled).any():
        raise InputError(
            f"{path}: predictions of labelled photos must have split oof in their provenance; got "
            f"{split or 'none'}; use oof.parquet of tools/kfold.py or tools/linear_probe.py"
        )
    cut = stated.get("old_from")
    if cut not in (None, old_from):
        raise InputError(
            f"{path}: calls people old from {cut} on, and data.old_from is {old_from}; a teacher "
            "must have the age cut of the labels"
        )
    return table


def _check_unseen(
    path: str, table: pd.DataFrame, fold: int, held_out: Iterable[str], *, nested: bool
) -> None:
    """Refuse, or warn of, a table whose models have learned the labels of the people held out.

    Whoever is predicted out of fold is learned from by the models of the other folds.
    """
    known = table["image"][table["image"].isin(list(held_out))]
    if known.empty:
        return
    if nested:
        raise InputError(
            f"{path}: must hold out the people of fold {fold}, as the student does; it has "
            f"{len(known)} of their photos, such as {known.iloc[0]}, so its models have learned "
            f"their labels; make it by tools/linear_probe.py --hold-out {fold}"
        )
    logger.warning(f"{path}: {KNOWS_HELD_OUT}")
