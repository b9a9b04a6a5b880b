"""Show a prediction: scores in the terminal, pictures as PNG, and where everything is."""

from pathlib import Path

import pandas as pd

from mmmask.errors import InputError
from mmmask.evaluation.ages import Ages
from mmmask.evaluation.intervals import units_to_draw
from mmmask.evaluation.scores import attribute_scores, scores
from mmmask.known import truths_of
from mmmask.reports.ensemble_report import (
    plot_agreement,
    print_agreement,
    print_gain,
    print_members,
)
from mmmask.reports.score_tables import (
    age_sentence,
    how_sure,
    print_attribute_scores,
    print_scores,
    print_sources,
    print_warnings,
)
from mmmask.tables import answers, attribute_of, probabilities
from mmmask.workflows.ensemble.combine import Ensemble
from mmmask.workflows.predict import Prediction
from mmmask.workflows.score import by_source, intervals_of, labels_of


def show(
    prediction: Prediction, *, pictures: str | Path | None = None, submission: str | None = None
) -> None:
    """Print scores where labels are known, draw pictures into a folder, and list the files."""
    table = prediction.table
    files = {"predictions": prediction.path}
    if submission is not None:
        files["submission"] = Path(submission)
    labelled = "label" in table and bool(intervals_of(table))  # not of photos that know nothing
    if labelled:
        show_scores(table)
    if pictures is not None:
        # matplotlib takes seconds to load, and few ask for pictures
        from mmmask.reports.prediction_pictures import plot_confusion, plot_faces

        attribute = attribute_of(table)
        if attribute is not None:
            raise InputError(f"--pictures needs the 18 classes; got a model of {attribute} alone")
        folder = Path(pictures)
        if labelled:
            files["confusion matrix"] = folder / "confusion.png"
            plot_confusion(table, files["confusion matrix"])
        files["faces"] = folder / "faces.png"
        plot_faces(table, prediction.data_root, files["faces"])
    if not labelled:
        print_warnings(table.attrs.get("provenance", {}))
    width = max(map(len, files))
    for name, path in files.items():
        print(f"{name:>{width}}: {path.resolve()}")


def show_scores(table: pd.DataFrame) -> None:
    """Print the scores of a predictions table with a column ``label``, and their intervals.

    It says where models learned from photos of the test set, or were chosen by these people.
    """
    attribute = attribute_of(table)
    truth, intervals, how = labels_of(table)[0], intervals_of(table), how_sure(table)
    if attribute is None:
        values = truths_of(table)
        metrics = scores(truth, probabilities(table), answers(table), values)
        print_scores(metrics, truth, intervals, how)
    else:
        known = truth >= 0
        metrics = attribute_scores(truth[known], probabilities(table)[known])
        print_attribute_scores(metrics, truth[known], attribute, intervals, how)
    sources = by_source(table)
    if sources is not None:
        print_sources(sources, units_to_draw(table)[1])
    ages = Ages.of(table)
    if ages is not None:
        print(age_sentence(ages))
    print_warnings(table.attrs.get("provenance", {}))


def show_ensemble(
    found: Ensemble, *, plot: str | Path | None = None, submission: str | None = None
) -> None:
    """Print what the members add, what fitting brought, how far they agree, and the scores.

    ``plot`` is where a picture of the agreement goes (.png), ``submission`` where that went.
    """
    print_members(found.members, found.photos, found.people)
    if found.prediction.table.attrs["provenance"]["decision"] != "argmax":
        print(
            "All of this is about the most probable classes, before they are decided by --decision"
        )
    if found.gain is not None:
        print_gain(**vars(found.gain))
    print_warnings(found.judged, "--oof")
    if found.tied is not None:
        photos = len(found.prediction.table)
        print(f"{found.tied:,} of {photos:,} photos were a tie, given to {found.ties_go_to}")
    print_agreement(found.agreement)
    if plot is not None:
        plot_agreement(found.agreement, found.members["member"].tolist()[:-1], plot)
        print(f"agreement: {Path(plot).resolve()}")
    show(found.prediction, submission=submission)
