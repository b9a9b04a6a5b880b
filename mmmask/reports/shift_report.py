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

from mmmask.evaluation.decision import RULES
from mmmask.evaluation.intervals import percentile_interval
from mmmask.evaluation.prior_shift.correction import Choice, Outcome
from mmmask.evaluation.prior_shift.estimates import METHODS
from mmmask.evaluation.prior_shift.simulation import summary
from mmmask.files import atomic_write
from mmmask.labels import AGE_GROUPS, ATTRIBUTES, GENDERS, MASKS, encode
from mmmask.reports.score_tables import WIDTH, print_test_photos

matplotlib.use("Agg")

_OURS, _TRAINING, _OTHERS = "#1d5f8a", "#8a8a8a", ("#d1495b", "#e0a458", "#2a9d6f")
_TITLES = {"em": "EM", "bbse_soft": "BBSE soft", "bbse_hard": "BBSE hard"}


def print_outcome(outcome: Outcome) -> None:
    """Print the shares, what was weighed, and what was done."""
    console = Console(width=WIDTH)
    shares = outcome.shares
    table = Table(title="share of the photos, in %, 95 % intervals", title_justify="left")
    table.add_column("")
    for title in ("out of fold", "predicted", "estimated", *_TITLES.values()):
        table.add_column(title, justify="right", no_wrap=True)
    for of in ATTRIBUTES:
        part = shares[shares["of"] == of]
        for row in part.itertuples(index=False):
            others = (
                _percent(*(getattr(row, f"{method}{end}") for end in ("", "_low", "_high")))
                for method in METHODS
            )
            estimate = _percent(row.share, row.low, row.high)
            known = (f"{100 * row.out_of_fold:.1f}", f"{100 * row.predicted:.1f}")
            table.add_row(f"{of} {row.value}", *known, f"[b]{estimate}[/b]", *others)
        table.add_section()
    console.print(table)

    classes = shares[shares["of"] == "class"]
    table = Table(title="share of each class, in %: out of fold -> estimated", title_justify="left")
    table.add_column("mask")
    for gender in GENDERS:
        for age in AGE_GROUPS:
            table.add_column(f"{gender} {age}", justify="right", no_wrap=True)
    for mask, name in enumerate(MASKS):
        rows = classes.iloc[encode(mask, *np.mgrid[:2, :3]).ravel()]
        cells = (f"{100 * r.out_of_fold:.1f} -> {100 * r.share:.1f}" for r in rows.itertuples())
        table.add_row(name, *cells)
    console.print(table)
    _print_choice(console, outcome.choice, outcome.known)
    for note in outcome.notes:
        console.print(f"note: {note}", highlight=False)
    print_test_photos(outcome.table.attrs.get("provenance", {}))
    if outcome.applied is None:
        console.print(f"[b]nothing changed[/b]: {outcome.reason}", highlight=False)
        return
    what = "the given shares" if outcome.known else f"{outcome.applied.strength:.0%} of the shift"
    rule = f"classes decided by {outcome.choice.rule}"
    console.print(f"[b]corrected for {what}[/b], {rule}", highlight=False)


def _print_choice(console: Console, choice: Choice, known: bool) -> None:
    shares = "given" if known else "estimated"
    table = Table(
        title=f"macro F1 on test sets as they may be, out-of-fold people of the {shares} shares",
        title_justify="left",
    )
    titles = ("corrected for", "macro F1", "gain", "expected on these photos", "at least")
    for title in titles:
        table.add_column(title, justify="right")
    table.add_row("as it is", str(percentile_interval(choice.before.mean(), choice.before)))
    for option in choice.options:
        row = (
            f"{option.strength:.0%} of the shift",
            str(percentile_interval(option.after.mean(), option.after)),
            f"{option.gains.mean():+.3f}",
            f"{option.expected.mean():+.3f}",
            f"{option.low:+.3f}",
        )
        table.add_row(*row, style="bold" if option is choice.chosen else None)
    console.print(table)


def draw_shares(outcome: Outcome, path: str | Path) -> None:
    """Draw the shares of attributes and classes with their intervals, as PNG."""
    shares = outcome.shares
    figure = Figure(figsize=(12, 6.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1))
    attributes = shares[shares["of"] != "class"]
    _draw_part(left, attributes, [f"{r.of} {r.value}" for r in attributes.itertuples()])
    classes = shares[shares["of"] == "class"]
    names = [f"{m} {g} {a}" for m in MASKS for g in GENDERS for a in AGE_GROUPS]
    _draw_part(right, classes, names)
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=8
    )
    done = (
        "nothing changed"
        if outcome.applied is None
        else (f"corrected for {outcome.applied.strength:.0%} of the shift")
    )
    figure.suptitle(f"class shares of the photos, 95 % intervals: {done}", fontsize=11)
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=110)


def _draw_part(axes: Axes, shares: pd.DataFrame, names: list[str]) -> None:
    heights = np.arange(len(shares))
    axes.plot(100 * shares["out_of_fold"], heights, "|", color=_TRAINING, ms=16, mew=2,
              label="out of fold")  # fmt: skip
    axes.plot(100 * shares["predicted"], heights, "x", color="black", ms=6, label="predicted")
    methods = [("share", "low", "high", _OURS, "estimated", 0.0)]
    for number, (method, colour) in enumerate(zip(METHODS, _OTHERS, strict=True)):
        ends = (method, f"{method}_low", f"{method}_high")
        methods.append((*ends, colour, _TITLES[method], 0.16 * (number + 1)))
    for share, low, high, colour, label, shift in methods:
        main = share == "share"
        axes.hlines(heights + shift, 100 * shares[low], 100 * shares[high], color=colour,
                    linewidth=4 if main else 1.5, alpha=0.5)  # fmt: skip
        axes.plot(100 * shares[share], heights + shift, "o", color=colour, ms=6 if main else 3,
                  label=label)  # fmt: skip
    axes.set_yticks(heights, names, fontsize=8)
    axes.set_ylim(len(shares) - 0.3, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("% of the photos")
    axes.spines[["top", "right"]].set_visible(False)


def print_simulation(simulated: pd.DataFrame) -> None:
    """Print what corrections gain on simulated shifts, by kind of shift and rule, and references.

    Args:
        simulated: A row for each shift, as from ``shift_simulation.simulate``.
    """
    console = Console(width=WIDTH)
    for rule in RULES:
        table = Table(
            title=f"gain in macro F1 over the predictions as they are, decided by {rule}",
            title_justify="left",
        )
        titles = ("shift", "number", "as it is", "true shares", "no shift", "ours", "worst 5 %",
                  "abstained")  # fmt: skip
        for title in titles:
            table.add_column(title, justify="left" if title == "shift" else "right")
        for row in summary(simulated, rule).itertuples(index=False):
            table.add_row(
                row.kind,
                str(row.shifts),
                f"{row.uncorrected:.3f}",
                f"{row.true:+.3f}",
                f"{row.decision:+.3f}",
                f"{row.gain:+.3f}",
                f"{row.p5:+.3f}",
                f"{row.abstained:.0%}",
                end_section=row.kind == [*simulated["kind"].unique()][-1],
            )
        console.print(table)
    table = Table(title="methods that always correct, over all shifts", title_justify="left")
    table.add_column("method")
    for rule in RULES:
        table.add_column(f"gain, {rule}", justify="right")
        table.add_column("worst 5 %", justify="right")
    for name in ["", *_references(simulated)]:
        cells = []
        for rule in RULES:
            gains = simulated[f"gain_{name}_{rule}" if name else f"gain_{rule}"]
            cells += [f"{gains.mean():+.3f}", f"{gains.quantile(0.05):+.3f}"]
        table.add_row(name or "ours, which may abstain", *cells)
    console.print(table)


def draw_simulation(simulated: pd.DataFrame, path: str | Path) -> None:
    """Draw the gain of each simulated shift over that of the true shares, as PNG."""
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
        with atomic_write(path) as partial:
            figure.savefig(partial, dpi=110)


def _references(simulated: pd.DataFrame) -> list[str]:
    ends = tuple(f"_{rule}" for rule in RULES)
    names = (name.removeprefix("gain_") for name in simulated if name.startswith("gain_"))
    return list(dict.fromkeys(
        name.removesuffix(end) for name in names for end in ends if name.endswith(end)
    ))  # fmt: skip


def _percent(share: float, low: float, high: float) -> str:
    return f"{100 * share:.0f} [{100 * low:.0f}, {100 * high:.0f}]"
