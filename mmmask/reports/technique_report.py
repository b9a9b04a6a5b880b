"""What earned the score: each technique's difference from its baseline, in groups."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from rich.console import Console

from mmmask.evaluation.jackknife import POWER
from mmmask.reports.difference_report import difference_cells
from mmmask.reports.output import save_figure, titled_table

#: Verdict -> colour.
_COLOURS = {
    "confirmed": "#1e7650",
    "shown": "#1d5f8a",
    "refuted": "#ad3347",
    "not shown": "#6b6f76",
    "extrapolated": "#8f5f0c",
}
#: Beyond that much macro F1 a bar is cut, so that the small differences can be seen.
_WIDEST = 0.12


def print_techniques(table: pd.DataFrame) -> None:
    """Print a table for each group; ``table`` is that of ``studies.techniques``."""
    console = Console(width=140)
    for name, rows in table.groupby("group", sort=False):
        first = rows.iloc[0]
        shown = titled_table(
            f"{name}: macro F1 against {first['baseline']}, {first['baseline_macro_f1']:.3f}; 95 % "
            f"interval over {first['people']} people and {first['seeds']} seeds",
            ("technique", "claim"),
            ("macro F1", "difference", "95 % interval", "shown from"),
        )
        shown.add_column("verdict")
        for row in rows.itertuples(index=False):
            shown.add_row(
                row.technique,
                row.claim,
                *difference_cells(row),
                row.verdict,
            )
        console.print(shown)
    compared = int(table["verdict"].ne("extrapolated").sum())
    console.print(
        f"shown from: the smallest true difference that {100 * POWER:.0f} % of such studies would "
        f"show. Of {compared} techniques without any effect, about {0.05 * compared:.0f} would be "
        "shown by chance.",
        style="dim",
    )


def plot_techniques(table: pd.DataFrame, path: str | Path) -> None:
    """Plot difference and interval of each technique as PNG, under the names of their groups."""
    groups = list(table.groupby("group", sort=False))
    lines = len(table) + len(groups)
    figure = Figure(figsize=(9, 1.2 + 0.24 * lines), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color="black", linewidth=0.8)
    labels, height = [], 0
    for name, rows in groups:
        axes.axhspan(height - 0.5, height + 0.5, color="#eef1f4", zorder=0)
        first = rows.iloc[0]
        title = f"{name}: against {first['baseline']}, {first['baseline_macro_f1']:.3f}"
        axes.text(-_WIDEST, height, f" {title}", va="center", fontsize=8, weight="bold")
        labels.append("")
        for row in rows.itertuples(index=False):
            height += 1
            colour = _COLOURS[row.verdict]
            axes.plot([row.low, row.high], [height] * 2, color=colour, linewidth=3, alpha=0.45)
            inside = min(max(row.difference, -_WIDEST), _WIDEST)
            mark = "o" if inside == row.difference else "<" if row.difference < 0 else ">"
            axes.plot(inside, height, mark, color=colour, markersize=5, clip_on=False)
            axes.text(
                1.01, height, f"{row.difference:+z.3f}",
                transform=axes.get_yaxis_transform(), va="center", fontsize=8, color=colour,
            )  # fmt: skip
            labels.append(row.technique)
        height += 1
    axes.set_yticks(range(lines), labels, fontsize=8)
    axes.tick_params(axis="y", length=0, pad=7)  # a mark may stand on the frame
    axes.set_xlim(-_WIDEST, _WIDEST)
    axes.set_ylim(lines - 0.5, -0.5)
    axes.grid(axis="x", linewidth=0.4, alpha=0.6)
    axes.set_xlabel("macro F1 minus that of the group's baseline; bar: 95 % interval")
    known = [verdict for verdict in _COLOURS if (table["verdict"] == verdict).any()]
    handles = [
        Line2D([], [], color=_COLOURS[verdict], marker="o", linewidth=3, label=verdict)
        for verdict in known
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(known), fontsize=8)
    save_figure(figure, path)
