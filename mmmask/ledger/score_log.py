"""The scores that a run's checkpoints were given after training, as ``scores.csv`` beside its card.

Not on the card, because a run that goes on writes that one anew.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mmmask.evaluation.jackknife import Interval
from mmmask.files import locked
from mmmask.ledger.provenance import now
from mmmask.tables import SCORES, read_table, write_table

FILE = "scores.csv"


def note_score(
    score: Interval, resampled: str, photos: int, path: Path, provenance: Mapping[str, Any]
) -> None:
    """Add the macro F1 of predictions to the scores of the run whose checkpoint made them.

    ``resampled`` says what its interval resamples, ``people`` or ``photos``; ``photos`` how many
    were scored; ``path`` and ``provenance`` are those of the predictions.
    """
    checkpoint = Path(provenance["checkpoint"])
    row = {
        "time": now(),
        "checkpoint": checkpoint.name,
        "split": provenance["split"],
        "views": " ".join(provenance["tta"]) or None,
        "old_from": provenance["old_from"],
        "photos": photos,
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
