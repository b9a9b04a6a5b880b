"""The competition's own folders."""

from pathlib import Path

import pandas as pd

from mmmask.datasets.foreign.gathered import Gathered
from mmmask.datasets.layout import read_eval, read_train


def read_competition(src: Path, found: Gathered, *, eval_photos: bool = False) -> None:
    """Add the photos of :func:`read_train`, or of :func:`read_eval`, in their order.

    Args:
        src: Holds ``train/`` and ``eval/``.
        found: Takes the rows.
        eval_photos: Read ``eval/``, of which nothing is known, in place of ``train/``.
    """
    samples = read_eval(src) if eval_photos else read_train(src)
    known = ("mask", "gender", "age")
    for row in samples.to_dict("records"):
        facts = {name: row[name] for name in known if name in row and pd.notna(row[name])}
        other = {"source": "eval" if eval_photos else row["source"]}
        with found.row(row["image"]):
            found.add(src / row["image"], facts, person=row["person"] or None, **other)
