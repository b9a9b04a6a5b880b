"""Suspected label errors as tables in the terminal."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table


def print_suspects(suspects: pd.DataFrame, summary: pd.DataFrame, most: int = 10) -> None:
    """Print what was looked at and found for each kind, then the first suspects of each kind."""
    console = Console(width=120)
    table = Table(title="Label errors by kind", title_justify="left")
    table.add_column("kind")
    for title in ("labels", "expected wrong", "flagged", "listed", "votes of a person's photos"):
        table.add_column(title, justify="right")
    for row in summary.itertuples(index=False):
        votes = "" if np.isnan(row.votes) else f"{row.votes:.2f}"
        numbers = (f"{row.labels:,}", f"{row.expected:.0f}", f"{row.flagged}", f"{row.listed}")
        table.add_row(row.kind, *numbers, votes)
    console.print(table)
    console.print(
        "expected wrong, flagged: by confident learning, which counts what models find hard "
        "as wrong too; score: log of how much better than the label the proposal fits",
        style="dim",
    )
    for kind, part in suspects.groupby("kind", sort=False):
        shown = part.head(most)
        title = f"{kind}: {len(shown)} of {len(part)} suspects, best first"
        table = Table(title=title, title_justify="left")
        for name in ("score", "person", "photo", "proposed", "reason"):
            table.add_column(name, justify="right" if name == "score" else "left")
        for suspect in shown.itertuples(index=False):
            table.add_row(*_cells(suspect._asdict()))
        console.print(table)


def _cells(suspect: Mapping[str, Any]) -> tuple[str, ...]:
    text = (suspect[name] for name in ("person", "photo", "value", "reason"))
    return (f"{suspect['score']:.1f}", *text)
