"""Submissions: one predicted class a photo, in the order of info.csv."""

from pathlib import Path

import numpy as np
import pandas as pd

from mmmask.datasets.layout import EVAL_IMAGES
from mmmask.errors import InputError
from mmmask.files import written_whole
from mmmask.labels import NUM_CLASSES
from mmmask.tables import probabilities, read_csv

#: Columns of a submission.
SUBMISSION = ("ImageID", "ans")


def write_submission(path: str | Path, predictions: pd.DataFrame, data_root: str | Path) -> None:
    """Write ImageID and ans, one row for each row of eval/info.csv and in its order.

    Raises:
        InputError: A photo of info.csv has no prediction.
    """
    info = read_csv(Path(data_root) / "eval" / "info.csv", SUBMISSION)
    answers = pd.Series(
        probabilities(predictions).argmax(axis=1), index=_image_ids(predictions), name="ans"
    )
    missing = ~info["ImageID"].isin(answers.index)
    if missing.any():
        raise InputError(
            f"{path}: {missing.sum()} photos of info.csv have no prediction, "
            f"the first is {info.loc[missing, 'ImageID'].iloc[0]}"
        )
    info["ans"] = answers.loc[info["ImageID"]].to_numpy()
    with written_whole(path) as aside:
        info[list(SUBMISSION)].to_csv(aside, index=False)


def read_submission(path: str | Path) -> pd.Series:
    """Return the class, 0 to 17, of each photo of a csv (ImageID, ans), indexed by its path.

    Raises:
        InputError: A column is missing, an answer is no class, or a photo is there twice.
    """
    answers = read_csv(path, SUBMISSION).set_index("ImageID")["ans"]
    classes = pd.to_numeric(answers, errors="coerce")
    wrong = ~classes.isin(range(NUM_CLASSES))
    if wrong.any():
        raise InputError(
            f"{path}: ans must be a class from 0 to {NUM_CLASSES - 1}; "
            f"got {answers[wrong].iloc[0]!r} for {answers.index[wrong][0]}"
        )
    if classes.index.has_duplicates:
        twice = classes.index[classes.index.duplicated()][0]
        raise InputError(f"{path}: ImageID {twice} is twice")
    classes.index = pd.Index(EVAL_IMAGES + classes.index, name="image")
    return classes.astype(np.int64)


def read_answers(path: str | Path, samples: pd.DataFrame) -> pd.DataFrame:
    """Return the samples with ``label`` from a csv (ImageID, ans) of true classes."""
    classes = read_submission(path)
    classes.index = _image_ids(classes.reset_index())
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
