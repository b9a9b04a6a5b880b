"""Submissions: one predicted class per photo, in the order of info.csv."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mmmask.csv_files import read_csv
from mmmask.errors import InputError, MissingFileError, nearest
from mmmask.files import check_folder, check_output, write_csv
from mmmask.ledger.provenance import learned_from_test_set
from mmmask.ledger.staleness import stale_reasons
from mmmask.ledger.submissions import (
    SUBMISSION,
    check_submission,
    enter,
    ledger_folder,
    read_submission,
    warnings_of,
)
from mmmask.reading import one_form
from mmmask.reports.submission_tables import print_submission_check
from mmmask.table_checks import checked
from mmmask.tables import SAMPLES, answers, check_table_name


def check_outputs(
    *tables: str | Path | None, submission: str | Path | None, data_root: str | Path
) -> None:
    """Refuse, before any work, files that cannot be written, and a submission without info.csv."""
    for path in tables:
        if path is not None:
            check_table_name(path)
            check_output(path)
    if submission is not None:
        if Path(submission).suffix != ".csv":
            raise InputError(
                f"{submission}: a submission must end in .csv; got "
                f"{Path(submission).suffix or 'no suffix'}"
            )
        check_output(submission)
        check_folder(ledger_folder())
        _read_info(data_root)


def check_covered(
    submission: str | Path | None, predictions: pd.DataFrame, data_root: str | Path
) -> None:
    """Refuse a submission of which info.csv asks more than the photos of ``predictions``."""
    if submission is not None:
        _in_order(submission, _image_ids(predictions), data_root)


def write_submission(
    path: str | Path,
    predictions: pd.DataFrame,  # of the 18 classes
    data_root: str | Path,  # holds ``eval/info.csv``
    *,
    origin: Mapping[str, Any] | None = None,  # provenance; None: the table's own
) -> None:
    """Write ImageID and ans, one row for each row of eval/info.csv and in its order, and log it.

    Before, print which of today's submissions it is, how far it agrees with the best one so far,
    and warnings: that it repeats an earlier one, exceeds the day's quota, learned from photos of
    the test set, or is stale (see :mod:`mmmask.ledger.staleness`). The user decides whether to
    send it. The ``predictions`` of ``origin`` names their file.

    Raises:
        InputError: A photo of info.csv has no prediction, or more than one.
    """
    given = pd.Series(answers(predictions), index=_image_ids(predictions), name="ans")
    names = _in_order(path, given.index, data_root)
    submission = given.loc[names.map(one_form)]
    if origin is None:
        origin = predictions.attrs.get("provenance", {})
    folder = ledger_folder()
    seen = check_submission(submission, folder)
    learned = learned_from_test_set(origin)
    doubts = stale_reasons(origin) if learned is None else [learned, *stale_reasons(origin)]
    print_submission_check(seen, warnings_of(seen, doubts), str(path))
    write_csv(path, submission.set_axis(pd.Index(names)).reset_index())  # as info.csv spells them
    enter(path, submission, folder, origin)


def _read_info(data_root: str | Path) -> pd.DataFrame:
    path = Path(data_root) / "eval" / "info.csv"
    if not path.is_file():
        raise MissingFileError(
            f"{path}: no such file; a submission has its order, and --data-root names the folder "
            "that holds eval/"
        )
    return read_csv(path, SUBMISSION)


def _in_order(path: str | Path, given: pd.Index, data_root: str | Path) -> pd.Series:
    """Return the photos of info.csv; refuse them where one has no prediction, or two."""
    info = _read_info(data_root)
    if given.has_duplicates:
        raise InputError(f"{path}: {given[given.duplicated()][0]} has more than one prediction")
    missing = ~info["ImageID"].map(one_form, na_action="ignore").isin(given)
    if missing.any():
        lost = str(info.loc[missing, "ImageID"].iloc[0])
        raise InputError(
            f"{path}: {missing.sum()} photos of info.csv have no prediction, "
            f"the first is {lost}{nearest(lost, given)}"
        )
    return info["ImageID"]


def read_answers(path: str | Path, samples: pd.DataFrame) -> pd.DataFrame:
    """Return the samples with ``label`` from a csv (ImageID, ans) of true classes.

    Where the csv has ``person``, who is in each photo, or ``age``, in years, the samples get that
    too.

    Raises:
        InputError: A sample has no class, an age is none, or the csv names only some people.
    """
    classes = read_submission(path)
    ids = _image_ids(samples)
    missing = ~ids.isin(classes.index)
    if missing.any():
        raise InputError(
            f"{path}: {missing.sum()} photos have no answer, the first is {ids[missing][0]}"
            f"{nearest(ids[missing][0], classes.index)}"
        )
    found = samples.assign(label=pd.array(classes.loc[ids].to_numpy(), dtype="Int8"))
    table = read_csv(path, SUBMISSION).rename(columns={"ImageID": "image"})
    table["image"] = table["image"].map(one_form, na_action="ignore")
    known = {name: SAMPLES[name] for name in ("image", "person", "age") if name in table}
    given = checked(table, known, str(path), file=True).set_index("image").loc[ids]
    if "age" in given:
        found["age"] = given["age"].array
    if "person" in given:
        unknown = given["person"].isna().to_numpy()
        if unknown.any():
            raise InputError(
                f"{path}: person must be given for all photos or the column left out; it is empty "
                f"for {unknown.sum()}, the first is {ids[unknown][0]}"
            )
        found["person"] = given["person"].array
    return found


def _image_ids(table: pd.DataFrame) -> pd.Index:
    """Return the file names by which info.csv knows the photos, in one form."""
    names = table["image"].str.rsplit("/", n=1).str[-1]
    return pd.Index(names.map(one_form), name="ImageID")
