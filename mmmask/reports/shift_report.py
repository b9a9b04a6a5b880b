"""Class shares, what a correction is expected to do, and simulated shifts."""

import re
from pathlib import Path

import matplotlib
import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from mmmask.evaluation.decision import RULES
from mmmask.evaluation.intervals import percentile_interval
from mmmask.evaluation.prior_shift.correction import Choice, Outcome
from mmmask.evaluation.prior_shift.estimates import METHODS
from mmmask.evaluation.prior_shift.simulation import summary
from mmmask.labels import AGE_GROUPS, ATTRIBUTES, GENDERS, MASKS, encode
from mmmask.reports.output import save_figure, titled_table
from mmmask.reports.score_tables import WIDTH, print_warnings

_OURS, _TRAINING, _OTHERS = "#1d5f8a", "#8a8a8a", ("#d1495b", "#e0a458", "#2a9d6f")
_TITLES = {"em": "EM", "bbse_soft": "BBSE soft", "bbse_hard": "BBSE hard"}
#: Of each method, ours first, the columns of its share and the bounds of that.
_COLUMNS = (("share", "low", "high"), *((name, f"{name}_low", f"{name}_high") for name in METHODS))


def print_outcome(outcome: Outcome) -> None:
    """Print the shares, what was weighed, and what was done."""
    console, choice = Console(width=WIDTH), outcome.choice
    _print_shares(console, outcome.shares)
    _print_choice(console, choice)
    for note in outcome.notes:
        console.print(f"note: {note}", highlight=False)
    print_warnings(outcome.table.attrs.get("provenance", {}))
    if choice.chosen is None:
        console.print(f"[b]nothing changed[/b]: {choice.reason}", highlight=False)
        return
    known = choice.shift.known
    what = "the given shares" if known else f"{choice.chosen.strength:.0%} of the shift"
    text = f"[b]corrected for {what}[/b], classes decided by {choice.rule}"
    console.print(text, highlight=False)


def _print_shares(console: Console, shares: pd.DataFrame) -> None:
    table = Table("", title="share of the photos, in %, 95 % intervals", title_justify="left")
    for title in ("out of fold", "predicted", "estimated", *_TITLES.values()):
        table.add_column(title, justify="right", no_wrap=True)
    for of in ATTRIBUTES:
        for _, row in shares[shares["of"] == of].iterrows():
            ours, *others = (
                f"{100 * row[share]:.0f} [{100 * row[low]:.0f}, {100 * row[high]:.0f}]"
                for share, low, high in _COLUMNS
            )
            known = (f"{100 * row[name]:.1f}" for name in ("out_of_fold", "predicted"))
            table.add_row(f"{of} {row['value']}", *known, f"[b]{ours}[/b]", *others)
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


def _print_choice(console: Console, choice: Choice) -> None:
    shares = "given" if choice.shift.known else "estimated"
    table = Table(
        title=f"macro F1 on plausible test sets: out-of-fold people of the {shares} shares",
        title_justify="left",
    )
    for title in ("corrected for", "macro F1", "gain", "expected on these photos", "at least"):
        table.add_column(title, justify="right")
    table.add_row("as it is", str(percentile_interval(choice.before.mean(), choice.before)))
    for option in choice.options:
        table.add_row(
            f"{option.strength:.0%} of the shift",
            str(percentile_interval(option.after.mean(), option.after)),
            f"{option.gains.mean():+.3f}",
            f"{option.gain:+.3f}",
            f"{option.low:+.3f}",
            style="bold" if option is choice.chosen else None,
        )
    console.print(table)


def plot_shares(outcome: Outcome, path: str | Path) -> None:
    """Plot the shares of attributes and classes with their intervals, as PNG."""
    shares, chosen = outcome.shares, outcome.choice.chosen
    figure = Figure(figsize=(12, 6.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1))
    attributes = shares[shares["of"] != "class"]
    _plot_part(left, attributes, [f"{r.of} {r.value}" for r in attributes.itertuples()])
    names = [f"{m} {g} {a}" for m in MASKS for g in GENDERS for a in AGE_GROUPS]
    _plot_part(right, shares[shares["of"] == "class"], names)
    handles = left.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=6, fontsize=8)
    done = "nothing changed"
    if chosen is not None:
        done = f"corrected for {chosen.strength:.0%} of the shift"
    figure.suptitle(f"class shares of the photos, 95 % intervals: {done}", fontsize=11)
    save_figure(figure, path)


def _plot_part(axes: Axes, shares: pd.DataFrame, names: list[str]) -> None:
    heights = np.arange(len(shares))
    axes.plot(100 * shares["out_of_fold"], heights, "|", color=_TRAINING, ms=16, mew=2,
              label="out of fold")  # fmt: skip
    axes.plot(100 * shares["predicted"], heights, "x", color="black", ms=6, label="predicted")
    methods = zip(_COLUMNS, ("estimated", *_TITLES.values()), (_OURS, *_OTHERS), strict=True)
    for number, ((share, low, high), label, colour) in enumerate(methods):
        main, at = number == 0, heights + 0.16 * number
        axes.hlines(at, 100 * shares[low], 100 * shares[high], color=colour,
                    linewidth=4 if main else 1.5, alpha=0.5)  # fmt: skip
        axes.plot(100 * shares[share], at, "o", color=colour, ms=6 if main else 3, label=label)
    axes.set_yticks(heights, names, fontsize=8)
    axes.set_ylim(len(shares) - 0.3, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("% of the photos")
    axes.spines[["top", "right"]].set_visible(False)


def print_simulation(simulated: pd.DataFrame) -> None:
    """Print what corrections gain on simulated shifts, by kind of shift and rule, and references.

    Args:
        simulated: One row per shift, as from ``simulation.Population.simulate``.
    """
    console = Console(width=WIDTH)
    titles = ("number", "as it is", "true shares", "no shift", "ours", "worst 5 %", "abstained")
    for rule in RULES:
        title = f"gain in macro F1 over the predictions as they are, decided by {rule}"
        table = titled_table(title, ("shift",), titles)
        for row in summary(simulated, rule).itertuples(index=False):
            if row.kind == "all":
                table.add_section()
            table.add_row(
                row.kind,
                str(row.shifts),
                f"{row.uncorrected:.3f}",
                f"{row.true:+.3f}",
                f"{row.decision:+.3f}",
                f"{row.gain:+.3f}",
                f"{row.p5:+.3f}",
                f"{row.abstained:.0%}",
            )
        console.print(table)
    title = "methods that always correct, over all shifts"
    table = Table("method", title=title, title_justify="left")
    for rule in RULES:
        table.add_column(f"gain, {rule}", justify="right")
        table.add_column("worst 5 %", justify="right")
    references = [found[1] for name in simulated if (found := re.match("gain_(.+)_argmax", name))]
    for name in ("", *(f"{one}_" for one in references)):
        gains = [simulated[f"gain_{name}{rule}"] for rule in RULES]
        cells = [f"{value:+.3f}" for one in gains for value in (one.mean(), one.quantile(0.05))]
        table.add_row(name[:-1] or "ours, which may abstain", *cells)
    console.print(table)


def plot_simulation(simulated: pd.DataFrame, path: str | Path) -> None:
    """Plot the gain of each simulated shift over that of the true shares, as PNG."""
    with matplotlib.style.context("default"):  # a package of references has one of its own
        figure = Figure(figsize=(11, 5), layout="constrained")
        for axes, rule in zip(figure.subplots(1, len(RULES), sharey=True), RULES, strict=True):
            gains, true = simulated[f"gain_{rule}"], simulated[f"true_{rule}"]
            ends = np.array([min(true.min(), gains.min()), max(true.max(), gains.max())])
            axes.plot(ends, ends, color=_TRAINING, linewidth=1, linestyle="--", label="as good")
            axes.axhline(0, color="black", linewidth=0.8)
            abstained = simulated[f"abstained_{rule}"] == 1
            for number, (kind, group) in enumerate(simulated.groupby("kind", sort=False)):
                colour = matplotlib.colormaps["tab10"](number)
                rows = group.index[~abstained[group.index]]
                axes.plot(true[rows], gains[rows], "o", color=colour, ms=4, label=kind)
                rows = group.index[abstained[group.index]]
                axes.plot(true[rows], gains[rows], "o", color=colour, ms=4, fillstyle="none")
            axes.set_xlabel("gain by the true shares")
            axes.set_title(
                f"{rule}: mean {gains.mean():+.3f} of {true.mean():+.3f}, worst 5 % "
                f"{gains.quantile(0.05):+.3f}",
                fontsize=10,
            )
            axes.spines[["top", "right"]].set_visible(False)
            if rule == RULES[0]:
                axes.set_ylabel("gain in macro F1; hollow: abstained")
                axes.legend(fontsize=8)
        save_figure(figure, path)
