"""Whether intervals hold the truth, as a table in the terminal."""

import pandas as pd
from rich.console import Console

from mmmask.reports.output import titled_table


def print_coverage(measured: pd.DataFrame) -> None:
    """Print the table of :func:`mmmask.workflows.coverage.measure`."""
    console = Console(width=120)
    for (population, of), part in measured.groupby(["population", "of"], sort=False):
        table = titled_table(
            f"{population}: {of}, {part['sets'].iloc[0]:,} samples",
            ("people", "method"),
            ("truth inside", "above", "below", "width", "shown from", "power"),
        )
        for row in part.itertuples(index=False):
            of_difference = (
                ["", ""]
                if pd.isna(row.power)
                else [f"{row.detectable:.3f}", f"{100 * row.power:.0f} %"]
            )
            shares = [f"{100 * share:.1f} %" for share in (row.covered, row.above, row.below)]
            table.add_row(str(row.people), row.method, *shares, f"{row.width:.3f}", *of_difference)
        console.print(table)
    console.print(
        "truth inside: share of 95 % intervals that hold the truth, which else lies above or "
        "below; shown from: the true difference that 80 % of samples should show; power: the "
        "share that does",
        style="dim",
    )
