"""Fit a calibration on out-of-fold predictions, store it, and measure what it does."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.calibrated_tables import (
    BELONGING,
    held_out_parts,
    knowing,
    left_out_words,
    read_calibration,
    true_values,
)
from mmmask.evaluation.calibration import (
    Calibration,
    cross_calibrated,
    fit_calibration,
    reliability,
)
from mmmask.evaluation.intervals import mean_intervals, units_to_draw
from mmmask.evaluation.scores import log_losses
from mmmask.files import atomic_write, check_picture
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
        oof: Predictions of people that their model has not learned from, with labels. Photos of
            which only a part of the label is known are left out.
        out: Where the calibration goes (.json).
        method: One of ``mmmask.evaluation.calibration.METHODS``.
        plot: Where a reliability plot goes (.png).

    Returns:
        The calibration fitted on all photos, and its measure: one row for the predicted classes and
        for each attribute. ``nll`` is the log loss (nats) before and after; after by a
        calibration fitted on the other folds, or on other people where there are no folds.
        ``nll_low`` to ``nll_high`` is the 95 % interval over people of after minus before. ``ece``
        stands beside ``chance``, what perfectly calibrated probabilities would have by chance.

    Raises:
        InputError: The table has no labels.
    """
    check_picture(plot)
    if Path(out).exists():
        read_calibration(out)  # refuses to replace another file
    table = knowing(read_predictions(oof), oof)
    truth, before = true_values(table, oof), probabilities(table)
    person, unit = units_to_draw(table)
    stated, attribute = table.attrs.get("provenance", {}), attribute_of(table)
    provenance = {
        "input": {"path": str(oof), "hash": file_hash(Path(oof))},
        "attribute": attribute,
        "people": len(set(person)) if unit == "people" else None,
        "photos": len(table),
        **({} if (words := left_out_words(table)) is None else {"left_out": words}),
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

        plot_reliability(parts, person, plot)
    measured = [{"of": name, **_measured(*part, person)} for name, part in parts.items()]
    return fitted, pd.DataFrame(measured)


def _measured(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    truth: NDArray[np.integer],
    person: NDArray,
) -> dict[str, float]:
    """Return what :func:`calibrate` says of one part: the change of the loss, and the errors."""
    loss, changed = log_losses(truth, before), log_losses(truth, after)
    change = mean_intervals(person, {"nll": changed - loss})["nll"]
    found, repaired = (reliability(values, truth, person) for values in (before, after))
    return {
        "nll_before": loss.mean(),
        "nll_after": changed.mean(),
        "nll_low": change.low,
        "nll_high": change.high,
        "ece_before": found.ece,
        "chance_before": found.ece_by_chance,
        "ece_after": repaired.ece,
        "chance_after": repaired.ece_by_chance,
    }
