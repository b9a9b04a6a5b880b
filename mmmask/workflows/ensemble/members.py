"""The tables of an ensemble: do they fit together, and their probabilities in a common order.

A member is read anew each time it is asked for, so no more than one table is held at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.datasets.layout import EVAL_IMAGES
from mmmask.errors import InputError
from mmmask.evaluation.calibrated_tables import (
    CALIBRATED,
    ENSEMBLE_OF,
    calibrated,
    check_decision,
)
from mmmask.evaluation.decision import decide
from mmmask.evaluation.intervals import units_to_draw
from mmmask.known import truths_of
from mmmask.labels import ATTRIBUTES, MIDDLE_FROM, NUM_CLASSES, Cuts, checked_cuts, move_cut
from mmmask.ledger.calibrated_people import CALIBRATION, calibration_origin
from mmmask.ledger.provenance import file_hash, made_now
from mmmask.ledger.submissions import is_submission, read_submission
from mmmask.tables import (
    PREDICTIONS,
    YEARS,
    answers,
    attribute_of,
    column_names,
    prediction_columns,
    probabilities,
    read_table,
    rows_like,
    write_table,
    year_columns,
    years_of,
)
from mmmask.workflows.predict import Prediction
from mmmask.workflows.submission import write_submission

#: What predictions must have in common where they state it.
COMMON = {
    "data_fingerprint": "were predicted from different photos or labels (data fingerprint)",
    "split": "are of different splits",
    "old_from": "have different age cuts (old_from)",
}
#: Columns beside the probabilities that say which photo it is and what is known of it.
KEYS = ("image", "label", "fits", "person", "age", "source", "fold")


@dataclass(frozen=True)
class Member:
    """One table of an ensemble.

    Attributes:
        path: The file.
        attribute: What it is about alone; None for the 18 classes.
        submission: Whether it is a submission: answers, no probabilities.
        years: Whether it has probabilities of years.
        decided: Whether it says itself which classes to submit (column ``answer``).
        provenance: What the file says of its making.
        rows: (N,) its rows in the common order; None where they are in it.
        calibration: File of the calibration that is applied to it.
        cuts: Age cuts of the file and those that it is moved to, where they differ.
    """

    path: Path
    attribute: str | None = None
    submission: bool = False
    years: bool = False
    decided: bool = False
    provenance: Mapping[str, Any] = field(default_factory=dict)
    rows: NDArray[np.intp] | None = None
    calibration: Path | None = None
    cuts: tuple[Cuts, Cuts] | None = None

    @property
    def predicts(self) -> str:
        """What it predicts, in words."""
        return self.attribute or "the 18 classes"

    @property
    def old_from(self) -> int | None:
        """First age, in years, that its probabilities call old, where that is known."""
        return self.provenance.get("old_from") if self.cuts is None else self.cuts[1][1]

    def probabilities(self) -> NDArray[np.float32]:
        """Return the probabilities, (N, C) in the common order; of a submission, 0 and 1."""
        return self.read(years=False)[0]

    def read(self, *, years: bool) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the probabilities, (N, C), and, if asked for and there, of years, (N, 121).

        Raises:
            InputError: A calibration does not belong to it.
        """
        if self.submission:
            answers = read_submission(self.path).to_numpy()
            return self._ordered(np.eye(NUM_CLASSES, dtype=np.float32)[answers]), None
        columns, names = prediction_columns(self.attribute)
        wanted = {"image", *names, *(YEARS if years or self.cuts is not None else ())}
        defined = {name: columns[name] for name in columns if name in wanted}
        table = read_table(self.path, defined, only=wanted)
        values = probabilities(table)
        if self.calibration is not None:
            table = calibrated(table, self.path, self.calibration)
            values = probabilities(table)
        ages = years_of(table)
        if self.cuts is not None and ages is not None:
            values = move_cut(values, ages, before=self.cuts[0], after=self.cuts[1])
        return self._ordered(values), self._ordered(ages) if years and ages is not None else None

    def answers(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the class that it answers for each photo, (N,); ``values``: its probabilities.

        A decision that was made on them holds for as long as they are not changed.
        """
        if not self.decided or self.calibration is not None or self.cuts is not None:
            return values.argmax(axis=1)
        table = read_table(self.path, {"answer": PREDICTIONS["answer"]}, only=("answer",))
        return self._ordered(answers(table))

    def described(self) -> dict[str, Any]:
        """Return what the provenance of an ensemble says of this member."""
        found: dict[str, Any] = {"path": str(self.path), "hash": file_hash(self.path)}
        if self.calibration is not None:
            found[CALIBRATION] = calibration_origin(self.calibration)
        return {**found, "provenance": dict(self.provenance)}

    def _ordered(self, values: NDArray) -> NDArray:
        return values if self.rows is None else values[self.rows]


@dataclass(frozen=True)
class Members:
    """Tables that fit together.

    Attributes:
        each: The tables.
        keys: What is known of the photos: image and, where known, what else ``KEYS`` names.
    """

    each: tuple[Member, ...]
    keys: pd.DataFrame

    @property
    def attribute(self) -> str | None:
        """What all are about alone; None for the 18 classes."""
        return self.each[0].attribute

    @property
    def classes(self) -> int:
        """Number of classes, C."""
        return NUM_CLASSES if self.attribute is None else len(ATTRIBUTES[self.attribute])

    @property
    def labelled(self) -> bool:
        """Whether the true classes are known."""
        return "label" in self.keys

    def truth(self) -> NDArray[np.int64]:
        """Return the true classes, (N,), or the true values of the attribute.

        Raises:
            InputError: A photo does not know it.
        """
        truth = truths_of(self.keys)[self.attribute or "class"]
        if (truth < 0).any():
            what = self.attribute or "mask, gender and age"
            raise InputError(
                f"{self.each[0].path}: {what} must be known of each photo to judge votes; "
                f"it is not known of {(truth < 0).sum()} of {len(truth)}"
            )
        return truth

    def people(self) -> NDArray[np.int64]:
        """Return who is in each photo as numbers from 0, (N,); unknown: each photo another."""
        return pd.factorize(units_to_draw(self.keys)[0], sort=True)[0].astype(np.int64)

    def common(self) -> dict[str, Any]:
        """Return the provenance that an ensemble inherits: where members differ, None."""
        known = [member.provenance for member in self.each]
        found: dict[str, Any] = {}
        for key in ("data_fingerprint", "split"):
            found[key] = next((one[key] for one in known if one.get(key) is not None), None)
        for key in ("preprocessing", "tta"):
            first = known[0].get(key)
            found[key] = first if all(one.get(key) == first for one in known) else None
        cuts = (member.old_from for member in self.each)
        found["old_from"] = next((cut for cut in cuts if cut is not None), None)
        return {**found, ENSEMBLE_OF: len(self.each)}

    def check_decision(self, rule: str) -> None:
        """Refuse a rule to decide by, unless the members' probabilities are calibrated."""
        for member in self.each:
            is_calibrated = member.calibration or member.provenance.get(CALIBRATED)
            check_decision(rule, member.path, None, bool(is_calibrated))

    def write(
        self,
        values: NDArray[np.float32],
        years: NDArray[np.floating] | None,
        made: Mapping[str, Any],
        *,
        decision: str,
        out: str | Path,
        submission: str | Path | None,
        data_root: str | Path,
    ) -> Prediction:
        """Write what was made of the members, and a submission in info.csv's order if asked for.

        ``values``, (N, C), are of the 18 classes or of the members' attribute, ``years`` (N, 121);
        ``made`` says in the provenance how they came about. By another ``decision`` than
        ``argmax`` they are decided, which :meth:`check_decision` allows.
        """
        joint = values.shape[1] == NUM_CLASSES
        columns, names = prediction_columns(None if joint else self.attribute)
        parts = [self.keys, pd.DataFrame(values, columns=list(names))]
        if years is not None:
            parts.append(year_columns(years))
        table = pd.concat(parts, axis=1)
        if decision != "argmax":
            table["answer"] = decide(values, decision)
        provenance = {**made, "decision": decision, **self.common(), **made_now()}
        write_table(out, table, columns, provenance)
        table.attrs["provenance"] = provenance
        if submission is not None:
            origin = {**provenance, "predictions": str(out)}
            write_submission(submission, table, data_root, origin=origin)
        return Prediction(table, Path(data_root), Path(out))


def read_members(
    paths: Sequence[str | Path],
    calibrations: Sequence[str | Path] = (),
    old_from: int | None = None,
) -> Members:
    """Return tables of predictions, or submissions, of which each has the photos of the others.

    Crop, size, normalisation and test-time views may differ: members of an ensemble should.

    Args:
        paths: Predictions (.parquet or .csv) or submissions (.csv with ImageID and ans).
        calibrations: One for each of ``paths``, or none.
        old_from: First age, in years, called old; tables of years are moved to it.

    Raises:
        InputError: They have different photos, true classes, data fingerprints, splits or age
            cuts; what a table does not state is not compared. Or one cannot be moved to
            ``old_from``.
    """
    files = [Path(path) for path in paths]
    if calibrations and len(calibrations) != len(files):
        raise InputError(
            f"--calibration needs one file for each of the {len(files)} members; "
            f"got {len(calibrations)}"
        )
    known = _Known()
    members = []
    for number, path in enumerate(files):
        names = column_names(path)
        if path.resolve() in {file.resolve() for file in files[:number]}:
            raise InputError(f"{path} is given twice; a member votes once")
        submission = is_submission(path)
        if submission:
            images = EVAL_IMAGES + read_submission(path).index.astype("str")
            card = pd.DataFrame({"image": images})
        else:  # what it says of its photos, without the probabilities
            card = read_table(path, {name: PREDICTIONS[name] for name in KEYS}, only=KEYS)
        member = Member(
            path,
            None if submission else attribute_of(names),
            submission,
            not {*names}.isdisjoint(YEARS),
            "answer" in names,
            card.attrs.get("provenance", {}),
            calibration=Path(calibrations[number]) if calibrations else None,
        )
        if old_from is not None:
            member = replace(member, cuts=_cuts(member, old_from))
        members.append(replace(member, rows=known.add(path, card, member.old_from)))
    return Members(tuple(members), known.keys)


class _Known:
    """What the tables looked at so far say of their photos."""

    def __init__(self) -> None:
        self.keys = pd.DataFrame()
        self._first: Path | None = None
        self._labels: Path | None = None
        self._stated: dict[tuple[str, bool], tuple[Path, Any]] = {}

    def add(self, path: Path, card: pd.DataFrame, old_from: int | None) -> NDArray[np.intp] | None:
        """Refuse a table unlike those before; return its rows in their order, None: as they are."""
        if not len(card):
            raise InputError(f"{path}: has no rows; predictions must be of at least one photo")
        labelled = "label" in card
        if labelled and card["label"].isna().any() and "fits" not in card:
            raise InputError(
                f"{path}: label must be known of all photos or of none; "
                f"it is missing for {int(card['label'].isna().sum())} of {len(card)}"
            )
        provenance = {**card.attrs.get("provenance", {}), "old_from": old_from}
        for key, problem in COMMON.items():
            # True classes are part of the fingerprint, so it differs where only one knows them.
            slot = (key, labelled and key == "data_fingerprint")
            if provenance.get(key) is None:
                continue
            other, value = self._stated.setdefault(slot, (path, provenance[key]))
            if value != provenance[key]:
                raise InputError(
                    f"{other} and {path} {problem}: {value!s:.12} and {provenance[key]!s:.12}"
                )
        card = card[[name for name in KEYS if name in card]].reset_index(drop=True)
        first = path if self._first is None else self._first
        rows = rows_like(first, self.keys.get("image", card["image"]), path, card["image"])
        if rows is not None:
            card = card.take(rows).reset_index(drop=True)
        if labelled and "label" in self.keys and not card["label"].equals(self.keys["label"]):
            raise InputError(
                f"{self._labels} and {path} have different true classes of the same photos"
            )
        self._remember(path, card)
        return rows

    def _remember(self, path: Path, card: pd.DataFrame) -> None:
        tells_people = units_to_draw(card)[1] == "people"
        known = card if tells_people else card.drop(columns="person", errors="ignore")
        if self._first is None:
            self._first, self.keys = path, known
        elif "fold" in self.keys and not known.get("fold", self.keys["image"]).equals(
            self.keys["fold"]
        ):
            self.keys = self.keys.drop(columns="fold")
        if "label" in known and self._labels is None:
            self._labels = path
        for name in ("label", "fits", "person", "age", "source"):
            if name in known and name not in self.keys:
                self.keys = self.keys.assign(**{name: known[name]})


def _cuts(member: Member, old_from: int) -> tuple[Cuts, Cuts] | None:
    """Return the age cut of a table and the one to move it to, None where nothing has to move."""
    stated = member.provenance.get("old_from")
    if member.attribute not in (None, "age") or stated == old_from:
        return None
    if not member.years or stated is None:
        missing = "provenance with its age cut" if member.years else "columns year_*"
        raise InputError(
            f"{member.path}: --old-from {old_from} needs predictions of years; "
            f"it has no {missing}, and its cut is {stated or 'unknown'}"
        )
    return checked_cuts((MIDDLE_FROM, stated)), checked_cuts((MIDDLE_FROM, old_from))
