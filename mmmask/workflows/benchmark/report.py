"""Run the benchmark, and leave csv files and a plot."""

import platform
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from mmmask.errors import InputError
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


def draw_speed(medians: pd.DataFrame, path: Path) -> None:
    """Draw a bar for each contender, one panel a task and backbone."""
    from matplotlib.figure import Figure

    from mmmask.files import written_whole

    panels = list(medians.groupby(["task", "backbone"], sort=False))
    height = 0.8 + sum(0.5 + 0.28 * len(group) for _, group in panels)
    figure = Figure(figsize=(8, height), layout="constrained")
    parts = [len(group) + 1 for _, group in panels]
    axes = figure.subplots(len(panels), height_ratios=parts, squeeze=False)[:, 0]
    for axis, ((task, backbone), group) in zip(axes, panels, strict=True):
        ours = group["contender"].str.startswith("mmmask")
        colours = ["#2a9d6f" if own else "#9aa5b1" for own in ours]
        bars = axis.barh(group["contender"], group["photos_per_s"], color=colours)
        axis.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
        axis.invert_yaxis()
        axis.margins(x=0.12)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_title(f"{task}, {backbone}: photos/s, median", fontsize=10, loc="left")
        axis.tick_params(labelsize=8)
    with written_whole(path) as aside:
        figure.savefig(aside, dpi=110)


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
