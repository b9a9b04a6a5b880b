"""The log of a review: a line a decision, on the disk before it counts.

A table that is rewritten at each decision would be enough for what was accepted. But what was
kept or put off must be remembered too, undo needs the order, and a crash may come at any byte.
So decisions are appended here, each synced, and the table of corrections follows from them. What
a crash can leave is half a line at the end, which nobody was told of: it is left out.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mmmask.errors import InputError
from mmmask.files import onto_disk

#: What can be said of a suspect. ``open`` takes back what was said, as an undo of its own.
VERDICTS = ("accept", "keep", "set", "later", "open")


class Correction(NamedTuple):
    """A row of the table of corrections."""

    person: str
    photo: str
    field: str
    value: str
    reason: str


class Suspect(NamedTuple):
    """A proposed correction, which a log knows by all of it: lists of suspects come and go."""

    person: str
    photo: str
    field: str
    value: str


@dataclass(frozen=True)
class Decision:
    """What was decided.

    Attributes:
        suspect: On what.
        verdict: One of ``VERDICTS``.
        corrections: What it corrects: the proposal, other values, or nothing.
        was: The label before, in words.
        time: In seconds since 1970.
    """

    suspect: Suspect
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
        path: The file, made where there is none.

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
        whole, end, _ = data.rpartition(b"\n")
        self._size = len(whole) + len(end)
        for number, line in enumerate(whole.split(b"\n") if end else (), start=1):
            try:
                self._take(json.loads(line))
            except (ValueError, TypeError, KeyError, IndexError) as error:
                self.close()
                raise InputError(
                    f"{path}, line {number}: damaged; restore this file or move it away "
                    "(the corrections themselves are in the csv)"
                ) from error

    def add(self, decision: Decision) -> None:
        """Append a decision; it is on the disk when this returns.

        Raises:
            InputError: It cannot be written; the log is as before.
        """
        self._append(asdict(decision))

    def undo(self) -> None:
        """Take back the last decision that was not undone; likewise."""
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
        before = list(self.decisions)
        if "undo" in record:
            self.decisions.pop()
        else:
            self.decisions.append(_decision(record))
        self.before, self.written = before, False
        self.steps += 1


def in_effect(decisions: Sequence[Decision]) -> dict[Suspect, tuple[int, Decision]]:
    """Return the last decision on each suspect, with its place in the order."""
    return {decision.suspect: (place, decision) for place, decision in enumerate(decisions)}


def _decision(record: dict[str, Any]) -> Decision:
    decision = Decision(
        suspect=Suspect(*map(str, record["suspect"])),
        verdict=str(record["verdict"]),
        corrections=tuple(Correction(*map(str, row)) for row in record["corrections"]),
        was=str(record["was"]),
        time=float(record["time"]),
    )
    if decision.verdict not in VERDICTS:
        raise ValueError(decision.verdict)
    return decision
