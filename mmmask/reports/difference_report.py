"""Paired differences of variants against their baseline: in the terminal and as a picture."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from mmmask.evaluation.jackknife import POWER, Difference, Interval
from mmmask.reports.output import save_figure, titled_table

#: What a difference of two models does not tell.
ONE_MODEL = "This is about these models: other seeds of their configs may move a score as much."
_COLOURS = {"shown": "#1d5f8a", "not shown": "#6b6f76"}


def print_differences(comparison: pd.DataFrame, baseline: str) -> None:
    """Print one row for each variant; the table is that of ``studies.ablate.compare``."""
    first = comparison.iloc[0]
    score = Interval(first["baseline"], first["baseline_low"], first["baseline_high"])
    table = titled_table(
        f"macro F1 against {baseline}, {score}; 95 % interval over {first['people']} people held "
        f"out{' and the seeds' if len(first['seeds'].split()) > 1 else '; one seed shows nothing'}",
        ("variant", "changes"),
        ("macro F1", "difference", "95 % interval", "shown from", "by seed"),
    )
    table.add_column("verdict")
    for row in comparison.itertuples(index=False):
        table.add_row(
            row.variant,
            row.blocks,
            *difference_cells(row),
            row.seeds,
            row.verdict,
        )
    console = Console(width=140)
    console.print(table)
    console.print(
        f"shown from: the smallest true difference that {100 * POWER:.0f} % of such studies would "
        "show; a smaller one may be there.",
        style="dim",
    )


def difference_cells(row: Any) -> tuple[str, str, str, str]:
    """Return score, difference, interval and "shown from" of a row of a comparison in words."""
    return (
        str(Interval(row.macro_f1, row.macro_f1_low, row.macro_f1_high)),
        f"{row.difference:+.3f}",
        f"{row.low:+.3f} to {row.high:+.3f}",
        "" if pd.isna(row.detectable) else f"{row.detectable:.3f}",
    )


def difference_sentence(name: str, baseline: str, difference: Difference) -> str:
    """Return in words which of two is better in macro F1, by how much, and whether that is shown.

    ``difference`` is that of their macro F1, paired, as from ``paired_difference``.
    """
    value, low, high = difference.value, difference.low, difference.high
    if low == high == 0:
        return f"{name} scores as {baseline} does, on all people"
    better = "better"
    if value < 0:
        better, value, low, high = "worse", -value, -high, -low
    by = Interval(value, low, high)
    return f"{name} is {better} than {baseline} by {by}: {difference.verdict}"


def plot_differences(comparison: pd.DataFrame, baseline: str, path: str | Path) -> None:
    """Plot difference and interval of each variant as PNG; small dots are the single seeds."""
    rows = len(comparison)
    figure = Figure(figsize=(8, 1.6 + 0.5 * rows), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color="black", linewidth=0.8)
    for height, row in enumerate(comparison.itertuples(index=False)):
        colour = _COLOURS[row.verdict]
        axes.plot([row.low, row.high], [height, height], color=colour, linewidth=3, alpha=0.5)
        axes.plot(row.difference, height, "o", color=colour, markersize=8)
        seeds = [float(seed) for seed in row.seeds.split()]
        axes.plot(seeds, [height + 0.22] * len(seeds), ".", color=colour, markersize=5)
    names = [f"{row.variant}\n{row.verdict}" for row in comparison.itertuples(index=False)]
    axes.set_yticks(range(rows), names, fontsize=8)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_xlabel(f"macro F1 minus that of {baseline}; bar: 95 % interval, dots: seeds")
    save_figure(figure, path)
