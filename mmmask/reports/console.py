"""Scores as a table in the terminal."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mmmask.labels import AGE_GROUPS, ATTRIBUTES, GENDERS, MASKS, NUM_CLASSES, encode


def print_scores(metrics: Mapping[str, float], truth: NDArray[np.integer]) -> None:
    """Print macro F1, the accuracies and the F1 of each class with its number of photos."""
    console = Console(width=100)
    summary = Table(title=f"{len(truth):,} photos", title_justify="left")
    columns = {"macro F1": "macro_f1", "accuracy": "accuracy"}
    columns |= {name: f"{name}_accuracy" for name in ATTRIBUTES}
    for title in columns:
        summary.add_column(title, justify="right")
    summary.add_row(*(f"{metrics[key]:.3f}" for key in columns.values()))
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
    metrics: Mapping[str, float], truth: NDArray[np.integer], attribute: str
) -> None:
    """Print macro F1, accuracy and the F1 of each value of one attribute, with its photos."""
    values = ATTRIBUTES[attribute]
    counts = np.bincount(truth, minlength=len(values))
    table = Table(title=f"{attribute}, {len(truth):,} photos", title_justify="left")
    for title in ("macro F1", "accuracy", *(f"F1 {value}" for value in values)):
        table.add_column(title, justify="right")
    table.add_row(
        *(f"{metrics[key]:.3f}" for key in ("macro_f1", "accuracy")),
        *(f"{metrics[f'f1_{k}']:.2f} ({counts[k]})" for k in range(len(values))),
    )
    Console(width=100).print(table)
