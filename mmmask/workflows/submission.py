"""Submissions: one predicted class a photo, in the order of info.csv."""

from pathlib import Path

import pandas as pd

from mmmask.errors import InputError
from mmmask.files import written_whole
from mmmask.labels import NUM_CLASSES
from mmmask.tables import answers, read_csv

#: Columns of a submission: a photo's file name, and its class 0-17.
SUBMISSION = ("ImageID", "ans")


def write_submission(path: str | Path, predictions: pd.DataFrame, data_root: str | Path) -> None:
    """Write ImageID and ans, one row for each row of eval/info.csv and in its order.

    Raises:
        InputError: A photo of info.csv has no prediction.
    """
    info = read_csv(Path(data_root) / "eval" / "info.csv", SUBMISSION)
    given = pd.Series(answers(predictions), index=_image_ids(predictions), name="ans")
    missing = ~info["ImageID"].isin(given.index)
    if missing.any():
        raise InputError(
            f"{path}: {missing.sum()} photos of info.csv have no prediction, "
            f"the first is {info.loc[missing, 'ImageID'].iloc[0]}"
        )
    info["ans"] = given.loc[info["ImageID"]].to_numpy()
    with written_whole(path) as aside:
        info[list(SUBMISSION)].to_csv(aside, index=False)


def read_submission(path: str | Path) -> pd.Series:
    """Return ImageID -> class of a submission, or of a csv of true classes in its form.

    Raises:
        InputError: An answer is no class, or a photo is there twice.
    """
    given = read_csv(path, SUBMISSION).set_index("ImageID")["ans"]
    classes = pd.to_numeric(given, errors="coerce")
    wrong = ~classes.isin(range(NUM_CLASSES))
    if wrong.any():
        raise InputError(
            f"{path}: ans must be a class from 0 to {NUM_CLASSES - 1}; "
            f"got {given[wrong].iloc[0]!r} for {given.index[wrong][0]}"
        )
    if classes.index.has_duplicates:
        raise InputError(f"{path}: ImageID {classes.index[classes.index.duplicated()][0]} is twice")
    return classes.astype("int64")


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
    return pd.Index(table["image"].str.rsplit("/", n=1).str[-1])
