"""Show a prediction: scores in the terminal, pictures as PNG, and where everything is."""

from pathlib import Path

import numpy as np

from mmmask.evaluation.scores import scores
from mmmask.reports.console import print_scores
from mmmask.reports.pictures import draw_confusion, draw_faces
from mmmask.tables import probabilities
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
        truth = table["label"].to_numpy(dtype=np.int64)
        print_scores(scores(truth, probabilities(table)), truth)
    if pictures is not None:
        folder = Path(pictures)
        if labelled:
            files["confusion matrix"] = folder / "confusion.png"
            draw_confusion(table, files["confusion matrix"])
        files["faces"] = folder / "faces.png"
        draw_faces(table, prediction.data_root, files["faces"])
    width = max(map(len, files))
    for name, path in files.items():
        print(f"{name:>{width}}: {path.resolve()}")
