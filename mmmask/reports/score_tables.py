"""Scores as a table in the terminal."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mmmask.evaluation.ages import BIAS, MAE, NEAR, NEARBY, Ages
from mmmask.evaluation.intervals import FEWEST, people_by_class, units_to_draw
from mmmask.evaluation.jackknife import Interval
from mmmask.evaluation.slices import with_bounds
from mmmask.known import truths_of
from mmmask.labels import (
    AGE_GROUPS,
    ATTRIBUTES,
    CLASSES,
    GENDERS,
    JOINT_SHAPE,
    MASKS,
    NUM_CLASSES,
    encode,
)
from mmmask.ledger.calibrated_people import calibrated_on_people
from mmmask.ledger.chosen_epoch import chosen_by_people
from mmmask.ledger.provenance import learned_from_test_set
from mmmask.reports.output import counted, titled_table
from mmmask.tables import attribute_of

#: Columns of the terminal that tables fill at most.
WIDTH = 100
#: That of tables with many columns, of which a figure or name would be cut else.
WIDE = 120
_TOO_NARROW = "too narrow: no column tells the person"


def print_scores(
    metrics: Mapping[str, float],
    truth: NDArray[np.integer],
    intervals: Mapping[str, Interval],
    how: str,
) -> None:
    """Print macro F1, the accuracies and the F1 of each class with its number of photos.

    ``truth`` is (N,), -1 where not all is known of a photo. ``metrics`` and ``intervals`` are from
    :func:`mmmask.evaluation.scores.scores` and
    :func:`mmmask.evaluation.intervals.score_intervals`, ``how`` from :func:`how_sure`.
    """
    console = Console(width=WIDTH)
    print_macro_f1(console, intervals.get("macro_f1"), how)
    columns = {"accuracy": "accuracy"} | {name: f"{name}_accuracy" for name in ATTRIBUTES}
    columns = {name: key for name, key in columns.items() if key in intervals}
    summary = titled_table(counted(len(truth), "photos"), (), list(columns))
    summary.add_row(*(str(intervals[key]) for key in columns.values()))
    console.print(summary)

    truth = truth[truth >= 0]
    if not len(truth):
        return
    counts = np.bincount(truth, minlength=NUM_CLASSES)
    people = [f"{gender} {age}" for gender in GENDERS for age in AGE_GROUPS]
    table = titled_table("F1 by class (photos)", ("mask",), people)
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
    """Print macro F1, accuracy and the F1 of each value of one attribute, with its photos.

    All of them know it.
    """
    console = Console(width=WIDTH)
    print_macro_f1(console, intervals["macro_f1"], how)
    values = ATTRIBUTES[attribute]
    counts = np.bincount(truth, minlength=len(values))
    titles = ("accuracy", *(f"F1 {value}" for value in values))
    table = titled_table(f"{attribute}, {counted(len(truth), 'photos')}", (), titles)
    table.add_row(
        str(intervals["accuracy"]),
        *(f"{metrics[f'f1_{k}']:.2f} ({counts[k]})" for k in range(len(values))),
    )
    console.print(table)


def print_macro_f1(console: Console, interval: Interval | None, how: str) -> None:
    """Print macro F1 with its interval, None: no photo knows all of its class; and what it is."""
    score = "no macro F1" if interval is None else f"macro F1 {interval}"
    console.print(f"[b]{score}[/b]: {how}", highlight=False, soft_wrap=True)


def how_sure(table: pd.DataFrame) -> str:
    """Return in words what the intervals of a predictions table with true classes rest on."""
    units, kind = units_to_draw(table)
    known = truths_of(table)[attribute_of(table) or "class"] >= 0
    if known.any():
        words = f"95 % interval over {len(np.unique(units[known])):,} {kind}"
    else:
        words = "no photo knows mask, gender and age together"
    if kind == "photos":
        words += f", {_TOO_NARROW}"
    few = rare(table) if known.any() else ""
    words = f"{words}; unreliable for {few}" if few else words
    return words if known.all() else f"{words}. Known: {rests_on(table)}"


def rests_on(table: pd.DataFrame) -> str:
    """Return how many photos and people know each attribute, and all: what its score rests on."""
    units, kind = units_to_draw(table)
    attribute, truths = attribute_of(table), truths_of(table)
    names = {name: name for name in ATTRIBUTES} | {"class": "all three"}
    words = []
    for key, name in names.items():
        known = truths[key] >= 0
        if attribute in (None, key):
            people = f" of {counted(len(np.unique(units[known])), kind)}"
            words.append(
                f"{name}: {counted(known.sum(), 'photos')}{people if kind == 'people' else ''}"
            )
    return "; ".join(words)


def rare(table: pd.DataFrame, most: int = 4) -> str:
    """Return the classes of fewer than ``FEWEST`` people, and of how many; "" where all have more.

    Nothing can tell how uncertain their F1 is. Of an absent class it is 0. Where all states of the
    mask have the same few people, they are named together.
    """
    units, kind = units_to_draw(table)
    attribute = attribute_of(table)
    truth = truths_of(table)[attribute or "class"]
    units, truth = units[truth >= 0], truth[truth >= 0]
    if attribute is not None:
        names = ATTRIBUTES[attribute]
        found = dict(zip(names, people_by_class(units, truth, len(names)), strict=True))
    else:
        people = people_by_class(units, truth).reshape(JOINT_SHAPE)
        same = (people == people[0]).all(axis=0)  # (2, 3)
        found = {
            f"{gender} {age}": people[0, g, a]
            for g, gender in enumerate(GENDERS)
            for a, age in enumerate(AGE_GROUPS)
            if same[g, a]
        }
        each = zip(CLASSES, people.ravel(), np.tile(same.ravel(), len(MASKS)), strict=True)
        found |= {name: count for name, count, together in each if not together}
    words = [
        f"{name} ({counted(count, kind) if count else 'absent: F1 0'})"
        for name, count in found.items()
        if count < FEWEST
    ]
    more = [f"{len(words) - most} more"] if len(words) > most else []
    return ", ".join([*words[:most], *more])


def age_sentence(ages: Ages) -> str:
    """Return the scores of the ages of a model of years in one line."""
    scores, few = ages.scores, len(np.unique(ages.units)) < FEWEST
    mae, near, bias = (with_bounds(scores, name)[0] for name in (MAE, NEARBY, BIAS))
    words = (
        f"age in years: MAE {_figure(mae, '{:.1f}')}, within {NEAR} years "
        f"{_figure(near, '{:.0f} %', 100)}, bias {_figure(bias, '{:+z.1f}')}"
    )
    if len(ages.true) < ages.photos:
        words += f"; known of {len(ages.true):,} of {ages.photos:,} photos"
    if few:
        return f"{words}; no interval: fewer than {FEWEST} {ages.unit}"
    return words if ages.unit == "people" else f"{words}; {_TOO_NARROW}"


def _figure(score: Interval | float, form: str, times: int = 1) -> str:
    """Return a score, with its bounds where it has any."""
    if not isinstance(score, Interval):
        return form.format(times * score)
    low, high = (form.format(times * end).removesuffix(" %") for end in (score.low, score.high))
    return f"{form.format(times * score.value)} [{low}, {high}]"


def print_warnings(provenance: Mapping[str, Any], name: str = "") -> None:
    """Warn of a model that learned from photos of the test set, or was chosen by the people here.

    Or whose calibration was fitted on them.

    ``name`` tells it from others.
    """
    for sentence in warnings_of(provenance):
        print(f"warning: {name}{': ' if name else ''}{sentence}")


def warnings_of(provenance: Mapping[str, Any]) -> list[str]:
    """Return the sentences of :func:`print_warnings`."""
    told = (learned_from_test_set, chosen_by_people, calibrated_on_people)
    return [words for warn in told if (words := warn(provenance)) is not None]


def print_score_table(intervals: Mapping[str, Mapping[str, Interval]]) -> None:
    """Print one row for each name: its first score with the interval, and the others."""
    table = Table()
    table.add_column("predictions", overflow="fold")
    keys = list(next(iter(intervals.values())))
    for key in keys:
        name = "macro F1" if key == "macro_f1" else key.removesuffix("_accuracy")
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in intervals.items():
        table.add_row(name, str(row[keys[0]]), *(f"{row[key].value:.3f}" for key in keys[1:]))
    Console(width=WIDTH).print(table)


def print_sources(scores: pd.DataFrame, unit: str) -> None:
    """Print the scores of each source, as :func:`.slices.slice_scores` has them."""
    every = ("macro_f1", "accuracy", *(f"{name}_accuracy" for name in ATTRIBUTES))
    keys = [key for key in every if key in scores]
    titles = ["macro F1" if key == "macro_f1" else key.removesuffix("_accuracy") for key in keys]
    title = "by source; macro F1 over the classes that occur; a dash: no photo knows it"
    table = titled_table(title, ("source",), (*dict.fromkeys((unit, "photos")), *titles))
    for row in scores.to_dict("records"):
        counts = [f"{row['units']:,}", f"{row['photos']:,}"][-1 if unit == "photos" else 0 :]
        table.add_row(row["slice"], *counts, *(_or_dash(row[k], "{:.3f}") for k in keys))
    Console(width=WIDTH).print(table)


def _or_dash(value: float, form: str) -> str:
    """Return a score in words; a dash where no photo knows what it is of."""
    return "-" if pd.isna(value) else form.format(value)


def print_folds(summary: pd.DataFrame) -> None:
    """Print the scores of the folds; the table is that of ``studies.folds.summarise``."""
    title = "people of each fold, predicted by the model that has not learned from them"
    table = Table(title=title, title_justify="left")
    accuracies = [name for name in summary if name.endswith("accuracy")]
    of_years = ["MAE"] if MAE in summary else []
    for title in ("fold", "people", "photos", "macro F1", *accuracies, *of_years):
        table.add_column(title.removesuffix("_accuracy"), justify="right", no_wrap=True)
    for part, row in summary.set_index("part").iterrows():
        numbers = [_or_dash(row[name], "{:.3f}") for name in accuracies]
        numbers += [_or_dash(row[MAE], "{:.1f}") for _ in of_years]
        several = pd.isna(row["people"])  # mean and standard deviation
        score = str(Interval(row["macro_f1"], row["low"], row["high"]))
        score = f"{row['macro_f1']:.3f}" if several else score
        score = "-" if pd.isna(row["macro_f1"]) else score  # no photo knows all
        counts = ("", "") if several else (f"{row['people']:,}", f"{row['photos']:,}")
        table.add_row(part, *counts, score, *numbers)
    console = Console(width=WIDE)
    console.print(table)
    console.print(
        f"brackets: {summary['interval'].iloc[-1]}; other training people or seeds may move a "
        "score as much",
        style="dim",
    )
