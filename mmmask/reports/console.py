"""Scores as a table in the terminal."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mmmask.evaluation.intervals import RESAMPLES, Interval
from mmmask.labels import AGE_GROUPS, ATTRIBUTES, GENDERS, MASKS, NUM_CLASSES, encode

#: Columns of the terminal that tables fill at most.
WIDTH = 100


def print_scores(
    metrics: Mapping[str, float],
    truth: NDArray[np.integer],
    intervals: Mapping[str, Interval],
    how: str,
) -> None:
    """Print macro F1, the accuracies and the F1 of each class with its number of photos.

    Args:
        metrics: As from :func:`mmmask.evaluation.scores.scores`.
        truth: Labels of the photos.
        intervals: As from :func:`mmmask.evaluation.intervals.score_intervals`.
        how: What the intervals are, as from :func:`resampled`.
    """
    console = Console(width=WIDTH)
    print_macro_f1(console, intervals["macro_f1"], how)
    summary = Table(title=f"{len(truth):,} photos", title_justify="left")
    columns = {"accuracy": "accuracy"} | {name: f"{name}_accuracy" for name in ATTRIBUTES}
    for title in columns:
        summary.add_column(title, justify="right")
    summary.add_row(*(str(intervals[key]) for key in columns.values()))
    console.print(summary)

    counts = np.bincount(truth, minlength=NUM_CLASSES)
    table = Table(title="F1 by class (photos)", title_justify="left")
    table.add_column("mask")
    for gender in GENDERS:
        for age in AGE_GROUPS:
            table.add_column(f"{gender} {age}", justify="right")
    for mask, name in enumerate(MASKS):
        row = encode(mask, *np.mgrid[:2, :3]).ravel()
        table.add_row(name, *(f"{metrics[f'f1_{k:02d}']:.2f} ({counts[k]})" for k in row))
    console.print(table)


def print_attribute_scores(
    metrics: Mapping[str, float],
    truth: NDArray[np.integer],
    attribute: str,
    intervals: Mapping[str, Interval],
    how: str,
) -> None:
    """Print macro F1, accuracy and the F1 of each value of one attribute, with its photos."""
    console = Console(width=WIDTH)
    print_macro_f1(console, intervals["macro_f1"], how)
    values = ATTRIBUTES[attribute]
    counts = np.bincount(truth, minlength=len(values))
    table = Table(title=f"{attribute}, {len(truth):,} photos", title_justify="left")
    for title in ("accuracy", *(f"F1 {value}" for value in values)):
        table.add_column(title, justify="right")
    table.add_row(
        str(intervals["accuracy"]),
        *(f"{metrics[f'f1_{k}']:.2f} ({counts[k]})" for k in range(len(values))),
    )
    console.print(table)


def print_macro_f1(console: Console, interval: Interval, how: str) -> None:
    """Print macro F1 with its interval, and what the interval is."""
    console.print(f"[b]macro F1 {interval}[/b]: {how}", highlight=False, soft_wrap=True)


def resampled(units: NDArray, kind: str) -> str:
    """Return in words how intervals were made.

    Args:
        units: What was drawn for each photo, any values.
        kind: ``people`` or ``photos``, as :func:`mmmask.evaluation.intervals.units_to_draw` says.
    """
    words = f"95 % of {RESAMPLES:,} resamples of {len(np.unique(units)):,} {kind}"
    return words if kind == "people" else f"{words}; too narrow: no column tells the person"
