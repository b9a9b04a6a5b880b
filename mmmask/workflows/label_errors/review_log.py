"""The log of a review: one line per decision, on the disk before the decision counts.

A table of corrections that is rewritten at each decision would hold what was accepted. But what
was kept or put off must be remembered too, undo needs the order, and a crash may come at any
byte. So decisions are appended here, each synced, and the table follows from them. A crash can
leave half a line at the end, whose decision was never confirmed: it is left out.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mmmask.errors import InputError
from mmmask.files import onto_disk
from mmmask.json_files import json_object

#: What can be decided on a label issue. ``open`` takes a decision back, as an undo of its own.
VERDICTS = ("accept", "keep", "set", "later", "open")


class Correction(NamedTuple):
    """A row of the table of corrections."""

    person: str
    photo: str
    field: str
    value: str
    reason: str


class LabelIssue(NamedTuple):
    """A proposed correction; a log identifies it by all four, since lists come and go."""

    person: str
    photo: str
    field: str
    value: str


@dataclass(frozen=True)
class Decision:
    """What was decided.

    Attributes:
        issue: The label issue that it is about; logs call it ``suspect``.
        verdict: One of ``VERDICTS``.
        corrections: What it corrects: the proposal, other values, or nothing.
        was: The label before, in words.
        time: In seconds since 1970.
    """

    issue: LabelIssue
    verdict: str
    corrections: tuple[Correction, ...]
    was: str
    time: float


class ReviewLog:
    """Decisions in the order they were made.

    Attributes:
        decisions: Those not undone.
        before: What ``decisions`` were before the last line.
        written: Whether the table of corrections has followed the last line.
        steps: How many decisions and undos there were.

    Args:
        path: The file; created where it is missing.

    Raises:
        InputError: It is damaged: the message names the line, and the file stays as it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.decisions: list[Decision] = []
        self.before: list[Decision] = []
        self.written = True
        self.steps = 0
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            onto_disk(path.parent)  # the name of a new file
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error
        self._size = data.rfind(b"\n") + 1
        for number, line in enumerate(data[: self._size].split(b"\n")[:-1], start=1):
            try:
                self._take(json_object(line, "it"))
            except (ValueError, TypeError, KeyError, IndexError) as error:
                self.close()
                raise InputError(
                    f"{path}, line {number}: damaged; restore this file or move it away "
                    "(the corrections themselves are in the csv)"
                ) from error

    def add(self, decision: Decision) -> None:
        """Append a decision, on the disk when this returns; an InputError leaves the log as is."""
        record = dict(vars(decision))
        self._append({"suspect": record.pop("issue"), **record})

    def undo(self) -> None:
        """Take back the last decision that was not undone, in the same way."""
        self._append({"undo": True})

    def mark_written(self) -> None:
        """Note that the table of corrections has followed; no harm is done if this is lost."""
        if not self.written:
            self._append({"written": True})

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _append(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        try:
            os.ftruncate(self._file, self._size)  # what a crash or a full disk left of a line
            rest = line
            while rest:
                rest = rest[os.write(self._file, rest) :]
            if "written" not in record:
                os.fsync(self._file)
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}; nothing was stored") from error
        self._size += len(line)
        self._take(json.loads(line))

    def _take(self, record: dict[str, Any]) -> None:
        if "written" in record:
            self.written = True
            return
        self.before, self.written = list(self.decisions), False
        self.steps += 1
        if "undo" in record:
            self.decisions.pop()
        else:
            self.decisions.append(_decision(record))


def in_effect(decisions: Sequence[Decision]) -> dict[LabelIssue, tuple[int, Decision]]:
    """Return the last decision on each label issue, with its place in the order."""
    return {decision.issue: (place, decision) for place, decision in enumerate(decisions)}


def _decision(record: dict[str, Any]) -> Decision:
    decision = Decision(
        issue=LabelIssue(*map(str, record["suspect"])),
        verdict=str(record["verdict"]),
        corrections=tuple(Correction(*map(str, row)) for row in record["corrections"]),
        was=str(record["was"]),
        time=float(record["time"]),
    )
    if decision.verdict not in VERDICTS:
        raise ValueError(decision.verdict)
    return decision
