"""Tables of predictions and their calibration: what fits together, and what it makes of them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.errors import InputError
from mmmask.evaluation.calibration import Calibration
from mmmask.evaluation.decision import check_rule, decide
from mmmask.evaluation.intervals import units_to_draw
from mmmask.json_files import read_json
from mmmask.known import truths_of
from mmmask.labels import MIDDLE_FROM, Cuts, checked_cuts, group_slices, marginals
from mmmask.tables import (
    YEARS,
    attribute_of,
    prediction_columns,
    probabilities,
    year_columns,
    years_of,
)

#: How many models were combined in predictions; one where that is not stated.
ENSEMBLE_OF = "ensemble_of"
#: What predictions must share with those that a calibration was fitted on, where both state it.
BELONGING = {
    "preprocessing": "were made with another preprocessing",
    "old_from": "have another age cut (old_from)",
    "tta": "were averaged over other views (tta)",
    ENSEMBLE_OF: "combine another number of models",
}
#: What the provenance of calibrated predictions says of them.
CALIBRATED = "calibrated"
#: Attribute of a table of which :func:`knowing` has left a part: how many photos it had.
_ALL = "photos before"
#: Parts of the people without folds that are calibrated by the others.
PARTS = 5


def read_calibration(path: str | Path) -> Calibration:
    """Read a calibration that tools/calibrate.py wrote.

    Raises:
        InputError: The file is missing or holds no calibration; names what is wrong.
    """
    content = read_json(path)
    if "method" not in content:
        raise InputError(f"{path}: must be a calibration, which tools/calibrate.py writes")
    try:
        return Calibration.from_dict(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def check_belongs(
    calibration: Calibration, path: str | Path, table: pd.DataFrame, where: str | Path
) -> None:
    """Refuse predictions, of the file ``where``, unlike those that a calibration was fitted on.

    Raises:
        InputError: They are of other classes, or differ in what ``BELONGING`` lists.
    """
    ours, theirs = calibration.provenance.get("attribute"), attribute_of(table)
    if ours != theirs or calibration.classes != probabilities(table).shape[1]:
        raise InputError(
            f"{where}: predicts {theirs or 'the 18 classes'}, but {path} calibrates "
            f"{ours or 'the 18 classes'}"
        )
    check_alike(calibration.provenance, path, table, where)


def check_alike(
    fitted: Mapping[str, Any], path: str | Path, table: pd.DataFrame, where: str | Path
) -> None:
    """Refuse predictions made otherwise than those that something was fitted on.

    Args:
        fitted: Provenance of the latter.
        path: Their file, or that of what was fitted.
        table: Predictions.
        where: Their file.

    Raises:
        InputError: They are calibrated already, or differ in what ``BELONGING`` lists.
    """
    stated = table.attrs.get("provenance", {})
    if stated.get(CALIBRATED):
        raise InputError(f"{where}: is calibrated already; give the predictions as they were made")
    for problem, theirs, ours in unlike(stated, fitted):
        raise InputError(
            f"{where}: predictions {problem} than those that {path} was fitted on: "
            f"{theirs} and {ours}"
        )


def unlike(
    one: Mapping[str, Any], other: Mapping[str, Any]
) -> Iterator[tuple[str, object, object]]:
    """Yield in what predictions differ by their provenances: the problem and the two values."""
    for key, problem in BELONGING.items():
        values = one.get(key), other.get(key)
        if key == ENSEMBLE_OF:
            values = values[0] or 1, values[1] or 1
        if None not in values and values[0] != values[1]:
            yield problem, *values


def calibrated(table: pd.DataFrame, where: str | Path, path: str | Path) -> pd.DataFrame:
    """Return predictions, of the file ``where``, calibrated by the file ``path``, years alike.

    Raises:
        InputError: There is no calibration, or it does not belong to the predictions.
    """
    calibration = read_calibration(path)
    check_belongs(calibration, path, table, where)
    return with_probabilities(table, calibration(probabilities(table)))


def decided(table: pd.DataFrame, where: str | Path, rule: str) -> pd.DataFrame:
    """Return calibrated predictions, of the file ``where``, with the answers by a rule.

    All photos of the table are decided together; see :func:`mmmask.evaluation.decision.decide`.

    Raises:
        InputError: The rule is unknown, or needs other predictions.
    """
    check_decision(
        rule, where, attribute_of(table), bool(table.attrs.get("provenance", {}).get(CALIBRATED))
    )
    return table if rule == "argmax" else table.assign(answer=decide(probabilities(table), rule))


def check_decision(
    rule: str, where: str | Path, attribute: str | None, is_calibrated: bool
) -> None:
    """Refuse a rule for predictions of the file ``where`` that cannot be decided by it.

    Raises:
        InputError: The rule is unknown, or macro F1 is to be decided of predictions of one
            attribute alone or of uncalibrated ones.
    """
    check_rule(rule)
    if rule == "argmax":
        return
    if attribute is not None:
        raise InputError(
            f"--decision {rule} needs the 18 classes, but {where} predicts {attribute} alone"
        )
    if not is_calibrated:
        raise InputError(
            f"--decision {rule} needs calibrated probabilities, and those of {where} are not; "
            "give a --calibration of tools/calibrate.py"
        )


def with_probabilities(table: pd.DataFrame, values: NDArray[np.floating]) -> pd.DataFrame:
    """Return predictions with other probabilities, and years whose groups sum to their age part.

    Within an age group the years keep their shares. Where the table does not state its age cut,
    or a photo's age group has no year, nothing says how the years would have to change: then
    the year columns are left out.
    """
    names = prediction_columns(attribute_of(table))[1]
    changed = table.drop(columns=[name for name in YEARS if name in table])
    changed[list(names)] = np.asarray(values, dtype=np.float32)
    years, old_from = years_of(table), table.attrs.get("provenance", {}).get("old_from")
    if years is not None and old_from is not None:
        ages = values if attribute_of(table) == "age" else marginals(values)["age"]
        moved = _years_like(ages, years, checked_cuts((MIDDLE_FROM, old_from)))
        if moved is not None:
            extra = year_columns(moved).set_index(changed.index)
            changed = pd.concat([changed, extra], axis=1)
    changed = changed.drop(columns="answer", errors="ignore")  # it was that of the former
    changed.attrs = {"provenance": {**table.attrs.get("provenance", {}), CALIBRATED: True}}
    return changed


def _years_like(
    ages: NDArray[np.floating], years: NDArray[np.floating], cuts: Cuts
) -> NDArray[np.float32] | None:
    """Return years, (N, 121), whose groups have given probabilities; None: one has no year."""
    result = years.astype(np.float64)
    for group, part in enumerate(group_slices(cuts)):
        total = result[:, part].sum(axis=1)
        if np.any((total == 0) & (ages[:, group] > 1e-6)):
            return None
        result[:, part] *= (ages[:, group] / np.where(total == 0, 1, total))[:, None]
    return result.astype(np.float32)


def true_values(table: pd.DataFrame, where: str | Path) -> NDArray[np.int64]:
    """Return the true class of each photo, or its value of the attribute that is predicted.

    It is -1 where the column ``fits`` says that several are possible.

    Raises:
        InputError: A label is missing without ``fits``, or no photo knows the value.
    """
    if "label" not in table or (table["label"].isna().any() and "fits" not in table):
        missing = len(table) if "label" not in table else int(table["label"].isna().sum())
        raise InputError(f"{where}: label is missing for {missing} of {len(table)} photos")
    attribute = attribute_of(table)
    truth = truths_of(table)[attribute or "class"]
    if (truth < 0).all():
        what = attribute or "mask, gender and age together"
        raise InputError(f"{where}: {what} is known of none of the {len(table)} photos")
    return truth


def knowing(table: pd.DataFrame, where: str | Path) -> pd.DataFrame:
    """Return the photos that know what is predicted; errors as in :func:`true_values`."""
    known = true_values(table, where) >= 0
    if known.all():
        return table
    rest = table[known].reset_index(drop=True)
    rest.attrs = {**table.attrs, _ALL: len(table)}
    return rest


def left_out_words(table: pd.DataFrame) -> str | None:
    """Return how many photos :func:`knowing` has left; None where it has left all."""
    if _ALL not in table.attrs:
        return None
    what = attribute_of(table) or "mask, gender and age together"
    return f"only the {len(table):,} of {table.attrs[_ALL]:,} photos with known {what} are used"


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
