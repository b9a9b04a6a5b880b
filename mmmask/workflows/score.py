"""Score predictions tables or submissions, and tell whether one is better than another."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.datasets.layout import EVAL_IMAGES
from mmmask.errors import InputError
from mmmask.evaluation.intervals import paired_difference, score_intervals, units_to_draw
from mmmask.evaluation.jackknife import Difference, Interval
from mmmask.evaluation.slices import by_value, slice_scores
from mmmask.known import truths_of
from mmmask.labels import NUM_CLASSES
from mmmask.ledger.submissions import is_submission, read_submission
from mmmask.tables import (
    PROBABILITIES,
    answers,
    attribute_of,
    prediction_columns,
    read_predictions,
    rows_like,
)
from mmmask.workflows.submission import read_answers

#: What tells tables apart in messages: their files.
Name = TypeVar("Name", bound=Hashable)


def labels_of(table: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return truth and prediction, (N,) each: labels 0-17, or the attribute's values of its model.

    ``table`` is a predictions table with the column ``label``. A truth of which only a part is
    known is -1.
    """
    return truths_of(table)[attribute_of(table) or "class"], answers(table)


def intervals_of(table: pd.DataFrame) -> dict[str, Interval]:
    """Return the scores of a predictions table with the column ``label``, with their intervals."""
    units, values = units_to_draw(table)[0], truths_of(table)
    return score_intervals(units, *labels_of(table), attribute_of(table), values=values)


def by_source(table: pd.DataFrame) -> pd.DataFrame | None:
    """Return the scores of each source as :func:`.slices.slice_scores`; None of a single one."""
    if "source" not in table or table["source"].nunique() < 2:
        return None
    sources = by_value(table["source"])
    units, values = units_to_draw(table)[0], truths_of(table)
    return slice_scores(units, *labels_of(table), sources, attribute_of(table), values)


def read_scored(
    paths: Sequence[str | Path],
    labels: str | Path | None = None,  # csv (ImageID, ans, person); None: as the tables tell
) -> dict[Path, pd.DataFrame]:
    """Read tables that can be scored and compared: of the same photos, in the first one's order.

    They are predictions (.parquet or .csv) or submissions (.csv with ImageID and ans), whose
    classes then have probability 1.

    Raises:
        InputError: True classes are unknown, or tables are of other photos, true classes or
            attributes.
    """
    tables = {}
    for path in map(Path, paths):
        table = _read_submission(path) if is_submission(path) else read_predictions(path)
        if labels is not None:
            table = read_answers(labels, table)
        partly = "fits" in table
        if "label" not in table or (table["label"].isna().any() and not partly):
            raise InputError(
                f"{path}: its true classes are unknown; test, score and compare take them by "
                "--labels, a csv (ImageID, ans)"
            )
        if partly and not intervals_of(table):
            what = attribute_of(table) or "mask, gender or age"
            raise InputError(f"{path}: {what} is known of none of the {len(table)} photos")
        tables[path] = table
    found = aligned(tables)
    each = found.values()  # of the same photos: one may know what another does not
    person = next((one["person"] for one in each if units_to_draw(one)[1] == "people"), None)
    age = next((one["age"] for one in each if "age" in one), None)
    lent = {} if person is None else {"person": person}
    return {
        path: table.assign(**lent, **({} if age is None or "age" in table else {"age": age}))
        for path, table in found.items()
    }


def _read_submission(path: Path) -> pd.DataFrame:
    given = read_submission(path)
    certain = np.eye(NUM_CLASSES, dtype=np.float32)[given.to_numpy()]
    table = pd.DataFrame(certain, columns=list(PROBABILITIES))
    table.insert(0, "image", EVAL_IMAGES + given.index.astype("str"))
    return table


def aligned(tables: Mapping[Name, pd.DataFrame]) -> dict[Name, pd.DataFrame]:
    """Return predictions with their rows in the first table's order.

    Raises:
        InputError: They have other photos, true classes or attributes.
    """
    first = next(iter(tables))
    images = tables[first]["image"]
    found: dict[Name, pd.DataFrame] = {}
    for path, table in tables.items():
        rows = rows_like(first, images, path, table["image"])
        found[path] = (table if rows is None else table.take(rows)).reset_index(drop=True)
        one, other = (attribute_of(found[p]) or "the 18 classes" for p in (first, path))
        if one != other:
            raise InputError(f"{first} predicts {one}, and {path} {other}; they cannot be compared")
        truths = [found[p]["label"] for p in (first, path) if "label" in found[p]]
        if len(truths) == 2 and not truths[0].equals(truths[1]):
            raise InputError(f"{first} and {path} have different true classes of the same photos")
    return found


def short_names(paths: Iterable[Path]) -> list[str]:
    """Return what tells paths apart, without the folders and the file name that all share."""
    names = [list(path.parts) for path in paths]
    for end in (0, -1):
        while all(len(name) > 1 and name[end] == names[0][end] for name in names):
            for name in names:
                del name[end]
    return [str(Path(*name)) for name in names]


def differences(tables: Mapping[Path, pd.DataFrame]) -> dict[Path, Difference]:
    """Return by how much each table of :func:`read_scored` beats the first in macro F1, paired.

    It rests on the photos that know all that is predicted; {} where none does.
    """
    known = labels_of(next(iter(tables.values())))[0] >= 0
    if not known.any():
        return {}
    (_, first), *others = ((path, table[known]) for path, table in tables.items())
    classes = len(prediction_columns(attribute_of(first))[1])
    truth, baseline = labels_of(first)
    units, _ = units_to_draw(first)
    return {
        path: paired_difference(units, truth, [labels_of(table)[1]], [baseline], classes=classes)
        for path, table in others
    }
