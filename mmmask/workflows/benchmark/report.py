"""Run the benchmark, and leave csv files and a plot."""

import platform
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from mmmask.errors import InputError
from mmmask.reports.speed_plot import draw_speed
from mmmask.workflows.benchmark.cases import CONTENDERS
from mmmask.workflows.benchmark.growth import measure_growth
from mmmask.workflows.benchmark.run import measure, ratios, summary, write_csv


def benchmark(
    *,
    out: Path,
    data_root: str,
    backbones: Sequence[str],
    tasks: Sequence[str],
    contenders: Sequence[str] | None = None,
    repeats: int = 3,
    steps: int = 10,
    workers: int | None = None,
    amp: bool = False,
) -> None:
    """Measure, print ratios, and write csv files and a plot into ``out``.

    Raises:
        InputError: An option is unusable.
    """
    if repeats < 1 or steps < 1:
        raise InputError(f"--repeats and --steps must be at least 1; got {repeats} and {steps}")
    for name in contenders or ():
        if name not in CONTENDERS:
            raise InputError(f"--contenders must be some of {', '.join(CONTENDERS)}; got {name}")
    loops = [task for task in tasks if task != "growth"]
    if loops:
        runs = measure(
            data_root=data_root,
            backbones=[_backbone(text) for text in backbones],
            tasks=loops,
            contenders=contenders,
            repeats=repeats,
            steps=steps,
            workers=workers,
            amp=amp,
        )
        compared = ratios(runs)
        write_csv(runs, out / "runs.csv")
        write_csv(summary(runs), out / "summary.csv")
        write_csv(compared, out / "ratios.csv")
        draw_speed(summary(runs), out / "speed.png")
        show(compared, "ratios of photos a second, paired within a turn")
    if "growth" in tasks:
        grown = measure_growth()
        write_csv(grown, out / "growth.csv")
        show(grown, "growth")
    print(f"written to {out.resolve()}")


def show(table: pd.DataFrame, title: str) -> None:
    """Print a table of measurements."""
    grid = Table(title=f"{title} ({platform.processor() or platform.machine()})")
    for name in table:
        grid.add_column(str(name), justify="right" if table[name].dtype.kind in "if" else "left")
    for row in table.itertuples(index=False):
        grid.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row))
    Console().print(grid)


def _backbone(text: str) -> tuple[str, int]:
    name, _, batch = text.partition(":")
    if not batch.isdecimal():
        raise InputError(f"--backbones must be NAME:BATCH, such as mobilenet_v2:64; got {text!r}")
    return name, int(batch)
