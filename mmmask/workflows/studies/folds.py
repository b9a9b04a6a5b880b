"""Predictions of the folds put together: out of fold, averaged, scored. A leak is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.csv_files import read_csv
from mmmask.errors import InputError
from mmmask.evaluation.ages import Ages
from mmmask.evaluation.calibrated_tables import knowing, people_of, true_values
from mmmask.evaluation.calibration import cross_calibrated, fit_calibration
from mmmask.ledger.chosen_epoch import CHOSEN, chosen_in_folds
from mmmask.ledger.provenance import file_hash, made_now
from mmmask.tables import (
    YEARS,
    attribute_of,
    predictions_table,
    probabilities,
    read_predictions,
    read_provenance,
    years_of,
)
from mmmask.workflows.score import aligned, intervals_of
from mmmask.workflows.unreadable_photos import UNREADABLE

#: What the bounds of a k-fold's scores are.
INTERVAL = "95 % interval over people, given these models"
VAL, EVAL = "val.parquet", "eval.parquet"
#: What the predictions of all folds have in common, and keep when they are put together.
_SHARED = (
    "config", "config_hash", "preprocessing", "tta", "unlabelled", "pseudo_labels",
    "old_from", "seed",
)  # fmt: skip
_SAME = ("preprocessing", "tta", "old_from")


@dataclass(frozen=True)
class Fold:
    """What the run of one fold leaves."""

    number: int  # 0 to folds - 1
    folder: Path  # its work directory
    predictions: pd.DataFrame  # of the people held out
    trained: frozenset[str]  # people whom the run says it was trained on (``split.csv``)
    held_out: frozenset[str]  # people whom it says it held out


def read_fold(number: int, folder: Path) -> Fold:
    """Read predictions and split of a fold's work directory."""
    split = read_csv(folder / "split.csv", ("person", "part"))
    trained, held_out = (
        frozenset(split.loc[split["part"] == part, "person"].dropna()) for part in ("train", "val")
    )
    return Fold(number, folder, read_predictions(folder / VAL), trained, held_out)


def out_of_fold(folds: Sequence[Fold], samples: pd.DataFrame) -> pd.DataFrame:
    """Return one prediction of each photo, each by the model that was not trained on its person.

    ``samples`` are everybody's photos, with the columns image and person; their order is kept.

    Raises:
        InputError: A person was trained on by the fold that predicts them, or is predicted by two
            folds; a photo is predicted twice, by none, or is not among the samples.
    """
    check_folds(folds, samples)
    tables = [fold.predictions.assign(fold=fold.number) for fold in folds]
    table = pd.concat(tables, ignore_index=True).set_index("image").loc[samples["image"]]
    years = [name for name in YEARS if name in table]
    table[years] = table[years].fillna(0)  # ages that a fold's model gave no probability at all
    table["fold"] = table["fold"].astype("Int8")
    return table.reset_index()


def check_folds(folds: Sequence[Fold], samples: pd.DataFrame) -> None:
    """Refuse predictions that are not out of fold; errors as in :func:`out_of_fold`."""
    again = "; delete that folder and run k-fold again"
    by: dict[str, int] = {}  # person -> fold that predicts them
    for fold in folds:
        path = fold.folder / VAL
        for column in ("person", "label"):
            if column not in fold.predictions:
                raise InputError(f"{path}: column {column} is missing{again}")
        predicted = set(fold.predictions["person"])
        leaked = sorted(predicted & fold.trained)
        if leaked:
            raise InputError(
                f"{path}: its model was trained on {len(leaked)} of the {len(predicted)} people "
                f"that it predicts, such as {leaked[0]} (split.csv){again}"
            )
        other = sorted(predicted ^ fold.held_out)
        if other:
            raise InputError(
                f"{path}: predicts other people than split.csv holds out, {other[0]} is in one "
                f"alone{again}"
            )
        twice = sorted(predicted & by.keys())
        if twice:
            raise InputError(
                f"{path}: {len(twice)} of its people are predicted by another fold too, such as "
                f"{twice[0]} by fold {by[twice[0]]}{again}"
            )
        by |= dict.fromkeys(predicted, fold.number)
        images = fold.predictions["image"]
        if images.duplicated().any():
            raise InputError(f"{path}: {images[images.duplicated()].iloc[0]} appears twice{again}")
    folder = folds[0].folder.parent
    images = pd.Index(np.concatenate([fold.predictions["image"] for fold in folds]))
    for problem, one, other in (
        ("are predicted by no fold", pd.Index(samples["image"]), images),
        ("are predicted and not there any more", images, pd.Index(samples["image"])),
    ):
        odd = one.difference(other)
        if len(odd):
            raise InputError(f"{folder}: {len(odd)} photos {problem}, such as {odd[0]}")
    _check_alike({fold.folder / VAL: fold.predictions for fold in folds})


def mean_of_folds(tables: Mapping[Path, pd.DataFrame]) -> pd.DataFrame:
    """Return the mean of the probabilities, and of those of the years, of the same photos."""
    _check_alike(tables, (*_SAME, "data_fingerprint"))
    rows = list(aligned(tables).values())
    first = rows[0]
    kept = [name for name in ("image", "label", "fits", "person", "age", "source") if name in first]
    mean = np.stack([probabilities(table) for table in rows]).mean(axis=0, dtype=np.float64)
    years = [ages for ages in map(years_of, rows) if ages is not None]
    mean_years = np.stack(years).mean(axis=0) if years else None
    return predictions_table(first[kept], mean, mean_years, attribute=attribute_of(first))


def calibrated_out_of_fold(table: pd.DataFrame) -> NDArray[np.float32]:
    """Return the probabilities out of fold, (N, C), of each fold calibrated by the other folds."""
    truth, fold = true_values(table, "out of fold"), table["fold"]
    return cross_calibrated(probabilities(table), truth, fold, person=people_of(table))


def calibrated_mean(
    out_of_fold: pd.DataFrame, members: Mapping[Path, pd.DataFrame]
) -> NDArray[np.float64]:
    """Return the mean of the folds' probabilities of the same photos, (N, C), calibrated each.

    A mean is less sure than each fold, and the calibration is fitted on predictions of one each.
    """
    out_of_fold = knowing(out_of_fold, "out of fold")
    truth, person = true_values(out_of_fold, "out of fold"), people_of(out_of_fold)
    calibration = fit_calibration(probabilities(out_of_fold), truth, person=person)
    each = [calibration(probabilities(table)) for table in aligned(members).values()]
    return np.mean(each, axis=0, dtype=np.float64)


def provenance_of(tables: Mapping[int, Path], *, split: str, fingerprint: str) -> dict[str, Any]:
    """Return where predictions put together come from: fold -> file of its predictions.

    The config is that of the first fold; the others differ in ``data.fold``.
    """
    stated = {fold: read_provenance(path) for fold, path in tables.items()}
    first = next(iter(stated.values()))
    members = [
        {
            "fold": fold,
            "path": str(path),
            "hash": file_hash(path),
            **{key: stated[fold].get(key) for key in ("checkpoint", "checkpoint_hash")},
        }
        for fold, path in tables.items()
    ]
    return {
        **{key: first.get(key) for key in _SHARED},
        "split": split,
        "data_fingerprint": fingerprint,
        "members": members,
        **{key: first[key] for key in (UNREADABLE,) if key in first},
        CHOSEN: chosen_in_folds({path.parent: stated[fold] for fold, path in tables.items()}),
        **made_now(),
    }


def summarise(out_of_fold: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of each fold, their mean and spread, and those of all people together.

    ``part`` is the fold's number, ``mean of folds``, ``std of folds`` (with folds - 1 below) or
    ``out of fold``; ``low`` to ``high`` is the ``interval`` of macro F1. It is given these models:
    how much other training people or seeds would change cannot be told from one k-fold (Bengio and
    Grandvalet, 2004; Bates, Hastie and Tibshirani, 2021). The macro F1 of all people is not the
    mean of the folds': each class counts once, with all of its photos.
    Of models of years, the scores of :class:`mmmask.evaluation.ages.Ages` have bounds of their own.
    """
    parts = {str(fold): table for fold, table in out_of_fold.groupby("fold")}
    rows = {part: _scores(table) for part, table in {**parts, "out of fold": out_of_fold}.items()}
    pooled = rows.pop("out of fold")
    summary = pd.DataFrame(rows).T
    spread = {"mean of folds": summary.mean(), "std of folds": summary.std(ddof=1)}
    of_parts = [name for name in summary if name.endswith(("people", "photos", "low", "high"))]
    for row in spread.values():
        row[of_parts] = np.nan
    everything = {**rows, **spread, "out of fold": pooled}
    table = pd.DataFrame(everything).T.rename_axis("part").reset_index()
    bounded = table["people"].notna()
    table.insert(table.columns.get_loc("high") + 1, "interval", np.where(bounded, INTERVAL, ""))
    return table.astype({"people": "Int64", "photos": "Int64"})


def _scores(table: pd.DataFrame) -> dict[str, float]:
    """Return people, photos, macro F1 with its bounds, the accuracies, and scores of years."""
    intervals, ages = intervals_of(table), Ages.of(table)
    macro_f1 = intervals.pop("macro_f1", None)
    of_age = (
        {} if ages is None else ages.scores.iloc[0].drop(["slice", "units", "photos"]).to_dict()
    )
    return {
        "people": table["person"].nunique(),
        "photos": len(table),
        "macro_f1": np.nan if macro_f1 is None else macro_f1.value,
        "low": np.nan if macro_f1 is None else macro_f1.low,
        "high": np.nan if macro_f1 is None else macro_f1.high,
        **{name: interval.value for name, interval in intervals.items()},
        **of_age,
    }


def _check_alike(tables: Mapping[Path, pd.DataFrame], keys: Sequence[str] = _SAME) -> None:
    """Refuse tables that were not made in the same way, where they state how."""
    first, *others = tables
    for path in others:
        for key in keys:
            one, other = (tables[p].attrs.get("provenance", {}).get(key) for p in (first, path))
            if one != other:
                raise InputError(f"{path}: {key} must be {one} as in {first}; got {other}")
