"""Review label issues: a person's decisions become the table of corrections."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from mmmask.datasets.corrections import (
    SWAP,
    check_corrections,
    check_value,
    correct,
    folders_by_name,
)
from mmmask.datasets.data_source import DataSource
from mmmask.datasets.layout import MASK_OF_STEM
from mmmask.errors import InputError
from mmmask.files import locked
from mmmask.known import age_in_words, age_spans
from mmmask.labels import ATTRIBUTES, MASKS
from mmmask.tables import CORRECTIONS, LABEL_ISSUES, read_table
from mmmask.workflows.label_errors.review_log import (
    Correction,
    Decision,
    LabelIssue,
    ReviewLog,
    in_effect,
)
from mmmask.workflows.label_errors.review_table import ReviewTable, Row

#: The photos that a swap is about; they also show most of a face, so they come first.
EXPOSED = tuple(stem for stem, mask in MASK_OF_STEM.items() if mask != MASKS[0])
ORDER = (*EXPOSED[::-1], *(stem for stem in MASK_OF_STEM if stem not in EXPOSED))
#: The pace is that of the last 20 decisions; a gap of more than 120 seconds is a break.
RECENT, BREAK = 20, 120.0


class Review:
    """Label issues, what was decided on them, and the files that store it.

    One process holds it, and one request at a time changes it. Each request names the version
    that it has seen; if that is not the last one, nothing is stored and the answer is the state.

    Attributes:
        issues: Table of ``mmmask.tables.LABEL_ISSUES``, from :func:`match_label_issues`.
        samples: Everybody's photos, as ``train.csv`` labels them.
        out: The table of corrections, .csv; its log is ``out`` + ``.log``.
        notices: What a person should know about how the files were found.

    Args:
        samples: See above; a samples table.

    Raises:
        InputError: ``out`` or its log cannot be used.
    """

    def __init__(self, issues: pd.DataFrame, samples: pd.DataFrame, out: Path) -> None:
        unknown = [name for name in ATTRIBUTES if name not in samples]
        samples = samples.reindex(columns=[*samples, *unknown])
        self.issues, self.samples, self.out = issues, samples, out
        columns = list(LabelIssue._fields)
        self._keys = [LabelIssue(*row) for row in issues[columns].itertuples(index=False)]
        self._number = {key: number for number, key in enumerate(self._keys)}
        mine = samples[samples["person"].isin(issues["person"])]
        self._of_person = {str(person): part for person, part in mine.groupby("person")}
        self._goals = [self._goal(key) for key in self._keys]
        self._lock = threading.Lock()
        self._log = ReviewLog(out.with_name(out.name + ".log"))
        self._table = ReviewTable(out, self._log, samples)
        self.notices = self._table.notices

    def state(self, version: str | None = None) -> dict[str, Any] | None:
        """Return where the review stands; None if ``version`` is the last one.

        Returns:
            ``version``; ``decisions``: number of the label issue -> ``verdict`` (of ``VERDICTS``,
            or ``made`` where the label is the proposal already), ``was`` and ``now``, the label
            before and after in words, and ``values``, photo -> what was set; ``labels``: person
            -> photo -> mask, gender, age, and whether they were corrected; ``last``: the label
            issue last decided on; ``undo``: how many steps can be taken back; ``pace``:
            decisions per minute.
        """
        with self._lock:
            self._table.look_again()
            return None if version == self._version() else self._state()

    def decide(
        self, number: int, verdict: str, version: str, values: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Store a decision; it is on the disk when this returns.

        Values that equal the label are stored as ``keep``, those that equal the proposal as
        ``accept``. A decision that is sent twice, because its answer was lost, is stored once.

        Args:
            number: Row of the label issue.
            verdict: ``accept`` the proposal, ``keep`` the label, ``set`` values, or ``later``.
            version: The version that the decision is based on.
            values: To set: photo (``*`` for all) -> value.

        Returns:
            The :meth:`state` of the person, and ``stored``. If the version is not the last one:
            the whole state, and ``stored`` is false.

        Raises:
            InputError: There is no such label issue, verdict or value, or it cannot be written.
        """
        with self._lock:
            self._table.look_again()
            if version != self._version():
                return {"stored": False, **self._state()}
            if not 0 <= number < len(self._keys):
                raise InputError(
                    f"label issue must be from 0 to {len(self._keys) - 1}; got {number}"
                )
            decision = self._decided(number, verdict, values or {})
            _, known = in_effect(self._log.decisions).get(decision.issue, (0, None))
            said = (decision.verdict, decision.corrections)
            if known is None or said != (known.verdict, known.corrections):
                self._log.add(decision)
            self._table.write()
            return {"stored": True, **self._state(decision.issue.person)}

    def undo(self, version: str) -> dict[str, Any]:
        """Take the last decision back in the same way; ``undone`` is the number of its label issue.

        Raises:
            InputError: There is none, or it cannot be written.
        """
        with self._lock:
            self._table.look_again()
            if version != self._version():
                return {"stored": False, **self._state()}
            if not self._steps_back():
                raise InputError("there is no decision to undo")
            issue = self._log.decisions[-1].issue
            self._log.undo()
            self._table.write()
            return {"stored": True, "undone": self._number[issue], **self._state(issue.person)}

    def said(self) -> str:
        """Return in words how many label issues were decided on in which way."""
        effect = in_effect(self._log.decisions)
        tally = Counter(effect[key][1].verdict for key in self._keys if key in effect)
        return (
            f"{tally['accept']} accepted, {tally['set']} set, {tally['keep']} kept, "
            f"{tally['later']} for later, of {len(self._keys)}: {self.out}"
        )

    def photos(self, person: str) -> list[str]:
        """Return the images of a person, those that show most first."""
        place = {stem: number for number, stem in enumerate(ORDER)}
        images = self._of_person[person]["image"]  # perhaps with names of one's own
        return sorted(images, key=lambda image: place.get(Path(image).stem, len(ORDER)))

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def _decided(self, number: int, verdict: str, values: Mapping[str, str]) -> Decision:
        issue, why = self._keys[number], self.issues["reason"].iloc[number]
        why = f": {why}" if why else ""
        proposal = Correction(*issue, f"reviewed{why}")
        before = self._labels([issue.person], self._table.rows(without=issue))
        rows: tuple[Correction, ...] = ()
        if verdict == "set":
            self._check(issue, values)
            reason = f"set in review, not {issue.value}{why}"
            rows = tuple(
                Correction(issue.person, photo, issue.field, value, reason)
                for photo, value in values.items()
            )
            after = _corrected(before, rows)
            if _same(after, before):
                verdict, rows = "keep", ()
            elif _same(after, _corrected(before, [proposal])):
                verdict = "accept"
        elif verdict not in ("accept", "keep", "later"):
            raise InputError(f"verdict must be accept, keep, set or later; got {verdict!r}")
        was = _words(issue, before)
        # A swap that has already been made is not made again: a second would undo it.
        if verdict == "accept" and not (issue.value == SWAP and was == self._goals[number]):
            rows = (proposal,)
        return Decision(issue, verdict, rows, was, time.time())

    def _goal(self, issue: LabelIssue) -> str:
        """Return the labels, in words, that a proposal makes of those in ``train.csv``."""
        if issue.value != SWAP:
            return issue.value
        photos = self._of_person[issue.person]
        return _words(issue, _corrected(photos, [Correction(*issue, "")]))

    def _check(self, issue: LabelIssue, values: Mapping[str, str]) -> None:
        """Refuse values that do not belong to the field and the photos of a label issue."""
        allowed = [issue.photo]
        if issue.field == "mask":
            allowed = [Path(image).stem for image in self.photos(issue.person)]
        if not values or not set(values) <= set(allowed):
            raise InputError(
                f"photo must be of {', '.join(allowed)}; got {', '.join(values) or 'none'}"
            )
        for value in values.values():
            check_value(issue.field, value)
            if value == SWAP:
                raise InputError(f"mask must be {' or '.join(MASKS)}; got {value!r}")

    def _version(self) -> str:
        return f"{self._log.steps}.{self._table.reloads}"

    def _steps_back(self) -> int:
        """Return how many decisions can be undone: those after the last one on another list."""
        foreign = (
            steps
            for steps, decision in enumerate(reversed(self._log.decisions))
            if decision.issue not in self._number
        )
        return next(foreign, len(self._log.decisions))

    def _state(self, person: str | None = None) -> dict[str, Any]:
        people = list(self._of_person) if person is None else [person]
        labels = self._labels(people, self._table.rows())
        labels_of = {str(folder): part for folder, part in labels.groupby("person")}
        decisions = self._log.decisions
        effect = in_effect(decisions)
        return {
            "version": self._version(),
            "decisions": {
                number: self._stands(number, labels_of[key.person], effect.get(key, (0, None))[1])
                for number, key in enumerate(self._keys)
                if key.person in labels_of
            },
            "labels": {
                folder: {
                    Path(image).stem: {
                        **{name: told[name][place] for name in ATTRIBUTES},
                        "corrected": bool(part["corrected"].iloc[place]),
                    }
                    for place, image in enumerate(part["image"])
                }
                for folder, part, told in (
                    (folder, part, {name: in_words(part, name) for name in ATTRIBUTES})
                    for folder, part in labels_of.items()
                )
            },
            "last": self._number.get(decisions[-1].issue) if decisions else None,
            "undo": self._steps_back(),
            "pace": pace([decision.time for decision in decisions]),
        }

    def _stands(self, number: int, labels: pd.DataFrame, known: Decision | None) -> dict[str, Any]:
        """Return how a label issue stands, from the labels of its person as they are now."""
        now = _words(self._keys[number], labels)
        if known is None or known.verdict == "open":
            verdict = "made" if now == self._goals[number] else "open"
            return {"verdict": verdict, "was": now, "now": now}
        values = {row.photo: row.value for row in known.corrections}
        return {"verdict": known.verdict, "was": known.was, "now": now, "values": values}

    def _labels(self, people: Sequence[str], rows: Sequence[Row]) -> pd.DataFrame:
        """Return the samples of some people with the rows about them applied."""
        plain = [self._table.plain(row) for row in rows]
        mine = [Correction(*row, "") for row in plain if row[0] in people]
        return _corrected(pd.concat([self._of_person[person] for person in people]), mine)


def pace(times: Sequence[float]) -> float | None:
    """Return the decisions per minute, from the times of the last ones, leaving out breaks."""
    recent = times[-RECENT - 1 :]
    gaps = [gap for a, b in pairwise(recent) if 0 < (gap := b - a) <= BREAK]
    return 60 * len(gaps) / sum(gaps) if len(gaps) >= 3 else None


def _corrected(samples: pd.DataFrame, rows: Sequence[Correction]) -> pd.DataFrame:
    return correct(samples, pd.DataFrame(rows, columns=list(CORRECTIONS)), "decision")


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return one[list(ATTRIBUTES)].equals(other[list(ATTRIBUTES)])


def _words(issue: LabelIssue, labels: pd.DataFrame) -> str:
    """Return the labels that an issue is about, from those of the person."""
    stems = [Path(image).stem for image in labels["image"]]
    values = dict(zip(stems, in_words(labels, issue.field), strict=True))
    if issue.value == SWAP:
        return ", ".join(f"{stem} {values[stem]}" for stem in EXPOSED if stem in values)
    if issue.photo != "*":
        return values[issue.photo]
    return " and ".join(dict.fromkeys(values.values()))


def in_words(labels: pd.DataFrame, field: str) -> list[str]:
    """Return what is known of an attribute of each photo, in words."""
    if field == "age":
        said = [age_in_words(*span) for span in zip(*age_spans(labels), strict=True)]
    else:
        said = labels[field].fillna("").tolist()
    return [value or "unknown" for value in said]


@contextmanager
def opened_review(
    issues: str | Path, out: str | Path, *, data_root: str | Path = "data"
) -> Iterator[Review]:
    """Yield a review, with what was decided before, while no other process works on it.

    Args:
        issues: Table of :func:`mmmask.workflows.label_errors.find.find_label_errors`.
        out: Corrections, .csv; may exist.
        data_root: Folder with ``train/``.

    Raises:
        InputError: A file cannot be used, or another process reviews into ``out``.
    """
    out = Path(out).resolve()
    if out.suffix != ".csv":
        raise InputError(f"--out must end in .csv; got {out.name}")
    if out == Path(issues).resolve():
        raise InputError(f"--out must not be the list of label issues itself; got {issues}")
    table = read_table(issues, LABEL_ISSUES)  # a fault of this file is named before the data's
    samples = DataSource.at(data_root).train()
    listed = match_label_issues(table, samples, str(issues))
    with ExitStack() as stack:
        stack.enter_context(locked(out, "another review writes there; one at a time"))
        review = Review(listed, samples, out)
        stack.callback(review.close)
        yield review


def match_label_issues(table: pd.DataFrame, samples: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return the label issues, each once, with the folders of the samples as ``person``.

    Raises:
        InputError: There is none, or one fits no photo or no value; ``where`` is named.
    """
    if table.empty:
        raise InputError(f"{where}: lists no label issues")
    check_corrections(table, where)
    correct(samples, table, where)  # refuses people who are not in the data
    folders = folders_by_name(samples)
    reasons = table["reason"].fillna("") if "reason" in table else ""
    people = [folders[person][0] for person in table["person"]]
    probability = table.get("probability", float("nan"))  # of a list made by hand, unknown
    table = table.assign(person=people, reason=reasons, probability=probability)
    return table.drop_duplicates(list(LabelIssue._fields)).reset_index(drop=True)
