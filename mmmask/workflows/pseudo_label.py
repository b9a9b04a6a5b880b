"""Make training samples of photos without labels, from what models are sure of about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from mmmask.errors import InputError
from mmmask.evaluation.pseudo_labels import agreeing, choose_sure
from mmmask.labels import ATTRIBUTES, NUM_CLASSES, decode
from mmmask.tables import SAMPLES, attribute_of, probabilities, read_predictions, write_table
from mmmask.workflows.calibrate import calibrated
from mmmask.workflows.ensemble import fitting
from mmmask.workflows.provenance import file_hash, made_now

#: Default of how probable a pseudo-label must be.
THRESHOLD = 0.9


@dataclass(frozen=True)
class PseudoLabels:
    """What :func:`pseudo_label` makes.

    Attributes:
        samples: The samples table that was written.
        classes: One row a class: ``seen`` (photos that the models together call so), ``agreed``
            (of these, where enough models agree), ``sure`` (of these, probable enough),
            ``chosen``, the mean ``probability`` of the chosen, and, where the predictions have
            true classes, how many of the chosen are ``right``.
        from_test_set: How many of the chosen lie in ``eval/``.
    """

    samples: pd.DataFrame
    classes: pd.DataFrame
    from_test_set: int


def pseudo_label(
    predictions: Sequence[str | Path],
    out: str | Path,
    *,
    threshold: float | None = None,
    top: int | None = None,
    most: Sequence[int] | None = None,
    agree: int | None = None,
    calibrations: Sequence[str | Path] = (),
    weight: float = 1.0,
) -> PseudoLabels:
    """Write the photos of which the models are sure as samples for training.

    The probabilities of several models are averaged; the most probable class is the label. Each
    photo counts as a person of its own: nobody knows who is on it. True classes, where the
    predictions have some, are used for the report alone.

    Args:
        predictions: Tables of the 18 classes, of the same photos.
        out: Samples table to write (.parquet or .csv), for ``tools/train.py --samples``.
        threshold: Least probability of the label, 0 to 1; None: ``THRESHOLD``, or 0 with ``top``.
        top: The so many surest of each class instead of a threshold.
        most: At most so many of a class: one number for all, or one for each of the 18.
        agree: How many of the models must each call the photo so; None: all of them.
        calibrations: One for each table, or none.
        weight: Of each photo in the loss, above 0; a photo of train/ weighs 1.

    Raises:
        InputError: An option is out of range, a table does not fit, predicts one attribute alone
            or is of photos that have labels, or no photo is chosen.
    """
    check_options(predictions, threshold, top, most, agree, calibrations, weight)
    tables = {Path(path): read_predictions(path) for path in predictions}
    for path, table in tables.items():
        check_unlabelled(table, path)
    if calibrations:
        files = dict(zip(tables, calibrations, strict=True))
        tables = {path: calibrated(table, path, files[path]) for path, table in tables.items()}
    aligned = list(fitting(tables).values())
    models = [probabilities(table).astype(np.float64) for table in aligned]
    joint = np.mean(models, axis=0)
    labels, sure = joint.argmax(axis=1), joint.max(axis=1)
    agreed = agreeing(models, labels) >= (len(models) if agree is None else agree)
    least = threshold if threshold is not None else 0.0 if top is not None else THRESHOLD
    bounds = top if top is not None else None if most is None else np.array(most)
    rows = choose_sure(joint, threshold=least, most=bounds, among=agreed)
    if not len(rows):
        raise InputError(
            f"none of {len(joint)} photos is chosen: {agreed.sum()} have "
            f"{agree or len(models)} of {len(models)} models agreed, the surest of them has "
            f"{sure[agreed].max(initial=0):.3f}, and --threshold is {least}"
        )
    images = aligned[0]["image"].iloc[rows].reset_index(drop=True)
    parts = decode(labels[rows])
    samples = pd.DataFrame(
        {
            "image": images,
            "person": "pseudo/" + images,
            "mask": np.take(ATTRIBUTES["mask"], parts["mask"]),
            "gender": np.take(ATTRIBUTES["gender"], parts["gender"]),
            "label": labels[rows],
            "source": "pseudo",
            "weight": weight,
        }
    )
    from_test_set = int(in_test_set(images).sum())
    provenance = {
        "predictions": [
            {
                "path": str(path),
                "hash": file_hash(path),
                "provenance": table.attrs.get("provenance", {}),
            }
            for path, table in tables.items()
        ],
        "calibrations": [str(path) for path in calibrations],
        "threshold": least,
        "most_per_class": None if bounds is None else np.asarray(bounds).tolist(),
        "agree": len(models) if agree is None else agree,
        "from_test_set": from_test_set,
        **made_now(),
    }
    write_table(out, samples, SAMPLES, provenance)
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[rows] = True
    truth = aligned[0].get("label")
    classes = pd.DataFrame(
        {
            "seen": np.bincount(labels, minlength=NUM_CLASSES),
            "agreed": np.bincount(labels[agreed], minlength=NUM_CLASSES),
            "sure": np.bincount(labels[agreed & (sure >= least)], minlength=NUM_CLASSES),
            "chosen": np.bincount(labels[rows], minlength=NUM_CLASSES),
            "probability": pd.Series(sure[rows]).groupby(labels[rows]).mean(),
        }
    )
    if truth is not None:
        right = labels[rows] == truth.to_numpy(dtype=np.int64)[rows]
        classes["right"] = np.bincount(labels[rows][right], minlength=NUM_CLASSES)
    return PseudoLabels(samples, classes, from_test_set)


def in_test_set(images: pd.Series) -> pd.Series:
    """Return which photos, by their path relative to the data root, lie in ``eval/``."""
    return images.map(lambda image: PurePosixPath(image).parts[0] == "eval").astype(bool)


def check_options(
    predictions: Sequence[str | Path],
    threshold: float | None,
    top: int | None,
    most: Sequence[int] | None,
    agree: int | None,
    calibrations: Sequence[str | Path],
    weight: float,
) -> None:
    """Refuse options that are out of range or contradict each other."""
    if top is not None and (threshold is not None or most is not None):
        raise InputError("--top-k stands alone: it replaces --threshold and --max-per-class")
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"--threshold must be from 0 to 1; got {threshold}")
    if top is not None and top < 1:
        raise InputError(f"--top-k must be at least 1; got {top}")
    if most is not None and (len(most) not in (1, NUM_CLASSES) or min(most) < 0):
        raise InputError(
            f"--max-per-class must be one number from 0 or {NUM_CLASSES} of them; got {list(most)}"
        )
    if agree is not None and not 1 <= agree <= len(predictions):
        raise InputError(
            f"--agree must be from 1 to the number of models, {len(predictions)}; got {agree}"
        )
    if calibrations and len(calibrations) != len(predictions):
        raise InputError(
            f"--calibration needs one file for each of the {len(predictions)} tables; "
            f"got {len(calibrations)}"
        )
    if not 0 < weight < np.inf:
        raise InputError(f"--weight must be above 0; got {weight}")


def check_unlabelled(table: pd.DataFrame, path: Path) -> None:
    """Refuse predictions of one attribute alone, and photos that the training has labels of."""
    attribute = attribute_of(table)
    if attribute is not None:
        raise InputError(
            f"{path}: predicts {attribute} alone; compose three tables by "
            "tools/ensemble.py --compose first"
        )
    known = table["image"].str.startswith("train/")
    if known.any():
        raise InputError(
            f"{path}: pseudo-labels are for photos without labels; got "
            f"{table['image'][known].iloc[0]} of the training data; predict with --split eval"
        )
