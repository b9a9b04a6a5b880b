"""Fit a calibration on out-of-fold predictions, store it, and measure what it does."""

import json
from collections.abc import Callable
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
from mmmask.evaluation.intervals import percentile_interval, resample_people
from mmmask.evaluation.scores import TINY
from mmmask.files import atomic_write
from mmmask.labels import decode, marginals
from mmmask.ledger.provenance import file_hash, made_now
from mmmask.tables import attribute_of, probabilities, read_predictions


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
        The calibration fitted on all photos, and its measure: one row for the predicted classes and
        for each attribute, with ``ece`` and ``nll`` (nats) before and after; after by a
        calibration fitted on the other folds, or on other people where there are no folds.
        ``nll_low`` to ``nll_high`` is the 95 % interval over people of after minus before.

    Raises:
        InputError: The table has no labels.
    """
    table = read_predictions(oof)
    truth, before, person = true_values(table, oof), probabilities(table), people_of(table)
    stated, attribute = table.attrs.get("provenance", {}), attribute_of(table)
    provenance = {
        "input": {"path": str(oof), "hash": file_hash(Path(oof))},
        "attribute": attribute,
        "people": None if person is None else len(set(person)),
        "photos": len(table),
        **{key: stated.get(key) for key in ("data_fingerprint", "split", *BELONGING)},
        **made_now(),
    }
    fitted = replace(fit_calibration(before, truth, method, person=person), provenance=provenance)
    after = cross_calibrated(before, truth, held_out_parts(table), method, person=person)
    with atomic_write(out) as partial:
        partial.write_text(json.dumps(fitted.to_dict(), indent=1) + "\n")

    def parted(values: NDArray, split: Callable[[NDArray], dict[str, NDArray]]) -> dict:
        return {attribute: values} if attribute else {"class": values, **split(values)}

    one, other, labels = (
        parted(values, split)
        for values, split in ((before, marginals), (after, marginals), (truth, decode))
    )
    parts = {name: (one[name], other[name], labels[name]) for name in labels}
    if plot is not None:
        from mmmask.reports.calibration_report import plot_reliability

        plot_reliability(parts, plot)
    measured = [{"of": name, **_measured(*part, person)} for name, part in parts.items()]
    return fitted, pd.DataFrame(measured)


def _measured(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    truth: NDArray[np.integer],
    person: NDArray | None,
) -> dict[str, float]:
    """Return what :func:`calibrate` says of one part: the errors, and the change of the loss."""
    rows = np.arange(len(truth))
    losses, changed = (
        -np.log(np.maximum(values[rows, truth].astype(np.float64), TINY))
        for values in (before, after)
    )
    change = changed - losses
    _, unit, photos = np.unique(
        rows if person is None else person, return_inverse=True, return_counts=True
    )
    draws = resample_people(len(photos))
    resampled = draws @ np.bincount(unit, change) / (draws @ photos)
    interval = percentile_interval(change.mean(), resampled)
    return {
        "ece_before": expected_calibration_error(before, truth),
        "ece_after": expected_calibration_error(after, truth),
        "nll_before": losses.mean(),
        "nll_after": changed.mean(),
        "nll_low": interval.low,
        "nll_high": interval.high,
    }
