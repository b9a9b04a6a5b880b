"""The curves of a run: what MMEngine's visualizer wrote at each log step and each validation."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mmmask.errors import InputError
from mmmask.json_files import json_object


@dataclass(frozen=True)
class Curves:
    """What a training wrote down of itself, the parts of a resumed one joined."""

    #: One row per log step: ``epoch`` (from 1), ``step`` (optimiser steps so far) and what was
    #: logged, such as ``lr`` and ``loss``, a mean over the last steps.
    steps: pd.DataFrame
    epochs: pd.DataFrame  # one row per validation: ``epoch`` and its scores, such as ``macro_f1``

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the highest macro F1 in validation, the first of equals."""
        if "macro_f1" not in self.epochs:
            return None
        return int(self.epochs["epoch"][self.epochs["macro_f1"].idxmax()])


def read_curves(run: str | Path) -> Curves:
    """Return the curves in the folder of a run, empty ones where it wrote none.

    Each session of a resumed run has a folder of its own, named by its time. What an earlier one
    did behind the epoch that the next one started from was lost, and does not count.

    Raises:
        InputError: A file is damaged.
    """
    steps: list[dict[str, Any]] = []
    epochs: list[dict[str, Any]] = []
    for path in sorted(Path(run).glob("*/vis_data/scalars.json")):
        rows = list(_rows(path))
        trained = [row for row in rows if "epoch" in row]
        if not trained:  # it went on from the end
            continue
        start = min(row["epoch"] for row in trained)
        steps = [row for row in steps if row["epoch"] < start] + trained
        # MMEngine writes a validation with its epoch as the step.
        validated = [
            {**row, "epoch": row["step"]} for row in rows if "epoch" not in row and "step" in row
        ]
        epochs = [row for row in epochs if row["epoch"] < start] + validated
    return Curves(pd.DataFrame(steps), pd.DataFrame(epochs).drop(columns="step", errors="ignore"))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file; a last line that was cut off with its process is left out."""
    lines = path.read_bytes().splitlines()
    for number, line in enumerate(lines, 1):
        try:
            row = json_object(line, f"{path}, line {number}", infinite=True)
        except InputError:
            if number == len(lines):
                return
            raise
        yield {name: value for name, value in row.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
