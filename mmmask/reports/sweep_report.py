"""A sweep as people look at it: while it runs, as a table of its trials, and as pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from mmmask.evaluation.selection import Selection
from mmmask.reports.output import save_figure, titled_table

#: Rows of the table in the terminal.
_ROWS = 10
_COLOURS = {"complete": "#1d5f8a", "pruned": "#b0b0b0", "failed": "#ad3347"}
_BEST = "#1e7650"


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return for each dotted name the shortest end of it that no other name has."""
    short = {}
    for name in names:
        parts = name.split(".")
        ends = [".".join(parts[start:]) for start in reversed(range(len(parts)))]
        others = [f".{other}" for other in names if other != name]
        unique = (end for end in ends if not any(other.endswith(f".{end}") for other in others))
        short[name] = next(unique, name)
    return short


def shown(value: Any) -> str:
    """Return a value of a config in few characters."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class SweepDisplay:
    """The progress of a sweep: a line for each trial that has ended; in a terminal, bars too."""

    def __init__(self, names: Sequence[str], ended: int, total: int) -> None:
        self._names = names
        self._console = Console()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._all = self._bars.add_task("trials", total=total, completed=ended, facts="")
        self._running: dict[int, TaskID] = {}

    def __enter__(self) -> "SweepDisplay":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, running: Mapping[int, tuple[int, float | None]], epochs: int) -> None:
        """Show the trials under way: number -> (epochs done, latest macro F1)."""
        for number in self._running.keys() - running.keys():
            self._bars.remove_task(self._running.pop(number))
        for number, (epoch, score) in running.items():
            if number not in self._running:
                title = f"trial {number}: epochs"
                self._running[number] = self._bars.add_task(title, total=epochs, facts="")
            facts = "" if score is None else f"macro F1 {score:.3f}"
            self._bars.update(self._running[number], completed=epoch, facts=facts)

    def ended(self, row: Mapping[str, Any]) -> None:
        """Print the line of a trial that has ended; its row of the table of trials."""
        self._bars.advance(self._all)
        said = {
            "complete": f"macro F1 {row['macro_f1']:.3f} [{row['low']:.3f}, {row['high']:.3f}]",
            "pruned": f"pruned after {row['after']}, macro F1 {row['last_score']:.3f}",
            "failed": f"failed: {row['reason']}",
        }[row["state"]]
        if not pd.isna(row["repeats"]):
            said += f", as trial {row['repeats']}, of the same values"
        values = ", ".join(
            f"{name} {shown(row[n])}" for n, name in short_names(self._names).items()
        )
        line = f"trial {row['trial']}: {said}; {values}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def print_sweep(
    trials: pd.DataFrame, selection: Selection, people: int, names: Sequence[str]
) -> None:
    """Print the best trials, and whether the best is better than the config as it is.

    The arguments are those of :class:`mmmask.workflows.studies.sweep_results.SweepResult`, and the
    dotted names of the values that were varied.
    """
    console = Console(width=140)
    complete = trials[trials["state"] == "complete"]
    best = complete.iloc[selection.best]
    console.print(_table(complete, int(best["trial"]), people, names))
    if len(complete) > _ROWS:
        console.print(f"the {_ROWS} best of {len(complete)} complete trials, and trial 0")
    for line in sentences(trials, selection):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def sentences(trials: pd.DataFrame, selection: Selection) -> list[str]:
    """Return what a sweep shows and what it does not, in words."""
    states = trials["state"].value_counts()
    complete = trials[trials["state"] == "complete"]
    best, base = complete.iloc[selection.best], complete.iloc[0]
    others = [f"{states[state]} {state}" for state in ("pruned", "failed") if state in states]
    counted = f"{len(complete)} complete trials"
    if others:
        counted += f" ({', '.join(others)})"
    if best["trial"] == 0:
        return [f"None of {counted} beats the config as it is, {base['macro_f1']:.3f}."]
    gain = selection.differences[selection.best]
    verdict = "shown on these people" if selection.shown else "not shown"
    return [
        f"Trial {best['trial']} is the best of {counted}: macro F1 {best['macro_f1']:.3f} against "
        f"{base['macro_f1']:.3f} of the config as it is, trial 0: {gain.value:+.3f} "
        f"[{gain.low:+.3f}, {gain.high:+.3f}].",
        "The best of many trials is partly the luckiest. Allowing for the "
        f"choice among {len(complete)}: {selection.corrected:+.3f} expected, "
        f"{selection.low:+.3f} at least (97.5 %): {verdict}.",
        "Not in these numbers: another seed, and that trials were proposed or pruned by the same "
        "people. --confirm trains both anew, with other seeds and other people held out.",
    ]


def _table(complete: pd.DataFrame, best: int, people: int, names: Sequence[str]) -> Table:
    title = f"trials by macro F1 on {people} people held out; 95 % interval over people"
    columns = ("trial", "macro F1", "against trial 0", *short_names(names).values())
    table = titled_table(title, (), columns)
    rows = complete.sort_values("macro_f1", ascending=False, kind="stable")
    rows = rows[(np.arange(len(rows)) < _ROWS) | (rows["trial"] == 0)]
    for row in rows.to_dict("records"):
        number = int(row["trial"])
        low, high = row["difference_low"], row["difference_high"]
        gain = f"{row['difference']:+.3f} [{low:+.3f}, {high:+.3f}]"
        table.add_row(
            str(number),
            f"{row['macro_f1']:.3f} [{row['low']:.3f}, {row['high']:.3f}]",
            "the config as it is" if number == 0 else gain,
            *(shown(row[name]) for name in names),
            style="bold" if number == best else None,
        )
    return table


def plot_history(trials: pd.DataFrame, path: str | Path) -> None:
    """Plot the score of each trial in turn, with its interval, and the best so far, as PNG."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    complete = trials[trials["state"] == "complete"]
    base = complete.iloc[0]
    axes.axhspan(base["low"], base["high"], color="black", alpha=0.06, linewidth=0)
    axes.axhline(
        base["macro_f1"], color="black", linewidth=0.8, label="trial 0: the config as it is"
    )
    axes.step(
        complete["trial"], complete["macro_f1"].cummax(), where="post", color=_BEST,
        label="best so far",
    )  # fmt: skip
    x, y = complete["trial"], complete["macro_f1"]
    spread = [y - complete["low"], complete["high"] - y]
    axes.errorbar(
        x, y, yerr=spread, fmt="o", markersize=5, linewidth=1, alpha=0.9,
        color=_COLOURS["complete"], label="complete; bar: 95 % interval over people",
    )  # fmt: skip
    pruned = trials[trials["state"] == "pruned"]
    if len(pruned):
        axes.plot(
            pruned["trial"], pruned["last_score"], "x", color=_COLOURS["pruned"],
            label="pruned, last score",
        )  # fmt: skip
    for place, number in enumerate(trials.loc[trials["state"] == "failed", "trial"]):
        label = {"label": "failed"} if place == 0 else {}
        axes.axvline(number, color=_COLOURS["failed"], linewidth=1, linestyle=":", **label)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("trial")
    axes.set_ylabel("macro F1 of people held out")
    figure.legend(loc="outside upper center", ncols=5, fontsize=8)  # hides no trial
    save_figure(figure, path)


def plot_importance(trials: pd.DataFrame, importance: pd.DataFrame, path: str | Path) -> None:
    """Plot how much each value matters, and the scores by value, most important first, as PNG."""
    names = importance["name"].tolist()
    short = short_names(names)
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    heights = [0.8 + 0.28 * len(names), 2.3 * rows]  # in inches: the bars, the scores below
    figure = Figure(figsize=(max(3.6 * columns + 1, 7.5), sum(heights)), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=heights)
    _plot_bars(above.subplots(), importance, [short[name] for name in names])
    grid = below.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(names) :]:
        axes.set_axis_off()
    complete = trials[trials["state"] == "complete"]
    for axes, name, log in zip(grid.flat, names, importance["log"], strict=False):
        _plot_slice(axes, complete[name], complete["macro_f1"], log=log)
        axes.set_xlabel(short[name], fontsize=8)
    for line in grid:
        line[0].set_ylabel("macro F1", fontsize=8)
    figure.suptitle(f"{len(complete)} complete trials; ring: the config as it is", fontsize=9)
    save_figure(figure, path)


def _plot_bars(axes: Axes, importance: pd.DataFrame, names: Sequence[str]) -> None:
    """Plot the importance of each value, grey where chance alone would give as much."""
    heights = np.arange(len(names))
    matters = importance["importance"] > importance["by_chance"]
    colours = np.where(matters, _COLOURS["complete"], _COLOURS["pruned"])
    axes.barh(heights, importance["importance"], color=colours, height=0.6)
    axes.plot(importance["by_chance"], heights, "|", color="black", markersize=14)
    axes.set_yticks(heights, names, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel(
        "share of the spread of macro F1 (fANOVA); |: 95th percentile of shuffled scores; "
        "grey: not more than chance",
        fontsize=8,
    )


def _plot_slice(axes: Axes, values: pd.Series, scores: pd.Series, *, log: bool) -> None:
    """Plot the scores of the trials by one value; trial 0, the first, as a ring."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        x = values.to_numpy(dtype=float)
        axes.set_xscale("log" if log else "linear")
    else:
        kinds = sorted(values.astype(str).unique())
        x = np.array([kinds.index(str(value)) for value in values], dtype=float)
        axes.set_xticks(range(len(kinds)), [kind[:18] for kind in kinds])
        axes.set_xlim(-0.5, len(kinds) - 0.5)
    axes.scatter(x, scores, s=18, color=_COLOURS["complete"], alpha=0.8)
    axes.plot(x[0], scores.iloc[0], "o", markersize=10, mfc="none", mec="black")
    axes.tick_params(labelsize=7)
