"""Fit a calibration on out-of-fold predictions, store it, and measure what it does."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.calibrated_tables import BELONGING, held_out_parts, people_of, true_values
from mmmask.evaluation.calibration import (
    Calibration,
    cross_calibrated,
    expected_calibration_error,
    fit_calibration,
)
from mmmask.evaluation.intervals import (
    Interval,
    percentile_interval,
    resample_people,
)
from mmmask.evaluation.scores import TINY
from mmmask.files import atomic_write
from mmmask.labels import ATTRIBUTES, decode, marginals
from mmmask.ledger.provenance import file_hash, made_now
from mmmask.tables import (
    attribute_of,
    probabilities,
    read_predictions,
)


def calibrate(
    oof: str | Path,
    out: str | Path,
    method: str = "attribute",
    plot: str | Path | None = None,
) -> tuple[Calibration, pd.DataFrame]:
    """Fit a calibration, write it as JSON, and measure it on people that it was not fitted on.

    Args:
        oof: Predictions of people that their model has not learned from, with labels.
        out: Where the calibration goes (.json).
        method: One of ``mmmask.evaluation.calibration.METHODS``.
        plot: Where a reliability plot goes (.png).

    Returns:
        The calibration fitted on all photos, and its measure: a row for the predicted classes and
        for each attribute, with ``ece`` and ``nll`` (nats) before and after; after by a
        calibration fitted on the other folds, or on other people where there are no folds.
        ``nll_low`` to ``nll_high`` is the 95 % interval over people of after minus before.

    Raises:
        InputError: The table has no labels.
    """
    table = read_predictions(oof)
    truth = true_values(table, oof)
    before = probabilities(table)
    person = people_of(table)
    stated = table.attrs.get("provenance", {})
    provenance = {
        "input": {"path": str(oof), "hash": file_hash(Path(oof))},
        "attribute": attribute_of(table),
        "people": None if person is None else len(set(person)),
        "photos": len(table),
        **{key: stated.get(key) for key in ("data_fingerprint", "split", *BELONGING)},
        **made_now(),
    }
    fitted = replace(fit_calibration(before, truth, method, person=person), provenance=provenance)
    after = cross_calibrated(before, truth, held_out_parts(table), method, person=person)
    with atomic_write(out) as partial:
        partial.write_text(json.dumps(fitted.to_dict(), indent=1) + "\n")
    if plot is not None:
        from mmmask.reports.calibration_report import draw_reliability

        parts = _parts(attribute_of(table), before, after, truth)
        draw_reliability({name: values for name, *values in parts}, plot)
    return fitted, measure(attribute_of(table), before, after, truth, person)


def measure(
    attribute: str | None,
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    truth: NDArray[np.integer],
    person: NDArray | None,
) -> pd.DataFrame:
    """Return the table that :func:`calibrate` describes."""
    rows = []
    for name, one, other, labels in _parts(attribute, before, after, truth):
        change = _likelihood_change(one, other, labels, person)
        rows.append(
            {
                "of": name,
                "ece_before": expected_calibration_error(one, labels),
                "ece_after": expected_calibration_error(other, labels),
                "nll_before": _losses(one, labels).mean(),
                "nll_after": _losses(other, labels).mean(),
                "nll_low": change.low,
                "nll_high": change.high,
            }
        )
    return pd.DataFrame(rows)


def _parts(
    attribute: str | None,
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    truth: NDArray[np.integer],
) -> list[tuple[str, NDArray, NDArray, NDArray]]:
    """Return name, probabilities before and after, and true values, of all that is predicted."""
    if attribute is not None:
        return [(attribute, before, after, truth)]
    one, other, labels = marginals(before), marginals(after), decode(truth)
    parts = [(name, one[name], other[name], labels[name]) for name in ATTRIBUTES]
    return [("class", before, after, truth), *parts]


def _losses(values: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    own = values[np.arange(len(labels)), labels].astype(np.float64)
    return -np.log(np.maximum(own, TINY))


def _likelihood_change(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    labels: NDArray[np.integer],
    person: NDArray | None,
) -> Interval:
    """Return the change of the mean loss over the photos, with its interval over people."""
    change = _losses(after, labels) - _losses(before, labels)
    unit = np.arange(len(labels)) if person is None else person
    _, rows, photos = np.unique(unit, return_inverse=True, return_counts=True)
    draws = resample_people(len(photos))
    resampled = draws @ np.bincount(rows, change) / (draws @ photos)
    return percentile_interval(change.mean(), resampled)
