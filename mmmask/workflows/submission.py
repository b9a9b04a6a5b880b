"""Submissions: one predicted class a photo, in the order of info.csv."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mmmask.errors import InputError
from mmmask.files import written_whole
from mmmask.ledger.staleness import stale_reasons
from mmmask.ledger.submissions import (
    SUBMISSION,
    enter,
    ledger_folder,
    read_submission,
    review,
    warnings_of,
)
from mmmask.reports.submissions import print_review
from mmmask.tables import answers, read_csv


def write_submission(
    path: str | Path,
    predictions: pd.DataFrame,
    data_root: str | Path,
    *,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Write ImageID and ans, one row for each row of eval/info.csv and in its order, and log it.

    Before, print which of today's submissions it is, how far it agrees with the best one so far,
    and warnings: that it repeats an earlier one, exceeds the day's quota, or is stale (see
    :mod:`mmmask.ledger.staleness`). Whether to send it is the user's to decide.

    Args:
        path: Where it goes.
        predictions: Of the 18 classes.
        data_root: Folder that holds ``eval/info.csv``.
        origin: Provenance of the predictions, for the log; ``predictions`` names their file. None
            takes what a table read from a file brings with it.

    Raises:
        InputError: A photo of info.csv has no prediction, or more than one.
    """
    info = read_csv(Path(data_root) / "eval" / "info.csv", SUBMISSION)
    given = pd.Series(answers(predictions), index=_image_ids(predictions), name="ans")
    if given.index.has_duplicates:
        twice = given.index[given.index.duplicated()][0]
        raise InputError(f"{path}: {twice} has more than one prediction")
    missing = ~info["ImageID"].isin(given.index)
    if missing.any():
        raise InputError(
            f"{path}: {missing.sum()} photos of info.csv have no prediction, "
            f"the first is {info.loc[missing, 'ImageID'].iloc[0]}"
        )
    submission = given.loc[info["ImageID"]]
    if origin is None:
        origin = predictions.attrs.get("provenance", {})
    folder = ledger_folder()
    seen = review(submission, folder)
    print_review(seen, warnings_of(seen, stale_reasons(origin)), str(path))
    with written_whole(path) as aside:
        submission.reset_index().to_csv(aside, index=False)
    enter(path, submission, folder, origin)


def read_answers(path: str | Path, samples: pd.DataFrame) -> pd.DataFrame:
    """Return the samples with ``label`` from a csv (ImageID, ans) of true classes."""
    classes = read_submission(path)
    ids = _image_ids(samples)
    missing = ~ids.isin(classes.index)
    if missing.any():
        raise InputError(
            f"{path}: {missing.sum()} photos have no answer, the first is {ids[missing][0]}"
        )
    return samples.assign(label=pd.array(classes.loc[ids].to_numpy(), dtype="Int8"))


def _image_ids(table: pd.DataFrame) -> pd.Index:
    """Return the file names by which info.csv knows the photos."""
    return pd.Index(table["image"].str.rsplit("/", n=1).str[-1], name="ImageID")
