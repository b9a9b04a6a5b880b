"""Fit a calibration on out-of-fold predictions, store it, and apply it where it belongs."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.errors import InputError, MissingFileError
from mmmask.evaluation.calibration import (
    Calibration,
    cross_calibrated,
    expected_calibration_error,
    fit_calibration,
)
from mmmask.evaluation.intervals import (
    Interval,
    percentile_interval,
    resample_people,
    units_to_draw,
)
from mmmask.evaluation.scores import TINY
from mmmask.files import written_whole
from mmmask.labels import ATTRIBUTES, MIDDLE_FROM, decode, marginals
from mmmask.provenance import file_hash, made_now
from mmmask.tables import (
    YEARS,
    attribute_of,
    prediction_columns,
    probabilities,
    read_predictions,
    year_columns,
    years_of,
)
from mmmask.years import Cuts, checked_cuts, group_slices

#: What predictions must share with those that a calibration was fitted on, where both state it.
BELONGING = {
    "preprocessing": "were made with another preprocessing",
    "old_from": "have another age cut (old_from)",
    "tta": "were averaged over other views (tta)",
}
#: What the provenance of calibrated predictions says of them.
CALIBRATED = "calibrated"
#: Parts of the people without folds that are calibrated by the others.
PARTS = 5


def calibrate(
    oof: str | Path,
    out: str | Path,
    method: str = "attribute",
    plot: str | Path | None = None,
) -> tuple[Calibration, pd.DataFrame]:
    """Fit a calibration, write it as JSON, and measure it on people that it was not fitted on.

    Args:
        oof: Predictions of people that their model has not learned from, with labels.
        out: Where the calibration goes (.json).
        method: One of ``mmmask.evaluation.calibration.METHODS``.
        plot: Where a reliability plot goes (.png).

    Returns:
        The calibration fitted on all photos, and its measure: a row for the predicted classes and
        for each attribute, with ``ece`` and ``nll`` (nats) before and after; after by a
        calibration fitted on the other folds, or on other people where there are no folds.
        ``nll_low`` to ``nll_high`` is the 95 % interval over people of after minus before.

    Raises:
        InputError: The table has no labels.
    """
    table = read_predictions(oof)
    truth = true_values(table, oof)
    before = probabilities(table)
    person = people_of(table)
    stated = table.attrs.get("provenance", {})
    provenance = {
        "input": {"path": str(oof), "hash": file_hash(Path(oof))},
        "attribute": attribute_of(table),
        "people": None if person is None else len(set(person)),
        "photos": len(table),
        **{key: stated.get(key) for key in ("data_fingerprint", "split", *BELONGING)},
        **made_now(),
    }
    fitted = replace(fit_calibration(before, truth, method, person=person), provenance=provenance)
    after = cross_calibrated(before, truth, held_out_parts(table), method, person=person)
    with written_whole(out) as aside:
        aside.write_text(json.dumps(fitted.to_dict(), indent=1) + "\n")
    if plot is not None:
        from mmmask.reports.reliability import draw_reliability

        parts = _parts(attribute_of(table), before, after, truth)
        draw_reliability({name: values for name, *values in parts}, plot)
    return fitted, measure(attribute_of(table), before, after, truth, person)


def read_calibration(path: str | Path) -> Calibration:
    """Read a calibration that :func:`calibrate` wrote.

    Raises:
        InputError: The file is missing or holds no calibration; names what is wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file")
    try:
        return Calibration.from_dict(json.loads(path.read_text()))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a readable JSON file: {error}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def check_belongs(
    calibration: Calibration, path: str | Path, table: pd.DataFrame, where: str | Path
) -> None:
    """Refuse predictions unlike those that the calibration was fitted on.

    Args:
        calibration: Of ``path``.
        path: Named in the message.
        table: Predictions.
        where: Their file, named in the message.

    Raises:
        InputError: They are of other classes, or differ in what ``BELONGING`` lists.
    """
    ours, theirs = calibration.provenance.get("attribute"), attribute_of(table)
    if ours != theirs or calibration.classes != probabilities(table).shape[1]:
        raise InputError(
            f"{where}: predicts {theirs or 'the 18 classes'}, and {path} calibrates "
            f"{ours or 'the 18 classes'}"
        )
    check_alike(calibration.provenance, path, table, where)


def check_alike(
    fitted: Mapping[str, Any], path: str | Path, table: pd.DataFrame, where: str | Path
) -> None:
    """Refuse predictions made otherwise than those that something was fitted on.

    Args:
        fitted: Provenance of the latter.
        path: Their file, or that of what was fitted, named in the message.
        table: Predictions.
        where: Their file, named in the message.

    Raises:
        InputError: They are calibrated already, or differ in what ``BELONGING`` lists.
    """
    stated = table.attrs.get("provenance", {})
    if stated.get(CALIBRATED):
        raise InputError(f"{where}: is calibrated already; give the predictions as they were made")
    for key, problem in BELONGING.items():
        ours, theirs = fitted.get(key), stated.get(key)
        if ours is not None and theirs is not None and ours != theirs:
            raise InputError(
                f"{where}: predictions {problem} than those that {path} was fitted on: "
                f"{theirs} and {ours}"
            )


def calibrated(table: pd.DataFrame, where: str | Path, path: str | Path) -> pd.DataFrame:
    """Return predictions with their probabilities calibrated, years in keeping with them.

    Args:
        table: Predictions, as ``mmmask.tables.read_predictions`` gives them.
        where: Their file, named in messages.
        path: File of the calibration.

    Raises:
        InputError: The calibration is no such file, or does not belong to the predictions.
    """
    calibration = read_calibration(path)
    check_belongs(calibration, path, table, where)
    return with_probabilities(table, calibration(probabilities(table)))


def with_probabilities(table: pd.DataFrame, values: NDArray[np.floating]) -> pd.DataFrame:
    """Return predictions with other probabilities, and years whose groups sum to their age part.

    Within an age group the years keep their shares. Where the table does not state its age cut,
    or a photo's age group has no year, nothing says how the years would have to change: then
    the year columns are left out.

    Shape:
        ``values``: as ``mmmask.tables.probabilities(table)``.
    """
    names = prediction_columns(attribute_of(table))[1]
    changed = table.drop(columns=[name for name in YEARS if name in table])
    changed[list(names)] = np.asarray(values, dtype=np.float32)
    years, old_from = years_of(table), table.attrs.get("provenance", {}).get("old_from")
    if years is not None and old_from is not None:
        ages = values if attribute_of(table) == "age" else marginals(values)["age"]
        moved = years_like(ages, years, checked_cuts((MIDDLE_FROM, old_from)))
        if moved is not None:
            extra = year_columns(moved).set_index(changed.index)
            changed = pd.concat([changed, extra], axis=1)
    changed = changed.drop(columns="answer", errors="ignore")  # it was that of the former
    changed.attrs = {"provenance": {**table.attrs.get("provenance", {}), CALIBRATED: True}}
    return changed


def years_like(
    ages: NDArray[np.floating], years: NDArray[np.floating], cuts: Cuts
) -> NDArray[np.float32] | None:
    """Return years whose groups have the given probabilities; None where a group has no year.

    Shape:
        ``ages``: (N, 3); ``years``: (N, 121) -> (N, 121).
    """
    result = years.astype(np.float64)
    for group, part in enumerate(group_slices(cuts)):
        total = result[:, part].sum(axis=1)
        if np.any((total == 0) & (ages[:, group] > 1e-6)):
            return None
        result[:, part] *= (ages[:, group] / np.where(total == 0, 1, total))[:, None]
    return result.astype(np.float32)


def true_values(table: pd.DataFrame, where: str | Path) -> NDArray[np.int64]:
    """Return the true class of each photo, or its value of the attribute that is predicted.

    Raises:
        InputError: A label is missing.
    """
    if "label" not in table or table["label"].isna().any():
        missing = len(table) if "label" not in table else int(table["label"].isna().sum())
        raise InputError(f"{where}: label is missing for {missing} of {len(table)} photos")
    truth = table["label"].to_numpy(dtype=np.int64)
    attribute = attribute_of(table)
    return truth if attribute is None else decode(truth)[attribute]


def people_of(table: pd.DataFrame) -> NDArray | None:
    """Return who is in each photo, (N,); None where the table does not tell."""
    units, kind = units_to_draw(table)
    return units if kind == "people" else None


def held_out_parts(table: pd.DataFrame) -> NDArray[np.int64]:
    """Return the part, (N,), that each photo is held out with.

    The folds of the table where it has several; else people, or photos where they are unknown,
    dealt into ``PARTS``.
    """
    if "fold" in table and table["fold"].notna().all() and table["fold"].nunique() > 1:
        return table["fold"].to_numpy(dtype=np.int64)
    _, rows = np.unique(units_to_draw(table)[0], return_inverse=True)
    return np.random.default_rng(0).permutation(rows.max() + 1)[rows] % PARTS


def measure(
    attribute: str | None,
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    truth: NDArray[np.integer],
    person: NDArray | None,
) -> pd.DataFrame:
    """Return the table that :func:`calibrate` describes."""
    rows = []
    for name, one, other, labels in _parts(attribute, before, after, truth):
        change = _likelihood_change(one, other, labels, person)
        rows.append(
            {
                "of": name,
                "ece_before": expected_calibration_error(one, labels),
                "ece_after": expected_calibration_error(other, labels),
                "nll_before": _losses(one, labels).mean(),
                "nll_after": _losses(other, labels).mean(),
                "nll_low": change.low,
                "nll_high": change.high,
            }
        )
    return pd.DataFrame(rows)


def _parts(
    attribute: str | None,
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    truth: NDArray[np.integer],
) -> list[tuple[str, NDArray, NDArray, NDArray]]:
    """Return name, probabilities before and after, and true values, of all that is predicted."""
    if attribute is not None:
        return [(attribute, before, after, truth)]
    one, other, labels = marginals(before), marginals(after), decode(truth)
    parts = [(name, one[name], other[name], labels[name]) for name in ATTRIBUTES]
    return [("class", before, after, truth), *parts]


def _losses(values: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    own = values[np.arange(len(labels)), labels].astype(np.float64)
    return -np.log(np.maximum(own, TINY))


def _likelihood_change(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    labels: NDArray[np.integer],
    person: NDArray | None,
) -> Interval:
    """Return the change of the mean loss over the photos, with its interval over people."""
    change = _losses(after, labels) - _losses(before, labels)
    unit = np.arange(len(labels)) if person is None else person
    _, rows, photos = np.unique(unit, return_inverse=True, return_counts=True)
    draws = resample_people(len(photos))
    resampled = draws @ np.bincount(rows, change) / (draws @ photos)
    return percentile_interval(change.mean(), resampled)
