"""A submission before it is sent, and the ledger of all of them, in the terminal."""

from collections.abc import Sequence

import pandas as pd
from rich.console import Console
from rich.markup import escape

from mmmask.engine.stage_display import print_line
from mmmask.labels import ATTRIBUTES
from mmmask.ledger.submissions import QUOTA, SubmissionCheck
from mmmask.reports.output import titled_table
from mmmask.reports.score_tables import WIDTH


def print_submission_check(seen: SubmissionCheck, warnings: Sequence[str], path: str) -> None:
    """Print today's count, agreement and shares beside another submission, and warnings."""
    console = Console(width=WIDTH)
    against = seen.against
    if against is None:
        beside = "nothing else to compare it with"
    elif pd.notna(against["score"]):
        beside = f"the best so far is {against['number']} (leaderboard {against['score']:.4f})"
    else:
        beside = (
            f"compared with the last one, {against['number']}, because no leaderboard score is "
            "known; enter one by tools/runs.py score"
        )
    if against is not None and not seen.agreement:
        beside += "; its copy in the ledger is gone"
    print_line(console, f"{path}: {seen.count} of {QUOTA} on {seen.day}; {beside}")
    table = titled_table(None, ("", ""), ("share",))
    if against is not None and seen.agreement:
        table.add_column(f"in {against['number']}", justify="right")
        table.add_column(f"same as {against['number']}", justify="right")
        table.add_row("18 classes", "", "", "", f"{100 * seen.agreement['overall']:.1f} %")
    for name, values in ATTRIBUTES.items():
        for number, value in enumerate(values):
            shares = [seen.shares[name]]
            shares += [seen.shares_against[name]] if seen.agreement else []
            agreed = (
                [f"{100 * seen.agreement[name]:.1f} %"] if seen.agreement and number == 0 else []
            )
            cells = (*(f"{100 * share[number]:.1f} %" for share in shares), *agreed)
            table.add_row("" if number else name, value, *cells)
    console.print(table)
    for warning in warnings:
        console.print(f"[bold red]warning:[/] {escape(warning)}", soft_wrap=True)


def print_submissions(log: pd.DataFrame) -> None:
    """Print the log, one row per submission; a star marks the best score of each test set."""
    best = log.groupby("photos")["score"].transform("max")
    sets = {photos: number for number, photos in enumerate(log["photos"].unique(), start=1)}
    first = log.groupby("answers")["number"].transform("min")
    table = titled_table(f"{len(log)} submissions", ("", "day", "leaderboard", "file", "from"))
    for column in (table.columns[0], table.columns[2]):
        column.justify = "right"
    if len(sets) > 1:
        table.add_column("test set", justify="right")
    table.add_column("note")
    for index, row in log.iterrows():
        score = "" if pd.isna(row["score"]) else f"{row['score']:.4f}"
        notes = [f"same answers as {first[index]}"] if first[index] != row["number"] else []
        notes += [row[name] for name in ("learned", "note") if not pd.isna(row[name])]
        table.add_row(
            str(row["number"]),
            row["time"][:10],
            score + ("*" if score and row["score"] == best[index] else " "),
            escape(row["path"]),
            "made elsewhere" if pd.isna(row["checkpoints"]) else escape(row["checkpoints"]),
            *([str(sets[row["photos"]])] if len(sets) > 1 else []),
            escape("; ".join(notes)),
        )
    Console(width=140).print(table)
