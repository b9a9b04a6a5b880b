"""Whether probabilities mean what they say: in the terminal and as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mmmask.evaluation.calibration import expected_calibration_error, reliability
from mmmask.files import atomic_write

matplotlib.use("Agg")

_COLOURS = {"before": "#d1495b", "after": "#1d5f8a"}


def print_calibration(measured: pd.DataFrame, people: int | None) -> None:
    """Print the table that ``mmmask.workflows.calibrate.measure`` returns."""
    unit = "people" if people else "photos (the table names no people)"
    table = Table(title="calibration, each fold by a fit on the others", title_justify="left")
    table.add_column("of")
    for title in ("ECE before", "after", "NLL before", "after", f"change, 95 % over {unit}"):
        table.add_column(title, justify="right")
    for row in measured.itertuples(index=False):
        table.add_row(
            row.of,
            f"{row.ece_before:.3f}",
            f"{row.ece_after:.3f}",
            f"{row.nll_before:.3f}",
            f"{row.nll_after:.3f}",
            f"{row.nll_low:+.3f} to {row.nll_high:+.3f}",
        )
    Console(width=100).print(table)


def draw_reliability(
    parts: Mapping[str, Sequence[NDArray]], path: str | Path, bins: int = 15
) -> None:
    """Draw accuracy over confidence before and after calibration, one panel a part, as PNG.

    Args:
        parts: Name -> probabilities before, after (N, C), and true values (N,).
        path: The picture.
        bins: Of equal width over the confidence 0 to 1.
    """
    figure = Figure(figsize=(3.6 * len(parts), 4.6), layout="constrained")
    grid = figure.subplots(2, len(parts), squeeze=False, height_ratios=(3, 1), sharex=True)
    for (name, (before, after, labels)), column in zip(parts.items(), grid.T, strict=True):
        _draw_part(column, name, {"before": before, "after": after}, labels, bins)
    grid[0, 0].set_ylabel("share of right answers")
    grid[1, 0].set_ylabel("photos")
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=110)


def _draw_part(
    column: NDArray, name: str, curves: Mapping[str, NDArray], labels: NDArray, bins: int
) -> None:
    upper: Axes = column[0]
    lower: Axes = column[1]
    upper.plot([0, 1], [0, 1], color="#8a8a8a", linewidth=1, linestyle="--")
    middles = (np.arange(bins) + 0.5) / bins
    for shift, (when, values) in zip((-0.2, 0.2), curves.items(), strict=True):
        found = reliability(values, labels, bins)
        filled = found.photos > 0
        error = expected_calibration_error(values, labels, bins)
        colour = _COLOURS[when]
        upper.plot(
            found.confidence[filled],
            found.accuracy[filled],
            "o-",
            color=colour,
            markersize=4,
            label=f"{when}: ECE {error:.3f}",
        )
        lower.bar(middles + shift / bins, found.photos, width=0.4 / bins, color=colour)
    upper.set(title=name, xlim=(0, 1), ylim=(0, 1))
    upper.legend(loc="lower right", fontsize=8)
    lower.set_xlabel("confidence")
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
