"""List runs by their cards, and say what differs between two of them, in config and in score."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmmask.errors import InputError, MissingFileError
from mmmask.evaluation.intervals import units_to_draw
from mmmask.evaluation.jackknife import Interval
from mmmask.ledger.cards import CARD, best, is_alive, read_card, status
from mmmask.ledger.chosen_epoch import chosen_by, chosen_by_people, flattery_of
from mmmask.ledger.config_differences import blocks, changes, decides_weights, flat_text
from mmmask.ledger.epoch_answers import FILE as EPOCH_ANSWERS
from mmmask.ledger.provenance import learned_from_test_set
from mmmask.ledger.score_log import read_scores
from mmmask.reports.run_tables import RunComparison, ScoreDifference
from mmmask.tables import attribute_of, read_predictions, read_provenance
from mmmask.workflows.score import aligned, differences, intervals_of, labels_of

#: Of a work directory that a run has written to.
_TRACES = (CARD, "last_checkpoint")
#: Of a list of runs.
COLUMNS = {
    "run": "its folder",
    "status": "running, or running on another machine, finished, interrupted, diverged, failed, or "
    "why no card is readable",
    "start": "when its last session began",
    "seconds": "how long that took",
    "sessions": "how often it was started",
    "epoch": "epochs done",
    "max_epochs": "epochs planned",
    "photos_per_second": "of the training alone",
    "seed": "seed of the run",
    "trained_on": "train or all",
    "fold": "the fold held out",
    "macro_f1": "best validation",
    "best_epoch": "its epoch",
    "on_others": "expected on other people than those that chose this epoch",
    "tested": "list: the last score of each split and kind of test, in words",
    "learned": "warning of photos of the test set that it learned from",
}
#: How a list can be sorted -> column, and whether the smallest comes first.
SORTS = {
    "score": ("macro_f1", False),
    "time": ("start", False),
    "speed": ("photos_per_second", False),
    "name": ("run", True),
}


def list_runs(folder: str | Path, sort: str = "score") -> pd.DataFrame:
    """Return one row, with ``COLUMNS``, for each run at any depth below a folder, sorted."""
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder")
    found = {path.parent for trace in _TRACES for path in folder.rglob(trace)}
    rows = [{"run": str(run), **_row(run)} for run in sorted(found)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    column, ascending = SORTS[sort]
    return table.sort_values(column, ascending=ascending, kind="stable", ignore_index=True)


def compare_runs(one: str | Path, other: str | Path) -> RunComparison:
    """Compare the runs in two work directories; an :class:`InputError` where one holds none."""
    folders = [Path(one), Path(other)]
    reasons, cards, configs = [], [], []
    for folder in folders:
        try:
            cards.append(read_card(folder))
        except InputError as error:
            if not any((folder / trace).exists() for trace in _TRACES):
                raise MissingFileError(_no_run(folder)) from error
            reasons.append(str(error))
            cards.append({})
        configs.append(_config(folder, cards[-1], reasons))
    config = {} if None in configs else changes(*(text or {} for text in configs))
    decisive = {name: pair for name, pair in config.items() if decides_weights(name)}
    facts = [_facts(card) for card in cards]
    scores = _score_differences(folders, reasons)
    return RunComparison(
        config=decisive,
        blocks=blocks(decisive),
        around=[name for name in config if name not in decisive],
        facts=changes(*facts) if all(facts) else {},
        scores=scores,
        reasons=reasons,
        learned=[_learned(*pair) for pair in zip(folders, cards, strict=True)],
    )


def _no_run(folder: Path) -> str:
    """Return why a folder cannot be compared; of a k-fold, its folds can."""
    fold = folder / "fold_0"
    if any((fold / trace).exists() for trace in _TRACES):
        return f"{folder}: is a k-fold, which holds a run for each fold; name one, such as {fold}"
    return f"{folder}: holds no run"


def _row(run: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"tested": []}
    try:
        tested = read_scores(run).drop_duplicates(["split", "views", "old_from"], keep="last")
        row["tested"] = [_in_words(score) for score in tested.to_dict("records")]
        card = read_card(run)
    except InputError as error:
        no_card = isinstance(error, MissingFileError)
        why = "no card: an older run" if no_card else str(error).removeprefix(f"{run}/")
        return {**row, "status": why, "learned": _learned(run, {})}
    session, top, flattered = card["sessions"][-1], best(card) or {}, flattery_of(run)
    split = session.get("split") or {}
    why = f" ({session['error'].split('; ')[0][:60]})" if "error" in session else ""
    as_stated = ("start", "epoch", "max_epochs", "photos_per_second", "seed")
    return {
        **row,
        **{name: session.get(name) for name in as_stated},
        "status": status(card) + _elsewhere(session) + why,
        "seconds": _seconds(session),
        "sessions": len(card["sessions"]),
        "trained_on": split.get("trained_on"),
        "fold": split.get("fold"),
        "macro_f1": top.get("macro_f1"),
        "best_epoch": top.get("epoch"),
        "on_others": None if flattered is None else top["macro_f1"] - flattered,
        "learned": _learned(run, card),
    }


def _elsewhere(session: Mapping[str, Any]) -> str:
    """Name the machine of a process of which only that one can tell whether it is still there."""
    process = session.get("process")
    unknown = session.get("status") == "running" and is_alive(process) is None
    return f" on {process['host']}" if unknown and process and "host" in process else ""


def _learned(run: Path, card: Mapping[str, Any]) -> str | None:
    """Return the warning of test photos that its card, or what it predicted, calls for."""
    own = []
    with suppress(InputError):  # the row of the run says what is wrong with its scores
        for path in map(Path, read_scores(run)["predictions"].drop_duplicates()):
            if path.suffix == ".parquet" and os.path.isfile(path):
                stated = _stated(path)
                if _made_by(stated, run):
                    own.append(stated)
    return learned_from_test_set({"card": card, "predictions": own})


def _stated(path: Path) -> dict[str, Any]:
    """Return the provenance of a table; a file that is none any more tells nothing."""
    with suppress(InputError):
        return read_provenance(path)
    return {}


def _made_by(stated: Mapping[str, Any], run: Path) -> bool:
    """Whether predictions of this provenance are from a checkpoint of the run."""
    return Path(stated.get("checkpoint") or "").parent.resolve() == run.resolve()


def _in_words(score: Mapping[str, Any]) -> str:
    views = "" if pd.isna(score["views"]) else f" {score['views'].replace(' ', '+')}"
    cut = "" if pd.isna(score["old_from"]) or score["old_from"] == 60 else f" {score['old_from']}+"
    interval = Interval(score["macro_f1"], score["low"], score["high"])
    chosen = score["split"] == "val" and chosen_by({}, Path(score["checkpoint"]))
    note = f"{score['resampled']}{', who chose its epoch' if chosen else ''}"
    return f"{score['split']}{views}{cut} {interval} ({note})"


def _seconds(session: Mapping[str, Any]) -> float | None:
    try:
        start, end = (datetime.fromisoformat(session[key]) for key in ("start", "end"))
        return (end - start).total_seconds()
    except (KeyError, TypeError, ValueError):  # TypeError: one of them without its time zone
        return None


def _config(folder: Path, card: Mapping[str, Any], reasons: list[str]) -> dict[str, Any] | None:
    """Return the config of a run, from its card, or from the file that MMEngine leaves."""
    sessions = card.get("sessions") or [{}]
    text = card.get("configs", {}).get(sessions[-1].get("config_hash"))
    files = list(folder.glob("*.py"))
    if text is None and len(files) == 1:
        text = files[0].read_text()
    try:
        if text is not None:
            return flat_text(text)
        reasons.append(f"{folder}: must hold the one config of its run; got {len(files)} *.py")
    except (SyntaxError, ValueError) as error:
        reasons.append(f"{folder}: its config is not readable: {error}")
    return None


def _facts(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a card that may explain a score, beside the config."""
    if not card:
        return {}
    session = card["sessions"][-1]
    data, code = session.get("data") or {}, session.get("code") or {}
    facts = {"status": status(card), "epochs": session.get("epoch")}
    for part in ("train", "val"):
        about = data.get(part) or {}
        facts[f"{part} data"] = (
            f"{about.get('photos')} photos of {about.get('people')} people, "
            f"fingerprint {about.get('fingerprint')!s:.8}"
        )
        if "soft_labels" in about:
            facts[f"{part} data"] += f", soft labels {about['soft_labels']:.8}"
    changed = " with changes" if code.get("dirty") else ""
    facts["code"] = f"{code.get('commit')!s:.10}{changed}"
    facts["code that weights depend on"] = str(code.get("hash"))[:8]
    facts |= {f"version of {name}": value for name, value in session.get("versions", {}).items()}
    machine = session.get("machine") or {}
    return facts | {name: machine.get(name) for name in ("host", "device", "processes")}


def _score_differences(folders: Sequence[Path], reasons: list[str]) -> list[ScoreDifference]:
    first, second = (_predictions(folder) for folder in folders)
    shared = [kind for kind in first if kind in second]
    found = []
    for kind in shared:
        try:
            found.append(_difference(kind, first[kind], second[kind]))
        except InputError as error:
            reasons.append(str(error))
    if not shared:
        reasons.append(
            "there are no predictions of both for the same photos with known classes; "
            "tools/test.py CONFIG CHECKPOINT --split val makes them"
        )
    return found


def _predictions(folder: Path) -> dict[tuple[str, str, str], Path]:
    """Return (split, views, what is predicted) -> the newest labelled predictions of a run."""
    listed = [Path(path) for path in read_scores(folder)["predictions"]]
    found: dict[tuple[str, str, str], tuple[str, Path]] = {}
    for path in dict.fromkeys([*sorted(folder.resolve().glob("*.parquet")), *listed]):
        if path.suffix != ".parquet" or path.name == EPOCH_ANSWERS or not path.is_file():
            continue
        stated = read_provenance(path)
        if path.parent != folder.resolve() and not _made_by(stated, folder):
            continue  # another run has written over it since
        table = read_predictions(path)
        if "label" not in table or (labels_of(table)[0] < 0).all():
            continue
        views = " ".join(stated.get("tta") or [])
        kind = (str(stated.get("split")), views, attribute_of(table) or "classes")
        found[kind] = max(found.get(kind, ("", path)), (str(stated.get("time")), path))
    return {kind: path for kind, (_, path) in found.items()}


def _difference(kind: tuple[str, str, str], one: Path, other: Path) -> ScoreDifference:
    given = aligned({path: read_predictions(path) for path in (one, other)})
    known = np.logical_and.reduce([labels_of(table)[0] >= 0 for table in given.values()])
    if not known.any():
        raise InputError(f"{one} and {other}: no photo has a known class in both")
    tables = {path: table[known].reset_index(drop=True) for path, table in given.items()}
    before, after = (intervals_of(table)["macro_f1"] for table in tables.values())
    units, resampled = units_to_draw(tables[one])
    return ScoreDifference(
        split=kind[0],
        views=kind[1],
        size=len(set(units)),
        resampled=resampled,
        one=before,
        other=after,
        difference=differences(tables)[other],
        chosen=[chosen_by_people(table.attrs.get("provenance", {})) for table in tables.values()],
    )
