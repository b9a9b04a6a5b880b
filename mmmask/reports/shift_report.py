"""Class shares, what a correction is expected to do, and simulated shifts."""

from pathlib import Path

import matplotlib
import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from mmmask.evaluation.prior_shift.correction import Choice, Outcome
from mmmask.evaluation.prior_shift.simulation import references_in, summary
from mmmask.labels import AGE_GROUPS, ATTRIBUTES, GENDERS, MASKS, encode
from mmmask.reports.output import save_figure
from mmmask.reports.score_tables import WIDE, WIDTH, print_warnings

_OURS, _TRAINING = "#1d5f8a", "#8a8a8a"


def print_outcome(outcome: Outcome) -> None:
    """Print the shares, what was weighed, and what was done."""
    console, choice = Console(width=WIDE), outcome.choice
    _print_shares(console, outcome.shares)
    console.print(
        f"correcting is expected to gain [b]{choice.gain:+z.3f}[/b] macro F1, with a standard "
        f"deviation of {choice.spread:.3f}",
        highlight=False,
    )
    for note in outcome.notes:
        console.print(f"note: {note}", highlight=False)
    print_warnings(outcome.table.attrs.get("provenance", {}))
    console.print(f"[b]{_done(choice)}[/b]", end="", highlight=False)
    rule = "decided for macro F1" if choice.rule == "macro-f1" else "the most probable class"
    what = f": {choice.reason}" if choice.reason else f"; answers: {rule}"
    console.print(what, highlight=False)


def _done(choice: Choice) -> str:
    if not choice.corrects:
        return "nothing changed"
    return f"corrected for the {'given' if choice.known else 'estimated'} shares"


def _print_shares(console: Console, shares: pd.DataFrame) -> None:
    table = Table("", title="share of the photos, in %, 95 % intervals", title_justify="left")
    for title in ("out of fold", "predicted", "estimated"):
        table.add_column(title, justify="right", no_wrap=True)
    for of in ATTRIBUTES:
        for row in shares[shares["of"] == of].itertuples():
            table.add_row(
                f"{of} {row.value}",
                f"{100 * row.out_of_fold:.1f}",
                f"{100 * row.predicted:.1f}",
                f"[b]{100 * row.share:.0f} [{100 * row.low:.0f}, {100 * row.high:.0f}][/b]",
            )
        table.add_section()
    console.print(table)
    title = "share of each class, in %: out of fold -> estimated"
    table = Table("mask", title=title, title_justify="left")
    for gender in GENDERS:
        for age in AGE_GROUPS:
            table.add_column(f"{gender} {age}", justify="right", no_wrap=True)
    classes = shares[shares["of"] == "class"]
    for mask, name in enumerate(MASKS):
        rows = classes.iloc[encode(mask, *np.mgrid[:2, :3]).ravel()]
        cells = (f"{100 * r.out_of_fold:.1f} -> {100 * r.share:.1f}" for r in rows.itertuples())
        table.add_row(name, *cells)
    console.print(table)


def plot_shares(outcome: Outcome, path: str | Path) -> None:
    """Plot the shares of attributes and classes with their intervals, as PNG."""
    shares = outcome.shares
    figure = Figure(figsize=(12, 6.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1))
    attributes = shares[shares["of"] != "class"]
    _plot_part(left, attributes, [f"{r.of} {r.value}" for r in attributes.itertuples()])
    names = [f"{m} {g} {a}" for m in MASKS for g in GENDERS for a in AGE_GROUPS]
    _plot_part(right, shares[shares["of"] == "class"], names)
    handles = left.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=6, fontsize=8)
    done = _done(outcome.choice)
    figure.suptitle(f"class shares of the photos, 95 % intervals: {done}", fontsize=11)
    save_figure(figure, path)


def _plot_part(axes: Axes, shares: pd.DataFrame, names: list[str]) -> None:
    heights = np.arange(len(shares))
    axes.plot(100 * shares["out_of_fold"], heights, "|", color=_TRAINING, ms=16, mew=2,
              label="out of fold")  # fmt: skip
    axes.plot(100 * shares["predicted"], heights, "x", color="black", ms=6, label="predicted",
              clip_on=False)  # fmt: skip
    axes.hlines(heights, 100 * shares["low"], 100 * shares["high"], color=_OURS,
                linewidth=4, alpha=0.5)  # fmt: skip
    axes.plot(100 * shares["share"], heights, "o", color=_OURS, ms=6, label="estimated",
              clip_on=False)  # fmt: skip
    axes.set_yticks(heights, names, fontsize=8)
    axes.set_ylim(len(shares) - 0.3, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("% of the photos")
    axes.spines[["top", "right"]].set_visible(False)


def print_simulation(simulated: pd.DataFrame) -> None:
    """Print what corrections gain on simulated shifts, by kind of shift, and other methods.

    Args:
        simulated: One row per shift, as from ``simulation.Population.simulate``.
    """
    console = Console(width=WIDTH)
    title = f"gain in macro F1 on {len(simulated)} test sets; promised and got: where corrected"
    table = Table(title=title, title_justify="left")
    table.add_column("shift", no_wrap=True)
    for title in (
        *("before", "true\nshares", "gain", "1 in 20\nbelow", "left\nalone"),
        *("given up", "promised", "got"),
    ):
        table.add_column(title, justify="right", no_wrap=True)
    for row in summary(simulated).itertuples(index=False):
        if row.kind == "all":
            table.add_section()
        gains = (row.true, row.gain, row.p5)
        chosen = (row.given_up, row.promised, row.realised)
        table.add_row(
            row.kind,
            f"{row.uncorrected:.3f}",
            *(f"{value:+z.3f}" for value in gains),
            f"{100 * row.alone:.0f} %",
            *("-" if np.isnan(value) else f"{value:+z.3f}" for value in chosen),
        )
    console.print(table)
    table = Table("method", title="methods that always correct", title_justify="left")
    for title in ("gain", "1 in 20 below"):
        table.add_column(title, justify="right")
    names = {
        "true": "the true shares",
        "always": "the same, always",
        "decision": "decided for macro F1 alone",
    }
    for name in (*names, *references_in(simulated)):
        gains = simulated[name]
        table.add_row(
            names.get(name, name), f"{gains.mean():+z.3f}", f"{gains.quantile(0.05):+z.3f}"
        )
    console.print(table)


def plot_simulation(simulated: pd.DataFrame, path: str | Path) -> None:
    """Plot the gain of each simulated shift over that of the true shares and the promise."""
    with matplotlib.style.context("default"):  # a package of references has one of its own
        figure = Figure(figsize=(11, 5), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        corrected = simulated["corrected"].astype(bool)
        gains, true, promised = (simulated[name] for name in ("gain", "true", "promised"))
        for number, (kind, group) in enumerate(simulated.groupby("kind", sort=False)):
            colour = matplotlib.colormaps["tab10"](number)
            rows, alone = (group.index[own[group.index]] for own in (corrected, ~corrected))
            left.plot(true[rows], gains[rows], "o", color=colour, ms=4, label=kind)
            left.plot(true[alone], gains[alone], "o", color=colour, ms=4, fillstyle="none")
            right.plot(promised[rows], gains[rows], "o", color=colour, ms=4)
        for axes, other in ((left, true), (right, promised[corrected])):
            ends = np.array([min(other.min(), 0), other.max()])
            axes.plot(ends, ends, color=_TRAINING, linewidth=1, linestyle="--")
            axes.axhline(0, color="black", linewidth=0.8)
            axes.spines[["top", "right"]].set_visible(False)
        left.set_xlabel("gain by the true shares")
        left.set_ylabel("gain in macro F1; hollow: left alone")
        left.set_title(
            f"mean {gains.mean():+z.3f}, by the true shares {true.mean():+z.3f}\n1 in 20 below "
            f"{gains.quantile(0.05):+z.3f}; {100 * (~corrected).mean():.0f} % left alone",
            fontsize=10,
        )
        right.set_xlabel("promised gain, where corrected")
        means = [f"{part[corrected].mean():+z.3f}" for part in (promised, gains)]
        title = "promised {}; got {}".format(*means) if corrected.any() else "none corrected"
        right.set_title(title, fontsize=10)
        left.legend(fontsize=8)
        save_figure(figure, path)
