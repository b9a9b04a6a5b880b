"""Review suspected labels: a person's decisions become the table of corrections."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from mmmask.datasets.corrections import SWAP, check_value, correct, folders_by_name
from mmmask.datasets.layout import MASK_OF_STEM, read_train
from mmmask.errors import InputError
from mmmask.files import locked
from mmmask.labels import ATTRIBUTES, MASKS, marginals
from mmmask.tables import (
    CORRECTIONS,
    SUSPECTS,
    attribute_of,
    probabilities,
    read_predictions,
    read_table,
)
from mmmask.workflows.label_errors.review_log import (
    Correction,
    Decision,
    ReviewLog,
    Suspect,
    in_effect,
)
from mmmask.workflows.label_errors.review_table import ReviewTable, Row

#: The photos that a swap is about, which also tell most of a face: they stand first.
EXPOSED = tuple(stem for stem, mask in MASK_OF_STEM.items() if mask != MASKS[0])
ORDER = (*EXPOSED[::-1], *(stem for stem in MASK_OF_STEM if stem not in EXPOSED))
#: Decisions that the pace is told from, and the longest gap, in seconds, that is no break.
RECENT, BREAK = 20, 120.0


class Review:
    """Suspects, what was decided on them, and the files that tell it.

    One process holds it, and one request at a time changes it. Who decides says which version
    they have seen; who has not seen the last one gets it, and nothing is stored.

    Attributes:
        suspects: Table of ``mmmask.tables.SUSPECTS``, of :func:`read_suspects`.
        out: The table of corrections, .csv; its log is ``out`` + ``.log``.
        notices: What a person should know about how the files were found.

    Args:
        suspects: As the attribute.
        samples: Of the data's photos, as ``train.csv`` labels them.
        out: As the attribute.

    Raises:
        InputError: ``out`` or its log cannot be used.
    """

    def __init__(self, suspects: pd.DataFrame, samples: pd.DataFrame, out: Path) -> None:
        self.suspects, self.out = suspects, out
        columns = list(Suspect._fields)
        self._keys = [Suspect(*row) for row in suspects[columns].itertuples(index=False)]
        self._number = {key: number for number, key in enumerate(self._keys)}
        mine = samples[samples["person"].isin(suspects["person"])]
        self._of_person = {str(person): part for person, part in mine.groupby("person")}
        self._goals = [self._goal(key) for key in self._keys]
        self._lock = threading.Lock()
        self._log = ReviewLog(out.with_name(out.name + ".log"))
        self._table = ReviewTable(out, self._log, samples)
        self.notices = self._table.notices

    def state(self, version: str | None = None) -> dict[str, Any] | None:
        """Return where the review stands; None where that is the version given.

        Returns:
            ``version``; ``decisions``: number of the suspect -> ``verdict`` (of ``VERDICTS``, or
            ``made`` where the label is the proposal already), ``was`` and ``now``, the label
            before and after in words, and ``values``, photo -> what was set; ``labels``: person
            -> photo -> mask, gender, age, and whether they were corrected; ``last``: the suspect
            last decided on; ``undo``: how many steps can be taken back; ``pace``: decisions a
            minute.
        """
        with self._lock:
            self._table.look_again()
            return None if version == self._version() else self._state()

    def decide(
        self, number: int, verdict: str, version: str, values: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Store a decision; it is on the disk when this returns.

        Values that are the label are stored as ``keep``, those that are the proposal as
        ``accept``. What is sent twice, as its answer was lost, is stored once.

        Args:
            number: Row of the suspect.
            verdict: ``accept`` the proposal, ``keep`` the label, ``set`` values, or ``later``.
            version: What the decision was made on.
            values: To set: photo (``*`` for all) -> value.

        Returns:
            The :meth:`state` of the person, and ``stored``. Where the version is not the last
            one: the whole state, and ``stored`` is false.

        Raises:
            InputError: There is no such suspect, verdict or value, or it cannot be written.
        """
        with self._lock:
            self._table.look_again()
            if version != self._version():
                return {"stored": False, **self._state()}
            if not 0 <= number < len(self._keys):
                raise InputError(f"suspect must be from 0 to {len(self._keys) - 1}; got {number}")
            decision = self._decided(number, verdict, values or {})
            _, known = in_effect(self._log.decisions).get(decision.suspect, (0, None))
            if known is None or _said(known) != _said(decision):
                self._log.add(decision)
            self._table.write()
            return {"stored": True, **self._state(decision.suspect.person)}

    def undo(self, version: str) -> dict[str, Any]:
        """Take the last decision back, likewise; ``undone`` is the number of its suspect.

        Raises:
            InputError: There is none, or it cannot be written.
        """
        with self._lock:
            self._table.look_again()
            if version != self._version():
                return {"stored": False, **self._state()}
            if not self._steps_back():
                raise InputError("there is no decision to undo")
            suspect = self._log.decisions[-1].suspect
            self._log.undo()
            self._table.write()
            undone = {"undone": self._number[suspect]}
            return {"stored": True, **undone, **self._state(suspect.person)}

    def said(self) -> str:
        """Return in words how many suspects were decided on in which way."""
        effect = in_effect(self._log.decisions)
        tally = Counter(effect[key][1].verdict for key in self._keys if key in effect)
        return (
            f"{tally['accept']} accepted, {tally['set']} set, {tally['keep']} kept, "
            f"{tally['later']} for later, of {len(self._keys)}: {self.out}"
        )

    def photos(self, person: str) -> list[str]:
        """Return the images of a person, those that tell most first."""
        images = self._of_person[person]["image"]
        return sorted(images, key=lambda image: ORDER.index(_stem(image)))

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def _decided(self, number: int, verdict: str, values: Mapping[str, str]) -> Decision:
        suspect, why = self._keys[number], self.suspects["reason"].iloc[number]
        why = f": {why}" if why else ""
        proposal = Correction(*suspect, f"reviewed{why}")
        before = self._labels([suspect.person], self._table.rows(without=suspect))
        rows: tuple[Correction, ...] = ()
        if verdict == "set":
            self._check(suspect, values)
            reason = f"set in review, not {suspect.value}{why}"
            rows = tuple(
                Correction(suspect.person, photo, suspect.field, value, reason)
                for photo, value in values.items()
            )
            after = _corrected(before, rows)
            if _same(after, before):
                verdict, rows = "keep", ()
            elif _same(after, _corrected(before, [proposal])):
                verdict = "accept"
        elif verdict not in ("accept", "keep", "later"):
            raise InputError(f"verdict must be accept, keep, set or later; got {verdict!r}")
        was = _words(suspect, before)
        if verdict == "accept" and not (suspect.value == SWAP and was == self._goals[number]):
            rows = (proposal,)  # but for a swap that was made already: a second would undo it
        return Decision(suspect, verdict, rows, was, time.time())

    def _goal(self, suspect: Suspect) -> str:
        """Return the labels, in words, that a proposal makes of those in ``train.csv``."""
        if suspect.value != SWAP:
            return suspect.value
        photos = self._of_person[suspect.person]
        return _words(suspect, _corrected(photos, [Correction(*suspect, "")]))

    def _check(self, suspect: Suspect, values: Mapping[str, str]) -> None:
        """Refuse values that are not of the suspect's field and photos."""
        allowed = [suspect.photo]
        if suspect.field == "mask":
            allowed = [_stem(image) for image in self.photos(suspect.person)]
        if not values or not set(values) <= set(allowed):
            raise InputError(
                f"photo must be of {', '.join(allowed)}; got {', '.join(values) or 'none'}"
            )
        for value in values.values():
            check_value(suspect.field, value, suspect.person)
            if value == SWAP:
                raise InputError(f"mask must be {' or '.join(MASKS)}; got {value!r}")

    def _version(self) -> str:
        return f"{self._log.steps}.{self._table.reloads}"

    def _steps_back(self) -> int:
        """Return how many decisions can be undone: those after one that is not of this list."""
        foreign = (
            steps
            for steps, decision in enumerate(reversed(self._log.decisions))
            if decision.suspect not in self._number
        )
        return next(foreign, len(self._log.decisions))

    def _state(self, person: str | None = None) -> dict[str, Any]:
        people = list(self._of_person) if person is None else [person]
        labels = self._labels(people, self._table.rows())
        labels_of = {str(folder): part for folder, part in labels.groupby("person")}
        decisions = self._log.decisions
        return {
            "version": self._version(),
            "decisions": self._states(labels_of),
            "labels": {
                folder: {
                    _stem(row.image): {
                        **{"mask": row.mask, "gender": row.gender, "age": str(row.age)},
                        "corrected": row.source == "corrected",
                    }
                    for row in part.itertuples(index=False)
                }
                for folder, part in labels_of.items()
            },
            "last": self._number.get(decisions[-1].suspect) if decisions else None,
            "undo": self._steps_back(),
            "pace": pace([decision.time for decision in decisions]),
        }

    def _states(self, labels_of: Mapping[str, pd.DataFrame]) -> dict[int, dict[str, Any]]:
        """Return what is decided on the suspects of some people, from their labels as they are."""
        effect = in_effect(self._log.decisions)
        states: dict[int, dict[str, Any]] = {}
        for number, key in enumerate(self._keys):
            if key.person not in labels_of:
                continue
            now = _words(key, labels_of[key.person])
            _, known = effect.get(key, (0, None))
            if known is None or known.verdict == "open":
                verdict = "made" if now == self._goals[number] else "open"
                states[number] = {"verdict": verdict, "was": now, "now": now}
            else:
                states[number] = {
                    "verdict": known.verdict,
                    "was": known.was,
                    "now": now,
                    "values": {row.photo: row.value for row in known.corrections},
                }
        return states

    def _labels(self, people: Sequence[str], rows: Sequence[Row]) -> pd.DataFrame:
        """Return the samples of some people with the rows about them applied."""
        wanted = set(people)
        plain = [self._table.plain(row) for row in rows]
        mine = [Correction(*row, "") for row in plain if row[0] in wanted]
        return _corrected(pd.concat([self._of_person[person] for person in people]), mine)


def pace(times: Sequence[float]) -> float | None:
    """Return the decisions a minute from when the last ones were made, leaving out breaks."""
    recent = times[-RECENT - 1 :]
    gaps = [gap for a, b in pairwise(recent) if 0 < (gap := b - a) <= BREAK]
    return 60 * len(gaps) / sum(gaps) if len(gaps) >= 3 else None


def _stem(image: str) -> str:
    return Path(image).stem


def _said(decision: Decision) -> tuple:
    return decision.verdict, decision.corrections


def _corrected(samples: pd.DataFrame, rows: Sequence[Correction]) -> pd.DataFrame:
    return correct(samples, pd.DataFrame(rows, columns=list(CORRECTIONS)), "decision")


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return one[list(ATTRIBUTES)].equals(other[list(ATTRIBUTES)])


def _words(suspect: Suspect, labels: pd.DataFrame) -> str:
    """Return the labels that a suspect is about, from those of the person."""
    values = dict(zip(map(_stem, labels["image"]), labels[suspect.field].astype(str), strict=True))
    if suspect.value == SWAP:
        return ", ".join(f"{stem} {values[stem]}" for stem in EXPOSED if stem in values)
    if suspect.photo != "*":
        return values[suspect.photo]
    return " and ".join(dict.fromkeys(values.values()))


@contextmanager
def opened_review(
    suspects: str | Path, out: str | Path, *, data_root: str | Path = "data"
) -> Iterator[Review]:
    """Yield a review, with what was decided before, while no other process works on it.

    Args:
        suspects: Table of :func:`mmmask.workflows.label_errors.find.find_label_errors`.
        out: Corrections, .csv; may exist.
        data_root: Folder with ``train/``.

    Raises:
        InputError: A file cannot be used, or another process reviews into ``out``.
    """
    out = Path(out).resolve()
    if out.suffix != ".csv":
        raise InputError(f"--out must end in .csv; got {out.name}")
    if out == Path(suspects).resolve():
        raise InputError(f"--out must not be the list of suspects itself; got {suspects}")
    read_table(suspects, SUSPECTS)  # before the data: the file that was given is at fault first
    samples = read_train(data_root)
    listed = read_suspects(suspects, samples)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(out, "another review writes there; one at a time"))
        except OSError as error:
            raise InputError(f"{out}: {error.strerror}") from error
        review = Review(listed, samples, out)
        stack.callback(review.close)
        yield review


def read_suspects(path: str | Path, samples: pd.DataFrame) -> pd.DataFrame:
    """Read suspects, each once, with the folders of the samples as ``person``.

    Raises:
        InputError: There is none, or one fits no photo or no value.
    """
    table = read_table(path, SUSPECTS)
    if table.empty:
        raise InputError(f"{path}: lists no suspects")
    for row, suspect in enumerate(table.itertuples(index=False)):
        check_value(suspect.field, suspect.value, f"{path}, line {row + 2}")
    correct(samples, table, str(path))  # refuses who is not there
    folders = folders_by_name(samples)
    table["person"] = [folders[person][0] for person in table["person"]]
    table["reason"] = table["reason"].fillna("") if "reason" in table else ""
    return table.drop_duplicates(list(Suspect._fields)).reset_index(drop=True)


def read_opinions(path: str | Path, images: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Return image -> attribute -> probabilities, of those images that the table has.

    Args:
        path: Predictions of people that the model has not learned.
        images: Photos of the suspects.

    Raises:
        InputError: It has none of them.
    """
    table = read_predictions(path)
    table = table[table["image"].isin(images)]
    if table.empty:
        raise InputError(
            f"{path}: has none of the {len(images)} photos of the suspects, such as {images[0]}"
        )
    attribute, given = attribute_of(table), probabilities(table)
    parts = {attribute: given} if attribute else marginals(given)
    return {
        image: {
            name: [round(float(p), 4) for p in parts[name][row]]
            for name in ATTRIBUTES
            if name in parts
        }
        for row, image in enumerate(table["image"])
    }
