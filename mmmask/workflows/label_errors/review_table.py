"""The table of corrections that a review writes: rows of its log among rows of others.

Rows of others are stored nowhere else, so they stay as they are and where they are: a later row
wins over an earlier one. The log tells which rows are ours.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from mmmask.datasets.corrections import SWAP, correct, folders_by_name, read_corrections
from mmmask.errors import InputError, WriteError
from mmmask.files import atomic_write, onto_disk, writing
from mmmask.tables import CORRECTIONS
from mmmask.workflows.label_errors.review_log import (
    Correction,
    Decision,
    LabelIssue,
    ReviewLog,
    in_effect,
)

Row = dict[str, str]


class ReviewTable:
    """A csv of corrections that follows a log.

    Attributes:
        notices: What a person should know about how the file was found.
        reloads: How often someone else edited it during the review.

    Args:
        path: The csv; it may exist, and is created with the first decision.
        samples: Samples table of the data's photos.

    Raises:
        InputError: The file cannot be read, or does not fit the data.
    """

    def __init__(self, path: Path, log: ReviewLog, samples: pd.DataFrame) -> None:
        self.path, self._log, self._samples = path, log, samples
        self.notices: list[str] = []
        self.reloads = 0
        self._folders = folders_by_name(samples)
        self._columns = list(CORRECTIONS)
        self._seen: bytes | None = None
        self._found: list[Row] | None = None
        #: Rows of others, each with the place of the row of ours that it follows.
        self._others: list[tuple[int, Row]] = []
        self._load()

    def look_again(self) -> None:
        """Read the file again if someone else has edited it."""
        if self._content() != self._seen:
            self._load()
            self.reloads += 1

    def rows(self, without: LabelIssue | None = None) -> list[Row]:
        """Return the rows as they should be, in order, except those on one label issue."""
        others = self.others
        rows = [
            (place, 0, row._asdict())
            for place, decision in in_effect(self._log.decisions).values()
            if decision.issue != without
            for row in decision.corrections
            if row.value != SWAP or row[:4] not in others  # added by hand: two would cancel out
        ]
        rows += [(place, 1, row) for place, row in self._others]
        return [row for *_, row in sorted(rows, key=lambda one: one[:2])]

    def write(self) -> None:
        """Let the file follow the log; an InputError says that it cannot be written."""
        rows = self.rows()
        if rows != self._found:
            table = pd.DataFrame(rows, columns=self._columns)
            try:
                with writing(self.path, all_errors=True):
                    with atomic_write(self.path) as partial:
                        table.to_csv(partial, index=False)
                        onto_disk(partial)
                    onto_disk(self.path.parent)
            except WriteError as error:
                raise InputError(
                    f"{error}; the decision is in {self._log.path.name} alone"
                ) from error
            self._found = table.fillna("").to_dict("records")
            self._seen = self._content()
        self._log.mark_written()

    @property
    def others(self) -> set[tuple[str, ...]]:
        """What rows of others correct, as :meth:`plain` returns it."""
        return {self.plain(row) for _, row in self._others}

    def plain(self, row: Mapping[str, str]) -> tuple[str, str, str, str]:
        """Return folder, photo, field and value of a row, by whichever name it has the person."""
        return self._folders[row["person"]][0], row["photo"], row["field"], row["value"]

    def _load(self) -> None:
        """Tell rows of ours from rows of others, and settle what a crash or an edit has changed."""
        content = self._content()
        if content is None:  # rows of others that were read before are kept
            self._seen = self._found = None
            if self._log.decisions:
                self.notices.append(f"{self.path.name} is missing; written anew from its log")
                self.write()
            return
        table = read_corrections(self.path)
        correct(self._samples, table, str(self.path))  # refuses what does not fit the data
        self._columns = list(dict.fromkeys([*CORRECTIONS, *table.columns]))
        self._found = table.reindex(columns=self._columns).fillna("").to_dict("records")
        self._seen = content
        # The log is written first: after a crash the file may be one line behind.
        behind = not self._log.written
        stages = [self._log.before, self._log.decisions] if behind else [self._log.decisions]
        places = {
            row: place
            for stage in stages
            for place, decision in in_effect(stage).values()
            for row in decision.corrections
        }
        ours, self._others, last = set(), [], -1
        for record in self._found:
            row = Correction(*(record[name] for name in CORRECTIONS))
            more = any(record[name] for name in self._columns if name not in CORRECTIONS)
            if row in places and not more:
                ours.add(row)
                last = places[row]
            else:
                self._others.append((last, record))
        if not behind:
            self._open_removed(ours)
        if self._log.steps:  # a table of a review that has not begun stays as it is
            self.write()

    def _open_removed(self, ours: set[Correction]) -> None:
        """Ask again about what was accepted and then removed from the file by hand."""
        others = self.others
        removed = [
            decision
            for _, decision in in_effect(self._log.decisions).values()
            if any(row not in ours and row[:4] not in others for row in decision.corrections)
        ]
        for decision in removed:
            self._log.add(Decision(decision.issue, "open", (), decision.was, time.time()))
        if removed:
            self.notices.append(
                f"{self.path.name}: {len(removed)} decisions were removed by hand; open again"
            )

    def _content(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
