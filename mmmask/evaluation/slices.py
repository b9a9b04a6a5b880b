"""Where a model fails: its scores on parts of the photos, with intervals over people."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mmmask.csv_files import read_csv
from mmmask.errors import InputError
from mmmask.evaluation.intervals import FEWEST, mean_intervals, score_intervals
from mmmask.evaluation.jackknife import Interval

#: Years that a slice by age spans; the edges of the age groups, 30 and 60, are multiples.
YEARS_PER_SLICE = 5
#: Name of a slice -> which photos are in it, (N,).
Members = Mapping[str, NDArray[np.bool_]]


def slice_scores(
    units: NDArray,
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    members: Members,
    attribute: str | None = None,
    values: Mapping[str, NDArray[np.integer]] | None = None,
) -> pd.DataFrame:
    """Return the scores of each slice of the photos, with 95 % intervals over its people.

    Args:
        units: (N,) of whom, see :func:`mmmask.evaluation.intervals.units_to_draw`.
        truth: (N,) labels of the photos, -1 where unknown.
        predicted: (N,) predicted labels.
        members: The slices, which may overlap; an empty one is left out.
        attribute: Of which attribute they are labels; None for the 18 classes.
        values: Attribute -> (N,) its true values, -1 where unknown; None: as ``truth`` says.

    Returns:
        One row per slice: ``slice``, ``units`` and ``photos`` (their numbers), ``classes`` that
        occur, and each score of :func:`score_intervals` with ``_low`` and ``_high``, NaN for fewer
        than ``FEWEST`` units. Macro F1 is the mean over the classes that occur in the slice: the
        others have no photo to be right about. What no photo of a slice knows is NaN there.
    """
    rows = []
    for name, chosen in members.items():
        if not chosen.any():
            continue
        labels = truth[chosen]
        parts = None if values is None else {key: value[chosen] for key, value in values.items()}
        scores = score_intervals(
            units[chosen], labels, predicted[chosen], attribute, present=True, values=parts
        )
        classes = len(np.unique(labels[labels >= 0]))
        rows.append({**_row(name, units[chosen], scores), "classes": classes})
    return pd.DataFrame(rows)


def slice_means(
    units: NDArray, values: Mapping[str, NDArray[np.float64]], members: Members
) -> pd.DataFrame:
    """Return the means over the photos of each slice, with 95 % intervals over its people.

    Args:
        units: As for :func:`slice_scores`.
        values: Name -> (N,) numbers of the photos.
        members: As for :func:`slice_scores`.

    Returns:
        As :func:`slice_scores`, with the names of ``values`` as scores, and without ``classes``.
    """
    return pd.DataFrame(
        [
            _row(
                name,
                units[chosen],
                mean_intervals(
                    units[chosen], {key: value[chosen] for key, value in values.items()}
                ),
            )
            for name, chosen in members.items()
            if chosen.any()
        ]
    )


def _row(name: str, units: NDArray, scores: Mapping[str, Interval]) -> dict[str, object]:
    """Return the row of a slice, from what is drawn of it and its scores."""
    drawn = len(np.unique(units))
    row: dict[str, object] = {"slice": name, "units": drawn, "photos": len(units)}
    for score, interval in scores.items():
        low, high = (interval.low, interval.high) if drawn >= FEWEST else (np.nan, np.nan)
        row |= {score: interval.value, f"{score}_low": low, f"{score}_high": high}
    return row


def with_bounds(scores: pd.DataFrame, score: str) -> list[Interval | float]:
    """Return a score of each slice with its bounds, or alone where it has none."""
    columns = (scores[score], scores[f"{score}_low"], scores[f"{score}_high"])
    return [
        value if np.isnan(low) else Interval(value, low, high)
        for value, low, high in zip(*columns, strict=True)
    ]


def by_value(values: ArrayLike, order: list[str] | None = None) -> Members:
    """Return a slice for each value, in the given order, else sorted; missing ones are in none."""
    column = pd.Series(np.asarray(values, dtype=object))
    names = sorted(column.dropna().unique()) if order is None else order
    return {str(name): (column == name).to_numpy(dtype=bool) for name in names}


def by_age(years: ArrayLike) -> Members:
    """Return slices of five years; NaN is in none."""
    age = np.asarray(years, dtype=np.float64)
    known = age[np.isfinite(age)].astype(int)
    starts = np.unique(known // YEARS_PER_SLICE * YEARS_PER_SLICE)
    return {
        f"{start}-{start + YEARS_PER_SLICE - 1}": (age >= start) & (age < start + YEARS_PER_SLICE)
        for start in starts
    }


def by_thirds(values: ArrayLike, names: tuple[str, str, str]) -> Members:
    """Return the lowest, the middle and the highest third, as far as values are known and differ.

    Equal values stay together, so that thirds may be of different sizes.
    """
    column = np.asarray(values, dtype=np.float64)
    low, high = np.nanquantile(column, [1 / 3, 2 / 3])
    return {
        f"{names[0]}, up to {low:.0f}": column <= low,
        names[1]: (column > low) & (column <= high),
        f"{names[2]}, above {high:.0f}": column > high,
    }


def by_tag(path: str, images: pd.Series, people: pd.Series | None) -> Members:
    """Return a slice for each tag of a csv, and one of the photos without any.

    Args:
        path: csv with ``tag`` and either ``person`` or ``image``; who or what has several tags
            has several rows.
        images: (N,) photos.
        people: (N,) who is in them; None where that is unknown.

    Raises:
        InputError: The csv lacks a column, or names none of the photos or people.
    """
    table = read_csv(path, ("tag",)).dropna(subset="tag")
    keys = {"person": people, "image": images}
    by = next((name for name in keys if name in table), None)
    if by is None:
        raise InputError(
            f"{path}: column person or image is missing; columns received: {', '.join(table)}"
        )
    mine = keys[by]
    if mine is None or not mine.isin(table[by]).any():
        raise InputError(f"{path}: none of its {len(table)} rows names a {by} that was scored")
    tagged = {tag: mine.isin(rows).to_numpy(dtype=bool) for tag, rows in table.groupby("tag")[by]}
    return {**tagged, "no tag": ~np.any([*tagged.values()], axis=0)}
