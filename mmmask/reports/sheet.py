"""A sheet of pictures in rows and columns, with words, as PNG or JPEG."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure
from numpy.typing import NDArray

from mmmask.reports.output import save_figure

WIDTH = 1.5  # of a picture, in inches


@dataclass(frozen=True)
class Cell:
    """One picture, (H, W, 3) uint8 RGB, and what stands below it."""

    image: NDArray
    caption: str = ""


@dataclass(frozen=True)
class Row:
    """Pictures of one thing, and what stands to the left of them."""

    title: str
    cells: list[Cell] = field(default_factory=list)


def plot_sheet(rows: Sequence[Row], columns: Sequence[str], path: str | Path, title: str) -> None:
    """Plot rows of pictures under the names of the columns; a row may end early."""
    height, width = rows[0].cells[0].image.shape[:2]
    captioned = any(cell.caption for row in rows for cell in row.cells)
    size = (
        WIDTH * len(columns) + 1.0,
        (WIDTH * height / width + (0.35 if captioned else 0.06)) * len(rows) + 0.7,
    )
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle("\n".join(textwrap.wrap(title, int(11 * size[0]))), fontsize=9)
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for row, line in zip(rows, grid, strict=True):
        for axes in line[len(row.cells) :]:
            axes.set_axis_off()
        for cell, axes in zip(row.cells, line[: len(row.cells)], strict=True):
            axes.imshow(cell.image, aspect="equal")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_xlabel(cell.caption, fontsize=6)
        line[0].set_ylabel(row.title, fontsize=7)
    for name, axes in zip(columns, grid[0], strict=True):
        axes.set_title(name, fontsize=8)
    save_figure(figure, path)
