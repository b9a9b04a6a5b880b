"""What each validated epoch of a run answers to the people held out, as ``val_answers.parquet``.

Scores alone do not tell by how much the choice of the best epoch flatters it: who was right does.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.intervals import Counts, counts_by_person, macro_f1_of_counts
from mmmask.known import truths_of
from mmmask.tables import EPOCH_ANSWERS, prediction_columns, read_table, write_table

FILE = "val_answers.parquet"
_EPOCH = "epoch_"


@dataclass(frozen=True)
class EpochAnswers:
    """The answers of some epochs to the same photos.

    Attributes:
        table: One row per photo, with the columns :data:`mmmask.tables.EPOCH_ANSWERS` and, of each
            epoch, ``epoch_N``: label 0-17, or the value of the attribute.
        attribute: What the model predicts alone; None: the 18 classes.
    """

    table: pd.DataFrame
    attribute: str | None

    @classmethod
    def read(cls, folder: str | Path) -> "EpochAnswers | None":
        """Return the answers in the folder of a run; None where there are none.

        Raises:
            InputError: The file is damaged.
        """
        path = Path(folder) / FILE
        if not path.is_file():
            return None
        table = read_table(path, EPOCH_ANSWERS)
        return cls(table, table.attrs["provenance"].get("attribute"))

    @classmethod
    def of(cls, samples: pd.DataFrame, attribute: str | None) -> "EpochAnswers":
        """Return the answers of no epoch yet to the photos of a samples table."""
        known = [name for name in EPOCH_ANSWERS if name in samples]
        return cls(samples[known].reset_index(drop=True), attribute)

    def write(self, folder: str | Path) -> None:
        """Write them whole."""
        made = {"attribute": self.attribute}
        write_table(Path(folder) / FILE, self.table, EPOCH_ANSWERS, made)

    @property
    def epochs(self) -> list[int]:
        """The epochs, counted from 1, in their order."""
        names = (name for name in self.table if name.startswith(_EPOCH))
        return [int(name.removeprefix(_EPOCH)) for name in names]

    def until(self, epoch: int) -> "EpochAnswers":
        """Return the answers of the epochs up to this one."""
        later = [f"{_EPOCH}{one}" for one in self.epochs if one > epoch]
        return EpochAnswers(self.table.drop(columns=later), self.attribute)

    def with_epoch(self, epoch: int, answers: NDArray[np.integer]) -> "EpochAnswers":
        """Return these with the answers of one more epoch, (N,)."""
        column = {f"{_EPOCH}{epoch}": answers.astype(np.int8)}
        return EpochAnswers(self.table.assign(**column), self.attribute)

    @property
    def counts(self) -> Counts:
        """(M, P, 2, C) of each epoch, as :func:`mmmask.evaluation.selection.flattery` takes them.

        Photos that do not know what is predicted do not count.
        """
        truth = truths_of(self.table)[self.attribute or "class"]
        known, truth = self.table[truth >= 0], truth[truth >= 0]
        _, person = np.unique(known["person"].to_numpy(), return_inverse=True)
        classes = len(prediction_columns(self.attribute)[1])
        told = (known[f"{_EPOCH}{epoch}"].to_numpy(dtype=np.int64) for epoch in self.epochs)
        return np.stack([counts_by_person(person, truth, answers, classes) for answers in told])

    @property
    def scores(self) -> dict[int, float]:
        """Epoch -> macro F1."""
        scores = macro_f1_of_counts(self.counts.sum(axis=1))
        return dict(zip(self.epochs, scores.tolist(), strict=True))
