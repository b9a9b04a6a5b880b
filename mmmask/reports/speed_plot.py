"""The speed of contenders as a picture."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from mmmask.reports.output import save_figure


def plot_speed(medians: pd.DataFrame, path: Path) -> None:
    """Plot a bar for each contender, one panel per task and backbone."""
    panels = list(medians.groupby(["task", "backbone"], sort=False))
    height = 0.8 + sum(0.5 + 0.28 * len(group) for _, group in panels)
    figure = Figure(figsize=(8, height), layout="constrained")
    parts = [len(group) + 1 for _, group in panels]
    axes = figure.subplots(len(panels), height_ratios=parts, squeeze=False)[:, 0]
    for axis, ((task, backbone), group) in zip(axes, panels, strict=True):
        ours = group["contender"].str.startswith("mmmask")
        colours = ["#1e7650" if own else "#9aa5b1" for own in ours]
        bars = axis.barh(group["contender"], group["photos_per_s"], color=colours)
        decimals = 1 if group["photos_per_s"].max() < 1000 else 0
        axis.bar_label(bars, fmt=f"{{:,.{decimals}f}}", padding=3, fontsize=8)
        axis.locator_params(axis="x", steps=[1, 2, 5, 10])  # whole numbers
        axis.xaxis.set_major_formatter("{x:,g}")
        axis.invert_yaxis()
        axis.margins(x=0.12)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_title(f"{task}, {backbone}: photos/s, median", fontsize=10, loc="left")
        axis.tick_params(labelsize=8)
    save_figure(figure, path)
