"""The run page: how a training went, how good its model is, and where it fails."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mmmask.evaluation.intervals import Interval
from mmmask.ledger.cards import best, status
from mmmask.reports.pages.page import write_page
from mmmask.reports.pages.parts import Table, shown
from mmmask.reports.pages.run_charts import (
    by_class,
    calibration_table,
    curve_charts,
    matrices,
    reliability_charts,
    slices_of,
)
from mmmask.reports.pages.run_facts import MOST_PEOPLE, RunFacts, Scored
from mmmask.reports.pages.run_findings import find
from mmmask.reports.pages.run_galleries import errors, people
from mmmask.reports.score_tables import resampled


def write_run_page(path: str | Path, facts: RunFacts) -> None:
    """Write the page."""
    scored = facts.scored
    slices = [] if scored is None else slices_of(scored)
    sections = [("findings", "What stands out"), ("curves", "Curves")]
    if scored is not None:
        sections += [
            ("classes", "Classes"),
            ("probabilities", "Probabilities"),
            ("slices", "Where it fails"),
            ("mistakes", "Surest wrong answers"),
            ("people", "People whose photos disagree"),
        ]
    write_page(
        path,
        "run_page.html",
        title=facts.path,
        kind="k-fold page" if facts.folds is not None else "run page",
        summary=_summary(facts),
        sections=[*sections, ("card", "Run card")],
        thumbnails=facts.thumbnails,
        figures=[] if scored is None else _figures(scored),
        how="" if scored is None else resampled(scored.table),
        scored=scored,
        findings=find(facts, slices),
        folds=_folds(facts.folds),
        curves=curve_charts(facts.curves),
        classes=None if scored is None else by_class(scored.whole),
        matrices=[] if scored is None else matrices(scored),
        reliability=[] if scored is None else reliability_charts(scored.parts),
        calibration=None if scored is None else calibration_table(scored.parts),
        slices=slices,
        drawn=[each.chart for each in slices if each.chart is not None],
        errors=None if scored is None else errors(facts, scored),
        people=None if scored is None or scored.disagreeing.empty else people(facts, scored),
        listed={
            "wrong": 0 if scored is None else int((~scored.right).sum()),
            "people": 0 if scored is None else len(scored.disagreeing),
            "most_people": MOST_PEOPLE,
            "heats": len(facts.heats or ()),
        },
        unreadable=len(facts.thumbnails.unreadable),
        with_photos=bool(facts.thumbnails.data),
        card=_card(facts.cards),
        sessions=_sessions(facts.cards),
        config=facts.config,
    )


def _summary(facts: RunFacts) -> str:
    scored = facts.scored
    start = f"{facts.config_name}: " if facts.config_name else ""
    if scored is None:
        return f"{start}no photo is scored"
    table = scored.table
    who = f" of {table['person'].nunique():,} people" if "person" in table else ""
    return f"{start}{len(table):,} photos{who} that it has not learned from"


def _figures(scored: Scored) -> list[tuple[str, str, str]]:
    """Return name, value and interval of the scores, then what they are of."""
    names = {"macro_f1": "macro F1", "accuracy": f"{scored.whole.name} right"}
    names |= {f"{part.name}_accuracy": f"{part.name} right" for part in scored.parts[1:]}
    figures = []
    for key, name in names.items():
        kind, interval = "score" if key == "macro_f1" else "share", scored.scores[key]
        bounds = (shown(bound, kind) for bound in (interval.low, interval.high))
        figures.append((name, shown(interval.value, kind), " to ".join(bounds)))
    return figures


def _folds(summary: pd.DataFrame | None) -> Table | None:
    if summary is None:
        return None
    rights = [name for name in summary if name.endswith("accuracy")]
    rows = []
    for _, row in summary.iterrows():
        pooled = pd.notna(row["low"])
        score = Interval(row["macro_f1"], row["low"], row["high"]) if pooled else row["macro_f1"]
        rows.append([row["part"], row["people"], row["photos"], score, *row[rights]])
    kinds = {"fold": "text", "people": "count", "photos": "count", "macro F1": "score"}
    kinds |= {f"{name.removesuffix('_accuracy')} right": "share" for name in rights}
    kinds = {("class right" if name == "accuracy right" else name): k for name, k in kinds.items()}
    return Table("Each fold predicted by the model that never saw it", kinds, rows)


def _card(cards: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """Return what the last session of each run says: what all share, then in what they differ."""
    told = {name: _facts(card) for name, card in cards.items()}
    facts = list(dict.fromkeys(fact for each in told.values() for fact in each))
    values = {fact: [each.get(fact, "") for each in told.values()] for fact in facts}
    shared = [[fact, column[0]] for fact, column in values.items() if len({*column}) == 1]
    tables = [Table("What it was made of", {"fact": "text", "": "text"}, shared)]
    differing = {fact: column for fact, column in values.items() if len({*column}) > 1}
    if differing:
        rows = [[name, *row] for name, *row in zip(told, *differing.values(), strict=True)]
        kinds = dict.fromkeys(("run", *differing), "text")
        tables.append(Table("What differs between the runs", kinds, rows))
    return tables if cards else []


def _facts(card: Mapping[str, Any]) -> dict[str, str]:
    """Return fact -> words, those that are told."""
    session = card["sessions"][-1]
    split, data = session.get("split") or {}, session.get("data") or {}
    code, machine = session.get("code") or {}, session.get("machine") or {}
    held_out = None
    if {"fold", "folds"} <= {*split} and split.get("trained_on") != "all":
        seed = split.get("split_seed")
        held_out = f"fold {split['fold']} of {split['folds']}, split seed {seed}"
    facts: dict[str, Any] = {
        "status": status(card),
        "epochs": f"{session.get('epoch')} of {session.get('max_epochs')}",
        "best validation": _best(card),
        "trained on": split.get("trained_on"),
        "held out": held_out,
        "seed": session.get("seed"),
        "data": data.get("root"),
    }
    for part in ("train", "val"):
        if part in data:
            of = data[part]
            facts[f"data: {part}"] = (
                f"{of.get('photos'):,} photos of {of.get('people'):,} people, fingerprint "
                f"{str(of.get('fingerprint'))[:12]}"
            )
    commit = code.get("commit")
    changed = ", with changes" if code.get("dirty") else ""
    facts["code"] = f"mmmask {code.get('version')}" + (
        f", commit {commit[:12]}{changed}" if commit else ""
    )
    versions = session.get("versions") or {}
    facts["packages"] = ", ".join(f"{k} {v}" for k, v in versions.items() if k != "mmmask")
    facts["machine"] = ", ".join(
        str(machine[key]) for key in ("host", "system", "device") if machine.get(key)
    )
    facts["cores, processes"] = f"{machine.get('cores')}, {machine.get('processes')}"
    facts["config"] = session.get("config_file")
    facts["config hash"] = str(session.get("config_hash"))[:12]
    overrides = session.get("overrides") or {}
    facts["changed in it"] = ", ".join(f"{key}={value}" for key, value in overrides.items())
    return {fact: str(value) for fact, value in facts.items() if value not in (None, "")}


def _best(card: Mapping[str, Any]) -> str | None:
    found = best(card)
    return None if found is None else f"macro F1 {found['macro_f1']:.3f}, epoch {found['epoch']}"


def _sessions(cards: Mapping[str, Mapping[str, Any]]) -> Table | None:
    """Return when the runs were started, how far they came and how fast they were."""
    if not cards:
        return None
    rows = [
        [
            *([name] if len(cards) > 1 else []),
            session.get("start"),
            session.get("end"),
            session.get("from_epoch"),
            session.get("epoch"),
            session.get("photos_per_second"),
            status(card) if last else session.get("status"),
            session.get("command"),
        ]
        for name, card in cards.items()
        for last, session in ((s is card["sessions"][-1], s) for s in card["sessions"])
    ]
    kinds = {"run": "text"} if len(cards) > 1 else {}
    kinds |= {"start": "text", "end": "text", "from epoch": "count", "to epoch": "count"}
    kinds |= {"photos a second": "number", "status": "text", "command": "text"}
    return Table("When it was started", kinds, rows)
