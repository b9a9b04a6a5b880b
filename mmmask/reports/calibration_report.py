"""Whether probabilities mean what they say: in the terminal and as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console

from mmmask.evaluation.calibration import reliability
from mmmask.reports.output import counted, save_figure, titled_table


def print_calibration(
    measured: pd.DataFrame, people: int | None, left_out: str | None = None
) -> None:
    """Print the table that ``mmmask.workflows.calibrate.calibrate`` returns.

    ``left_out`` says which photos it does not rest on; None: it rests on all.
    """
    unit = counted(people, "people") if people else "photos (the table names no people)"
    title = f"calibration, each fold by a fit on the others; 95 % interval over {unit}"
    columns = ("log loss\nbefore", "after", "change", "ECE before\n(chance)", "after\n(chance)")
    table = titled_table(title, ("of",), columns)
    for row in measured.itertuples(index=False):
        change = row.nll_after - row.nll_before
        table.add_row(
            row.of,
            f"{row.nll_before:.3f}",
            f"{row.nll_after:.3f}",
            f"{change:+.3f} [{row.nll_low:+.3f}, {row.nll_high:+.3f}]",
            f"{row.ece_before:.3f} ({row.chance_before:.3f})",
            f"{row.ece_after:.3f} ({row.chance_after:.3f})",
        )
    console = Console(width=100)
    console.print(table)
    if left_out is not None:
        console.print(left_out)
    console.print(
        "ECE: by how much confidence and share of right answers differ, on average; chance: the "
        "ECE that perfectly calibrated probabilities of as many people would have",
        style="dim",
    )
    worse = measured.loc[measured["nll_low"] > 0, "of"]
    if len(worse):
        console.print(f"warning: calibration makes the log loss of {', '.join(worse)} worse")


def plot_reliability(
    parts: Mapping[str, Sequence[NDArray]], person: NDArray, path: str | Path
) -> None:
    """Plot accuracy over confidence before and after calibration, one panel per part, as PNG.

    Args:
        parts: Name -> probabilities before, after (N, C), and true values (N,).
        person: (N,) who is in each photo.
        path: The picture.
    """
    figure = Figure(figsize=(3.6 * len(parts), 4.6), layout="constrained")
    grid = figure.subplots(2, len(parts), squeeze=False, height_ratios=(3, 1), sharex=True)
    for (name, (before, after, labels)), (upper, lower) in zip(parts.items(), grid.T, strict=True):
        upper.plot([0, 1], [0, 1], color="#8a8a8a", linewidth=1, linestyle="--")
        for when, values, colour, side in (
            ("before", before, "#ad3347", -0.2),
            ("after", after, "#1d5f8a", 0.2),
        ):
            found = reliability(values, labels, person)
            filled = found.photos > 0
            confidence, accuracy = found.confidence[filled], found.accuracy[filled]
            label = f"{when}: {found.ece_in_words}"
            upper.plot(
                confidence, accuracy, "o-", color=colour, markersize=4, label=label, clip_on=False
            )
            bins = len(found.photos)
            middles = (np.arange(bins) + 0.5) / bins
            lower.bar(middles + side / bins, found.photos, width=0.4 / bins, color=colour)
        upper.set(xlim=(0, 1), ylim=(0, 1))
        # Above the panel, as a curve may go anywhere within.
        upper.legend(title=name, loc="lower left", bbox_to_anchor=(0, 1), fontsize=8, frameon=False)
        lower.set_xlabel("confidence")
        for axes in (upper, lower):
            axes.spines[["top", "right"]].set_visible(False)
    grid[0, 0].set_ylabel("share of right answers")
    grid[1, 0].set_ylabel("photos")
    save_figure(figure, path)
