"""What the members of an ensemble add, and how far they agree: in the terminal and as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.columns import Columns
from rich.console import Console
from rich.table import Table

from mmmask.evaluation.intervals import Interval
from mmmask.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 140


def print_members(members: pd.DataFrame, photos: int, people: int | None) -> None:
    """Print one row for each member and one for the ensemble.

    Args:
        members: The table of ``mmmask.workflows.ensemble.contributions``.
        photos: How many the table is about.
        people: Of how many people; None where nobody knows who is in them.
    """
    scored = "macro_f1" in members
    over = "over people" if people is not None else "over photos: nobody knows who is in them"
    table = Table(
        title=f"{photos:,} photos"
        + (f" of {people:,} people" if people is not None else "")
        + (f"; 95 % {over}" if scored else ""),
        title_justify="left",
    )
    table.add_column("")
    table.add_column("member", overflow="fold")
    columns = {
        "weight": ("weight", "{:.3f}", "{:.3f}, {:.3f}"),
        "macro_f1": ("macro F1", "{:.3f}", "{:.3f}, {:.3f}"),
        "helps": ("helps", "{:+.4f}", "{:+.4f}, {:+.4f}"),
    }
    shown = {key: value for key, value in columns.items() if key in members}
    for title, *_ in shown.values():
        table.add_column(title, justify="right")
    for title in ("agrees", "changes"):
        table.add_column(title, justify="right")
    for number, (_, row) in enumerate(members.iterrows(), 1):
        last = number == len(members)
        cells = ["" if last else str(number), str(row["member"])]
        for key, (_, value, bounds) in shown.items():
            cells.append(_with_bounds(row, key, value, bounds))
        cells += [_share(row.get(key, np.nan)) for key in ("agrees", "changes")]
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
    difference: Interval,
    in_sample: float,
    log_loss: tuple[float, float, float],
) -> None:
    """Print what a fitted vote brings over the plain mean on people it was not fitted on."""
    shown = "shown" if difference.shown else "not shown"
    Console(width=_WIDTH, markup=False, highlight=False).print(
        f"On people that it was not fitted on, this vote has macro F1 {fitted:.3f}, equal weights "
        f"{equal:.3f}: {difference.value:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}], "
        f"{shown}; log loss {log_loss[1]:.3f} and {log_loss[0]:.3f} nats. On the people of the fit "
        f"it would seem {in_sample:+.4f}, and {log_loss[2]:.3f} nats.",
    )


def print_agreement(agreement: Mapping[str, NDArray[np.floating]]) -> None:
    """Print the share of photos that two members answer alike, of classes and attributes."""
    tables = []
    for name, shares in agreement.items():
        table = Table(title=f"{name}, % alike", title_justify="left")
        table.add_column("")
        for number in range(len(shares)):
            table.add_column(str(number + 1), justify="right")
        for number, row in enumerate(shares):
            cells = [f"{100 * share:.1f}" for share in row]
            cells[number] = ""
            table.add_row(str(number + 1), *cells)
        tables.append(table)
    Console(width=_WIDTH).print(Columns(tables))


def draw_agreement(
    agreement: Mapping[str, NDArray[np.floating]], names: Sequence[str], path: str | Path
) -> None:
    """Draw the matrices of agreement as PNG."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.use("Agg")
    side = max(2.8, 0.5 * len(names))
    figure = Figure(figsize=(side * len(agreement) + 3, side + 1), layout="constrained")
    lowest = min(float(shares.min()) for shares in agreement.values())
    all_axes = np.atleast_1d(figure.subplots(1, len(agreement)))
    for number, (axes, (name, shares)) in enumerate(zip(all_axes, agreement.items(), strict=True)):
        _draw_matrix(axes, shares, lowest)
        axes.set_title(name)
        axes.set_xticks(range(len(names)), [str(k + 1) for k in range(len(names))])
        labels = [f"{k + 1} {one}" for k, one in enumerate(names)] if number == 0 else []
        axes.set_yticks(range(len(names)) if labels else [], labels, fontsize=8)
    figure.suptitle("share of photos answered alike, %")
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=120)


def _draw_matrix(axes: "Axes", shares: NDArray[np.floating], lowest: float) -> None:
    axes.imshow(shares, vmin=lowest, vmax=1, cmap="Blues")
    for row, column in np.ndindex(*shares.shape):
        share = shares[row, column]
        dark = share > (1 + lowest) / 2
        axes.text(
            *(column, row, f"{share:.0%}"[:-1]),
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else "black",
        )


def _with_bounds(row: pd.Series, key: str, value: str, bounds: str) -> str:
    if pd.isna(row[key]):
        return ""
    return f"{value.format(row[key])} [{bounds.format(row[f'{key}_low'], row[f'{key}_high'])}]"


def _share(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.1%}"
