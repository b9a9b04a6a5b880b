"""What the members of an ensemble add, and how far they agree: in the terminal and as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.columns import Columns
from rich.console import Console
from rich.table import Table

from mmmask.evaluation.jackknife import Difference
from mmmask.reports.output import counted, save_figure

_WIDTH = 140


def print_members(members: pd.DataFrame, photos: int, people: int | None) -> None:
    """Print one row for each member and one for the ensemble.

    Args:
        members: The table of ``mmmask.workflows.ensemble.contributions``.
        photos: How many the table is about.
        people: Of how many people; None where nobody knows who is in them.
    """
    title, over = counted(photos, "photos"), "photos: nobody knows who is in them"
    if people is not None:
        over = counted(people, "people")
    if "macro_f1" in members:
        title += f", 95 % interval over {over}"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    table.add_column("member", overflow="fold")
    bounded = {"weight": ".3f", "macro_f1": ".3f", "helps": "+.3f"}
    bounded = {name: form for name, form in bounded.items() if name in members}
    for name in (*bounded, "agrees", "changes"):
        table.add_column({"macro_f1": "macro F1"}.get(name, name), justify="right")
    for number, (_, row) in enumerate(members.iterrows(), 1):
        last = number == len(members)
        cells = ["" if last else str(number), str(row["member"])]
        for name, form in bounded.items():
            value, low, high = (f"{row[name + end]:{form}}" for end in ("", "_low", "_high"))
            cells.append("" if pd.isna(row[name]) else f"{value} [{low}, {high}]")
        shares = (row.get(name, np.nan) for name in ("agrees", "changes"))
        cells += ["" if pd.isna(share) else f"{100 * share:.1f} %" for share in shares]
        table.add_row(*cells, end_section=number == len(members) - 1)
    console = Console(width=_WIDTH, markup=False, highlight=False)
    console.print(table)
    legend = {
        "weight": "found on all people [on all but one part of them: lowest, highest]",
        "helps": "macro F1 of the ensemble minus that without the member",
        "agrees": "answers as the ensemble does",
        "changes": "answers of the ensemble that would differ without the member",
    }
    for title, meaning in legend.items():
        if title in members:
            console.print(f"{title}: {meaning}")


def print_gain(
    equal: float,
    fitted: float,
    difference: Difference,
    in_sample: float,
    log_loss: tuple[float, float, float],
) -> None:
    """Print what a fitted vote brings over the plain mean on people it was not fitted on."""
    Console(width=_WIDTH, markup=False, highlight=False).print(
        f"On people that it was not fitted on, this vote has macro F1 {fitted:.3f}, equal weights "
        f"{equal:.3f}: {difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}], "
        f"{difference.verdict}; log loss {log_loss[1]:.3f} and {log_loss[0]:.3f} nats. On the "
        f"people of the fit it would seem {in_sample:+.3f}, and {log_loss[2]:.3f} nats.",
    )


def print_agreement(agreement: Mapping[str, NDArray[np.floating]]) -> None:
    """Print the share of photos that two members answer alike, of classes and attributes."""
    tables = []
    for name, shares in agreement.items():
        table = Table(title=f"{name}, % alike", title_justify="left")
        table.add_column("")
        for number in range(1, len(shares) + 1):
            table.add_column(str(number), justify="right")
        for number, row in enumerate(shares):
            cells = [f"{100 * share:.1f}" for share in row]
            cells[number] = ""
            table.add_row(str(number + 1), *cells)
        tables.append(table)
    Console(width=_WIDTH).print(Columns(tables))


def plot_agreement(
    agreement: Mapping[str, NDArray[np.floating]], names: Sequence[str], path: str | Path
) -> None:
    """Plot the matrices of agreement as PNG."""
    from matplotlib.figure import Figure

    side, numbers = max(2.8, 0.5 * len(names)), range(len(names))
    figure = Figure(figsize=(side * len(agreement) + 3, side + 1), layout="constrained")
    lowest = min(float(shares.min()) for shares in agreement.values())
    (all_axes,) = figure.subplots(1, len(agreement), squeeze=False)
    for axes, (name, shares) in zip(all_axes, agreement.items(), strict=True):
        axes.imshow(shares, vmin=lowest, vmax=1, cmap="Blues")
        for (row, column), share in np.ndenumerate(shares):
            colour = "white" if share > (1 + lowest) / 2 else "black"
            text = f"{100 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
        axes.set_title(name)
        axes.set_xticks(numbers, [str(k + 1) for k in numbers])
        axes.set_yticks([])
    labels = [f"{number} {name}" for number, name in enumerate(names, 1)]
    all_axes[0].set_yticks(numbers, labels, fontsize=8)
    figure.suptitle("share of photos answered alike, %")
    save_figure(figure, path)
