"""Label issues as tables in the terminal."""

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from mmmask.reports.output import titled_table


def print_label_issues(issues: pd.DataFrame, summary: pd.DataFrame, most: int = 10) -> None:
    """Print what was examined and found per kind, then the first label issues of each kind."""
    console = Console(width=120)
    table = titled_table(
        "Label errors by kind",
        ("kind",),
        ("labels", "expected wrong", "flagged", "listed", "votes of a person's photos"),
    )
    for row in summary.itertuples(index=False):
        votes = "" if np.isnan(row.votes) else f"{row.votes:.2f}"
        numbers = (f"{row.labels:,}", f"{row.expected:.0f}", f"{row.flagged}", f"{row.listed}")
        table.add_row(row.kind, *numbers, votes)
    console.print(table)
    console.print(
        "expected wrong, flagged: by confident learning, which also counts as wrong what models "
        "find hard; score: log of how much better than the label the proposal fits",
        style="dim",
    )
    for kind, part in issues.groupby("kind", sort=False):
        shown = part.head(most)
        title = f"{kind}: {len(shown)} of {len(part)} label issues, best first"
        table = Table(title=title, title_justify="left")
        for name in ("score", "person", "photo", "proposed", "reason"):
            table.add_column(name, justify="right" if name == "score" else "left")
        for row in shown.itertuples(index=False):
            table.add_row(f"{row.score:.1f}", row.person, row.photo, row.value, row.reason)
        console.print(table)
