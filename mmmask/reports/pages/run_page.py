"""The run page: how a training went, how good its model is, and where it fails."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mmmask.evaluation.ages import MAE
from mmmask.evaluation.jackknife import Interval
from mmmask.ledger.cards import best, status
from mmmask.reports.output import counted
from mmmask.reports.pages import run_charts
from mmmask.reports.pages.age_charts import age_section
from mmmask.reports.pages.page import write_page
from mmmask.reports.pages.parts import Table, figure
from mmmask.reports.pages.run_facts import MOST_PEOPLE, RunFacts, Scored
from mmmask.reports.pages.run_findings import find
from mmmask.reports.pages.run_galleries import errors, people
from mmmask.reports.pages.run_likeness import people_on_the_map
from mmmask.reports.score_tables import how_sure

_STARTS = {
    "start": "text",
    "end": "text",
    "from epoch": "count",
    "to epoch": "count",
    "photos per second": "number",
    "status": "text",
    "command": "text",
}


def write_run_page(path: str | Path, facts: RunFacts) -> None:
    """Write the page."""
    scored = facts.scored
    slices = [] if scored is None else run_charts.slices_of(scored)
    write_page(
        path,
        "run_page.html",
        title=facts.path,
        kind="k-fold page" if facts.folds is not None else "run page",
        summary=_summary(facts),
        thumbnails=facts.thumbnails,
        findings=find(facts, slices),
        folds=None if facts.folds is None else _folds(facts.folds),
        curves=run_charts.curve_charts(facts.curves),
        card=_card(facts.cards),
        sessions=_sessions(facts.cards),
        facts=facts,
        **({} if scored is None else _answers(facts, scored)),
        slices=slices,
    )


def _answers(facts: RunFacts, scored: Scored) -> dict[str, Any]:
    """Return what the page shows of the answers to photos."""
    likeness, how = facts.likeness, how_sure(scored.table)
    return {
        "figures": _figures(scored),
        "how": how[0].upper() + how[1:],
        "classes": run_charts.by_class(scored.whole) if scored.whole.known.any() else None,
        "matrices": run_charts.matrices(scored),
        "reliability": run_charts.reliability_charts(scored),
        "calibration": run_charts.calibration_table(scored),
        "ages": None if scored.ages is None else age_section(scored.ages),
        "errors": errors(facts, scored),
        "people": None if scored.disagreeing.empty else people(facts, scored),
        "most_people": MOST_PEOPLE,
        "map": None if likeness is None else people_on_the_map(facts, scored, likeness),
    }


def _summary(facts: RunFacts) -> str:
    scored = facts.scored
    start = f"{facts.config_name}: " if facts.config_name else ""
    if scored is None:
        return f"{start}no photo is scored"
    table = scored.table
    who = f" of {counted(table['person'].nunique(), 'people')}" if "person" in table else ""
    return f"{start}{counted(len(table), 'photos')}{who} that it has not learned from"


def _figures(scored: Scored) -> list[tuple[str, str, str]]:
    """Return name, value and interval of the scores."""
    names = {"macro_f1": "macro F1", "accuracy": f"{scored.whole.name} right"}
    names |= {f"{part.name}_accuracy": f"{part.name} right" for part in scored.parts[1:]}
    return [
        figure(name, scored.scores[key], "score" if key == "macro_f1" else "share")
        for key, name in names.items()
        if key in scored.scores
    ]


def _folds(summary: pd.DataFrame) -> Table:
    """Return the scores by fold; only the pooled ones have an interval."""
    macro_f1 = [
        score if pd.isna(low) else Interval(score, low, high)
        for score, low, high in zip(
            summary["macro_f1"], summary["low"], summary["high"], strict=True
        )
    ]
    columns: dict[str, tuple[str, Any]] = {
        "fold": ("text", summary["part"]),
        "people": ("count", summary["people"]),
        "photos": ("count", summary["photos"]),
        "macro F1": ("score", macro_f1),
    }
    for name in summary:
        if name.endswith("accuracy"):
            title = "class" if name == "accuracy" else name.removesuffix("_accuracy")
            columns[f"{title} right"] = ("share", summary[name])
    if MAE in summary:
        columns["age MAE, years"] = ("years", summary[MAE])
    title = "People of each fold, predicted by the model that has not learned from them"
    return Table.from_columns(f"{title}; brackets: {summary['interval'].iloc[-1]}", columns)


def _card(cards: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """Return what the last session of each run says: what all share, then in what they differ."""
    if not cards:
        return []
    facts = pd.DataFrame([_facts(card) for card in cards.values()], index=list(cards)).fillna("")
    differs = facts.nunique() > 1
    shared = facts.iloc[0][~differs]
    kinds = {"fact": "text", "": "text"}
    tables = [Table("What it was made of", kinds, [list(item) for item in shared.items()])]
    if differs.any():
        table = facts.loc[:, differs].rename_axis("run").reset_index()
        kinds = dict.fromkeys(table, "text")
        tables.append(Table.from_frame("What differs between the runs", table, kinds))
    return tables


def _facts(card: Mapping[str, Any]) -> dict[str, str]:
    """Return fact -> words, of those that the card's last session states."""
    session = card["sessions"][-1]
    split, data, code, machine, versions, overrides = (
        session.get(part) or {}
        for part in ("split", "data", "code", "machine", "versions", "overrides")
    )
    facts: dict[str, Any] = {
        "status": status(card),
        "epochs": f"{session.get('epoch')} of {session.get('max_epochs')}",
    }
    found = best(card)
    if found is not None:
        facts["best validation"] = f"macro F1 {found['macro_f1']:.3f}, epoch {found['epoch']}"
    facts["trained on"] = split.get("trained_on")
    if {"fold", "folds"} <= {*split} and split.get("trained_on") != "all":
        held_out = f"fold {split['fold']} of {split['folds']}, split seed {split.get('split_seed')}"
        facts["held out"] = held_out
    facts |= {"seed": session.get("seed"), "data": data.get("root")}
    for part in ("train", "val"):
        if part in data:
            of = data[part]
            facts[f"data: {part}"] = (
                f"{of.get('photos'):,} photos of {of.get('people'):,} people, fingerprint "
                f"{str(of.get('fingerprint'))[:12]}"
            )
    facts["code"] = f"mmmask {code.get('version')}"
    if code.get("commit"):
        changed = ", with changes" if code.get("dirty") else ""
        facts["code"] += f", commit {code['commit'][:12]}{changed}"
    told = [str(machine[key]) for key in ("host", "system", "device") if machine.get(key)]
    facts |= {
        "packages": ", ".join(f"{k} {v}" for k, v in versions.items() if k != "mmmask"),
        "machine": ", ".join(told),
        "cores, processes": f"{machine.get('cores')}, {machine.get('processes')}",
        "config": session.get("config_file"),
        "config hash": str(session.get("config_hash"))[:12],
        "changed in it": ", ".join(f"{key}={value}" for key, value in overrides.items()),
    }
    return {fact: str(value) for fact, value in facts.items() if value not in (None, "")}


def _sessions(cards: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return when the runs were started, how far they came and how fast they were."""
    rows = []
    for name, card in cards.items():
        last = card["sessions"][-1]
        for session in card["sessions"]:
            keys = ("start", "end", "from_epoch", "epoch", "photos_per_second")
            state = status(card) if session is last else session.get("status")
            row = [*map(session.get, keys), state, session.get("command")]
            rows.append([name, *row] if len(cards) > 1 else row)
    kinds = {"run": "text", **_STARTS} if len(cards) > 1 else _STARTS
    return Table("When it was started", kinds, rows)
