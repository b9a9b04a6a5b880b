"""A submission before it is sent, and the ledger of all of them, in the terminal."""

from collections.abc import Sequence

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmmask.labels import ATTRIBUTES
from mmmask.ledger.submissions import QUOTA, Review


def print_review(seen: Review, warnings: Sequence[str], path: str) -> None:
    """Print today's count, agreement and shares beside another submission, and warnings."""
    console = Console(width=100)
    against = seen.against
    if against is None:
        beside = "the first of these photos, so there is nothing to compare it with"
    elif pd.notna(against["score"]):
        beside = f"beside the best so far, {against['number']} (leaderboard {against['score']:.4f})"
    else:
        beside = (
            f"beside the last, {against['number']}; no leaderboard score is known, "
            "enter one by tools/runs.py score"
        )
    if against is not None and not seen.agreement:
        beside += ", whose copy is gone"
    table = Table(
        title=f"{escape(path)}: {seen.count} of {QUOTA} on {seen.day}, {beside}",
        title_justify="left",
    )
    for title in ("", "same answers", "share of the photos"):
        table.add_column(title, justify="right" if title == "same answers" else "left")
    if seen.agreement:
        table.add_row("18 classes", f"{seen.agreement['overall']:.1%}", "")
    for name, values in ATTRIBUTES.items():
        agreed = f"{seen.agreement[name]:.1%}" if seen.agreement else "-"
        pairs = []
        for number, value in enumerate(values):
            was = seen.shares_against.get(name)
            before = "" if was is None else f" (was {was[number]:.1%})"
            pairs.append(f"{value} {seen.shares[name][number]:.1%}{before}")
        table.add_row(name, agreed, ", ".join(pairs))
    console.print(table)
    for warning in warnings:
        console.print(f"[bold red]warning:[/] {escape(warning)}", soft_wrap=True)


def print_submissions(log: pd.DataFrame) -> None:
    """Print the log, one row a submission; a star marks the best score of each test set."""
    best = log.groupby("photos")["score"].transform("max")
    sets = {photos: number for number, photos in enumerate(log["photos"].unique(), start=1)}
    first = log.groupby("answers")["number"].transform("min")
    table = Table(title=f"{len(log)} submissions", title_justify="left")
    for title in ("", "day", "leaderboard", "file", "from"):
        table.add_column(title, justify="right" if title in ("", "leaderboard") else "left")
    if len(sets) > 1:
        table.add_column("test set", justify="right")
    table.add_column("note")
    for index, row in log.iterrows():
        score = "" if pd.isna(row["score"]) else f"{row['score']:.4f}"
        note = "" if pd.isna(row["note"]) else row["note"]
        if first[index] != row["number"]:
            note = f"same answers as {first[index]}. {note}"
        table.add_row(
            str(row["number"]),
            row["time"][:10],
            score + ("*" if score and row["score"] == best[index] else " "),
            escape(row["path"]),
            "made elsewhere" if pd.isna(row["checkpoints"]) else escape(row["checkpoints"]),
            *([str(sets[row["photos"]])] if len(sets) > 1 else []),
            escape(note),
        )
    Console(width=140).print(table)
