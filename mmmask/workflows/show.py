"""Show a prediction: scores in the terminal, pictures as PNG, and where everything is."""

from pathlib import Path

import numpy as np
import pandas as pd

from mmmask.errors import InputError
from mmmask.evaluation.intervals import score_intervals, units_to_draw
from mmmask.evaluation.scores import attribute_scores, scores
from mmmask.labels import decode
from mmmask.reports.console import print_attribute_scores, print_scores, resampled
from mmmask.reports.pictures import draw_confusion, draw_faces
from mmmask.tables import attribute_of, probabilities
from mmmask.workflows.predict import Prediction


def show(
    prediction: Prediction, *, pictures: str | Path | None = None, submission: str | None = None
) -> None:
    """Print scores where labels are known, draw pictures into a folder, and list the files."""
    table = prediction.table
    files = {"predictions": prediction.path}
    if submission is not None:
        files["submission"] = Path(submission)
    labelled = "label" in table
    if labelled:
        show_scores(table)
    if pictures is not None:
        attribute = attribute_of(table)
        if attribute is not None:
            raise InputError(f"--pictures needs the 18 classes, got a model of {attribute} alone")
        folder = Path(pictures)
        if labelled:
            files["confusion matrix"] = folder / "confusion.png"
            draw_confusion(table, files["confusion matrix"])
        files["faces"] = folder / "faces.png"
        draw_faces(table, prediction.data_root, files["faces"])
    width = max(map(len, files))
    for name, path in files.items():
        print(f"{name:>{width}}: {path.resolve()}")


def show_scores(table: pd.DataFrame) -> None:
    """Print the scores of a predictions table with a column ``label``, and their intervals."""
    attribute = attribute_of(table)
    truth, predicted = table["label"].to_numpy(dtype=np.int64), probabilities(table)
    if attribute is not None:
        truth = decode(truth)[attribute]
    units, kind = units_to_draw(table)
    how = resampled(units, kind)
    intervals = score_intervals(units, truth, predicted.argmax(axis=1), attribute)
    if attribute is None:
        print_scores(scores(truth, predicted), truth, intervals, how)
    else:
        metrics = attribute_scores(truth, predicted)
        print_attribute_scores(metrics, truth, attribute, intervals, how)
