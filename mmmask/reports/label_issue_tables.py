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
        ("labels", "wrong", "listed", "of them wrong", "votes of a person's photos"),
    )
    for row in summary.itertuples(index=False):
        votes = "" if np.isnan(row.votes) else f"{row.votes:.2f}"
        # Told apart from none, it is one at least. Most wrong ages look as right as right ones.
        least = max(round(row.wrong.low), 1) if row.wrong.low else 0
        wrong = f"{row.wrong.value:.0f} [{least}, {row.wrong.high:.0f}]"
        wrong = f"{least} or more" if row.kind == "age" else wrong
        listed = (f"{row.listed}", f"{row.listed_wrong:.0f}" if row.listed else "")
        table.add_row(row.kind, f"{row.labels:,}", wrong, *listed, votes)
    console.print(table)
    console.print(
        "wrong: an estimate with its 95 % interval; where that begins at 0, there may be none. Who "
        "looks unlike the label counts as wrong. Of ages only gross errors can be told, so more "
        "may be wrong. of them wrong: the sum of their probabilities. votes: how many independent "
        "photos those of a person are worth. "
        "probability: that the label is wrong",
        style="dim",
    )
    for kind, part in issues.groupby("kind", sort=False):
        shown = part.head(most)
        title = f"{kind}: {len(shown)} of {len(part)} label issues, most probable first"
        table = Table(title=title, title_justify="left")
        for name in ("probability", "person", "photo", "proposed", "reason"):
            table.add_column(name, justify="right" if name == "probability" else "left")
        for row in shown.itertuples(index=False):
            sure = f"{row.probability:.2f}" if row.probability < 0.995 else ">0.99"
            table.add_row(sure, row.person, row.photo, row.value, row.reason)
        console.print(table)
