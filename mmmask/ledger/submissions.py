"""The ledger of submissions: what was written when, from what, and how it did on the leaderboard.

A folder holds ``log.csv`` with a row for each submission (columns: ``mmmask.tables.SUBMISSIONS``)
and a copy of its answers as ``0001.csv`` and so on. Submissions of another test set, of drawn faces
say, may stand in the same ledger: they are neither counted nor compared with those at hand.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.csv_files import read_csv
from mmmask.errors import InputError, MissingFileError
from mmmask.files import locked, write_csv
from mmmask.labels import ATTRIBUTES, NUM_CLASSES, decode
from mmmask.ledger.provenance import command_line, learned_from_test_set, now, text_hash
from mmmask.ledger.staleness import checkpoints_of
from mmmask.reading import one_form
from mmmask.table_checks import Column, checked
from mmmask.tables import SUBMISSIONS, column_names, photo_index, read_table, write_table

#: Columns of a submission: a photo's file name, and its class 0-17.
SUBMISSION = ("ImageID", "ans")
_ANSWERS = {
    "ImageID": Column("str", "file name of the photo", complete=True),
    "ans": Column("Int8", "class 0-17", limits=(0, NUM_CLASSES - 1), complete=True),
}
LOG = "log.csv"
#: Submissions that the competition takes per day.
QUOTA = 10


def ledger_folder() -> Path:
    """Return the folder of the ledger: ``$MMMASK_LEDGER``, by default work_dirs/submissions."""
    return Path(os.environ.get("MMMASK_LEDGER") or "work_dirs/submissions")


@dataclass(frozen=True)
class SubmissionCheck:
    """What there is to know of a submission before it is sent."""

    answers: str  # hash of photos and classes
    photos: str  # hash of the photos
    day: str  # today's date
    count: int  # which of today's submissions it is; equal ones count once
    duplicates: pd.DataFrame  # rows of the log with the very same answers
    #: Row of the log that it is compared with: the one with the highest leaderboard score, or,
    #: while none is known, the last. None: there is no other.
    against: pd.Series | None
    #: Share of the photos with the same answer as that one, ``overall`` and of each attribute;
    #: empty where its copy is gone.
    agreement: Mapping[str, float]
    #: Attribute -> share of the photos with each of its values.
    shares: Mapping[str, NDArray[np.float64]]
    shares_against: Mapping[str, NDArray[np.float64]]  # likewise of the one compared with


def read_submission(path: str | Path) -> pd.Series:
    """Return ImageID -> class of a submission, or of a csv of true classes in its form."""
    if Path(path).suffix == ".parquet":
        raise InputError(f"{path}: a submission is a csv (ImageID, ans); got a parquet file")
    table = read_csv(path, SUBMISSION)
    if table.empty:
        raise InputError(f"{path}: has no rows")
    answers = checked(table[[*SUBMISSION]], _ANSWERS, str(path), file=True)
    index = photo_index(path, answers["ImageID"].map(one_form))
    return pd.Series(answers["ans"].to_numpy(dtype=np.int64), index, name="ans")


def is_submission(path: str | Path) -> bool:
    """Say whether a file has the columns of a submission."""
    return Path(path).suffix == ".csv" and set(SUBMISSION) <= set(column_names(path))


def read_log(folder: Path) -> pd.DataFrame:
    """Return the log, with all its columns; empty where nothing has been submitted yet."""
    if not (folder / LOG).exists():
        log = pd.DataFrame(columns=list(SUBMISSIONS))
    else:
        log = read_table(folder / LOG, SUBMISSIONS).reindex(columns=list(SUBMISSIONS))
    return log.astype({name: column.dtype for name, column in SUBMISSIONS.items()})


def check_submission(answers: pd.Series, folder: Path) -> SubmissionCheck:
    """Compare a submission, ImageID -> class, with the submissions of the same photos so far."""
    answers_hash, photos_hash = hashes(answers)
    log = read_log(folder)
    log = log[log["photos"] == photos_hash]
    day = now()[:10]
    today = log.loc[log["time"].str[:10] == day, "answers"]
    others = log[log["answers"] != answers_hash]
    scored = others[others["score"].notna()]
    against = None
    if len(others):
        against = scored.loc[scored["score"].idxmax()] if len(scored) else others.iloc[-1]
    classes = answers.sort_index().to_numpy()
    agreed: dict[str, float] = {}
    shares_against: dict[str, NDArray[np.float64]] = {}
    if against is not None and copy_of(folder, against["number"]).exists():
        other = read_submission(copy_of(folder, against["number"])).sort_index().to_numpy()
        agreed, shares_against = agreement(classes, other), shares(other)
    return SubmissionCheck(
        answers=answers_hash,
        photos=photos_hash,
        day=day,
        count=len({*today, answers_hash}),
        duplicates=log[log["answers"] == answers_hash],
        against=against,
        agreement=agreed,
        shares=shares(classes),
        shares_against=shares_against,
    )


def warnings_of(seen: SubmissionCheck, doubts: Sequence[str] = ()) -> list[str]:
    """Return what speaks against sending a submission; ``doubts`` are those of its provenance."""
    found = []
    if len(seen.duplicates):
        first = seen.duplicates.iloc[0]
        score = "" if pd.isna(first["score"]) else f", leaderboard {first['score']:.4f}"
        found.append(
            f"the same answers as submission {first['number']} of {first['time'][:10]} "
            f"({first['path']}{score}): sending them again tells nothing new"
        )
    if seen.count > QUOTA:
        found.append(f"{seen.count} submissions today, {QUOTA} are taken")
    return list(dict.fromkeys([*found, *seen.duplicates["learned"].dropna(), *doubts]))


def agreement(one: NDArray[np.integer], other: NDArray[np.integer]) -> dict[str, float]:
    """Return the share of photos, (N,) classes each, with equal classes and equal parts of them."""
    parts, others = decode(one), decode(other)
    return {
        "overall": float(np.mean(one == other)),
        **{name: float(np.mean(parts[name] == others[name])) for name in parts},
    }


def shares(classes: NDArray[np.integer]) -> dict[str, NDArray[np.float64]]:
    """Return attribute -> share of the photos with each of its values."""
    return {
        name: np.bincount(part, minlength=len(ATTRIBUTES[name])) / len(part)
        for name, part in decode(classes).items()
    }


def enter(path: str | Path, answers: pd.Series, folder: Path, origin: Mapping[str, Any]) -> int:
    """Log a submission, keep a copy of its answers, and return its number.

    ``origin`` is the provenance of the predictions; its ``predictions`` names their file.
    """
    answers_hash, photos_hash = hashes(answers)
    with locked(folder / LOG):
        log = read_log(folder)
        number = 1 if log.empty else int(log["number"].max()) + 1
        write_csv(copy_of(folder, number), answers.reset_index())
        row = {
            "number": number,
            "time": now(),
            "path": os.path.abspath(path),
            "answers": answers_hash,
            "photos": photos_hash,
            "predictions": origin.get("predictions"),
            "checkpoints": " ".join(str(one) for one in checkpoints_of(origin)) or None,
            "config_hash": origin.get("config_hash"),
            "learned": learned_from_test_set(origin),
            "command": command_line(),
        }
        known = log.loc[(log["answers"] == answers_hash) & log["score"].notna(), "score"]
        if len(known):
            row["score"] = known.iloc[0]  # the leaderboard would say the same again
        rows = [*log.to_dict("records"), row]
        write_table(folder / LOG, pd.DataFrame(rows, columns=list(SUBMISSIONS)), SUBMISSIONS)
    return number


def enter_score(which: str, score: float, folder: Path, note: str | None = None) -> pd.Series:
    """Write down what the leaderboard said of a submission; return its row of the log.

    ``which`` is its number, or a file with its answers; one that is not in the log is entered.
    """
    if not 0 <= score <= 1:
        raise InputError(f"score must be a macro F1 from 0 to 1; got {score}")
    if which.isdigit():
        number = int(which)
        if number not in set(read_log(folder)["number"]):
            raise InputError(f"{folder / LOG}: has no submission {number}")
    else:
        if not Path(which).is_file():
            raise MissingFileError(f"{which}: no such file; name a number or a csv of the log")
        answers = read_submission(which)
        log = read_log(folder)
        same = log.loc[log["answers"] == hashes(answers)[0], "number"]
        number = int(same.iloc[-1]) if len(same) else enter(which, answers, folder, {})
    with locked(folder / LOG):
        log = read_log(folder)
        row = log["number"] == number
        log.loc[log["answers"] == log.loc[row, "answers"].iloc[0], "score"] = score
        if note is not None:
            log.loc[row, "note"] = note
        write_table(folder / LOG, log, SUBMISSIONS)
    return log[row].iloc[0]


def hashes(answers: pd.Series) -> tuple[str, str]:
    """Return hashes of the answers and of the photos alone; the order of rows does not matter."""
    ordered = answers.sort_index()
    return text_hash(ordered.to_csv(header=False)), text_hash("\n".join(ordered.index))


def copy_of(folder: Path, number: int) -> Path:
    """Return where the answers of a submission are kept."""
    return folder / f"{number:04d}.csv"
