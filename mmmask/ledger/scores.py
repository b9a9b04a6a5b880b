"""The scores that a run's checkpoints were given after training, as ``scores.csv`` beside its card.

Not on the card, because a run that goes on writes that one anew.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmmask.evaluation.intervals import score_intervals, units_to_draw
from mmmask.files import locked
from mmmask.labels import decode
from mmmask.provenance import now
from mmmask.tables import SCORES, attribute_of, probabilities, read_table, write_table

FILE = "scores.csv"


def note_score(table: pd.DataFrame, provenance: Mapping[str, Any], path: Path) -> None:
    """Add the score of labelled predictions to those of the run whose checkpoint made them.

    Args:
        table: The predictions, with ``label``.
        provenance: Theirs.
        path: Their file.
    """
    checkpoint = Path(provenance["checkpoint"])
    truth, attribute = table["label"].to_numpy(dtype=np.int64), attribute_of(table)
    if attribute is not None:
        truth = decode(truth)[attribute]
    units, resampled = units_to_draw(table)
    predicted = probabilities(table).argmax(axis=1)
    score = score_intervals(units, truth, predicted, attribute)["macro_f1"]
    row = {
        "time": now(),
        "checkpoint": checkpoint.name,
        "split": provenance["split"],
        "views": " ".join(provenance["tta"]) or None,
        "old_from": provenance["old_from"],
        "photos": len(table),
        "macro_f1": score.value,
        "low": score.low,
        "high": score.high,
        "resampled": resampled,
        "predictions": str(path.resolve()),
    }
    file = checkpoint.parent / FILE
    with locked(file):
        rows = pd.concat([read_scores(file.parent), pd.DataFrame([row])], ignore_index=True)
        write_table(file, rows, SCORES)


def read_scores(folder: Path) -> pd.DataFrame:
    """Return the scores that were noted for the run in a folder, the last one last."""
    if not (folder / FILE).exists():
        return pd.DataFrame(columns=list(SCORES))
    return read_table(folder / FILE, SCORES).reindex(columns=list(SCORES))
