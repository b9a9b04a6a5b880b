"""Runs as a list, and two runs beside each other, in the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from rich.console import Console
from rich.markup import escape

from mmmask.engine.stage_display import clock, print_line
from mmmask.evaluation.jackknife import Difference, Interval
from mmmask.reports.difference_report import ONE_MODEL, difference_sentence
from mmmask.reports.output import counted, titled_table


@dataclass(frozen=True)
class ScoreDifference:
    """Scores of two runs on the same photos."""

    split: str  # which photos
    views: str  # views of test-time augmentation
    size: int  # how many people, or photos, were resampled
    resampled: str  # ``people`` or ``photos``
    one: Interval  # macro F1 of the first run
    other: Interval  # of the second
    difference: Difference  # by how much the second is better
    chosen: Sequence[str | None]  # of each run, the sentence on its choice by these people


@dataclass(frozen=True)
class RunComparison:
    """What differs between two runs."""

    config: Mapping[str, tuple]  # dotted name -> values, of all that weights may depend on
    blocks: Sequence[str]  # the things that these names stand for
    around: Sequence[str]  # names of the config in which they differ without effect on weights
    facts: Mapping[str, tuple]  # fact of the card -> values, where they differ
    scores: Sequence[ScoreDifference]  # on the photos that both have predicted
    reasons: Sequence[str]  # why something could not be compared
    #: Of each run, the warning of test photos that it learned from, where it did.
    learned: Sequence[str | None] = ()


def print_runs(runs: pd.DataFrame, folder: str) -> None:
    """Print one row per run; the table is that of :func:`mmmask.workflows.runs.list_runs`."""
    table = titled_table(
        f"{counted(len(runs), 'runs')} in {escape(folder)}",
        ("run", "status", "started"),
        ("took", "epochs", "photos/s", "seed", "fold", "macro F1 (epoch)", "on others"),
    )
    table.add_column("tested", overflow="fold")
    for row in runs.to_dict("records"):
        row = {name: None if _missing(value) else value for name, value in row.items()}
        known = row["start"] is not None
        fold = "everybody" if row["trained_on"] == "all" else _number(row["fold"])
        resumed = f", {row['sessions']:.0f} sessions" if known and row["sessions"] > 1 else ""
        table.add_row(
            escape(row["run"].removeprefix(f"{folder}/")),
            escape(f"{row['status']}{resumed}"),
            row["start"][:16].replace("T", " ") if known else "",
            "" if row["seconds"] is None else clock(row["seconds"]),
            f"{_number(row['epoch'])}/{_number(row['max_epochs'])}" if known else "",
            _number(row["photos_per_second"]),
            _number(row["seed"]),
            fold,
            "" if row["macro_f1"] is None else f"{row['macro_f1']:.3f} ({row['best_epoch']:.0f})",
            "" if row["on_others"] is None else f"{row['on_others']:.3f}",
            escape("\n".join(row["tested"])),
        )
    console = Console(width=160)
    console.print(table)
    if runs["macro_f1"].notna().any():
        print_line(
            console,
            "macro F1: of the epoch that the people held out chose as the best; on others: what to "
            "expect of other people, where that can be told",
        )
    for run, sentence in zip(runs["run"], runs["learned"], strict=True):
        if not _missing(sentence):
            print_line(console, f"warning: {run.removeprefix(f'{folder}/')}: {sentence}")


def print_comparison(compared: RunComparison, one: str, other: str) -> None:
    """Print what differs in config, in the facts of the cards, and in score."""
    console = Console(width=120)
    for part, pairs in (("config", compared.config), ("card", compared.facts)):
        if not pairs:
            continue
        table = titled_table(f"{part}: {len(pairs)} that differ", ("", escape(one), escape(other)))
        for name, values in pairs.items():
            table.add_row(name, *(escape(str(value)) for value in values))
        console.print(table)
    if compared.blocks:
        print_line(console, f"things changed: {', '.join(compared.blocks)}")
    if compared.around:
        print_line(console, f"without effect on weights: {', '.join(compared.around)}")
    for score in compared.scores:
        views = f" ({score.views})" if score.views else ""
        print_line(console, f"{score.split}{views}: macro F1 {score.one} and {score.other}")
        sentence = difference_sentence(other, one, score.difference)
        over = f"95 % interval over {score.size:,} {score.resampled}"
        print_line(console, f"    {sentence} ({over})")
        for name, chosen in zip((one, other), score.chosen, strict=True):
            if chosen is not None:
                print_line(console, f"    {name}: {chosen}")
    if compared.scores:
        print_line(console, ONE_MODEL)
    for name, learned in zip((one, other), compared.learned, strict=False):
        if learned is not None:
            print_line(console, f"warning: {name}: {learned}")
    for reason in compared.reasons:
        print_line(console, f"not compared: {reason}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _missing(value: object) -> bool:
    return not isinstance(value, list) and bool(pd.isna(value))
