"""Make training samples of photos without labels, from what models are sure of about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.errors import InputError
from mmmask.evaluation.calibrated_tables import calibrated
from mmmask.evaluation.pseudo_labels import agreeing, choose_sure
from mmmask.labels import GENDERS, MASKS, NUM_CLASSES, decode
from mmmask.ledger.provenance import file_hash, made_now
from mmmask.tables import SAMPLES, attribute_of, probabilities, read_predictions, write_table
from mmmask.workflows.ensemble.members import fitting

#: Default of how probable a pseudo-label must be.
THRESHOLD = 0.8


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
    needed = len(models) if agree is None else agree
    agreed = agreeing(models, labels) >= needed
    if top is not None:
        threshold, most = 0.0, [top]
    least = THRESHOLD if threshold is None else threshold
    rows = choose_sure(joint, threshold=least, most=most, among=agreed)
    if not len(rows):
        raise InputError(
            f"none of {len(joint):,} photos is chosen: {needed} of {len(models)} models agree on "
            f"{agreed.sum():,}, the surest of which has {sure[agreed].max(initial=0):.3f}; "
            f"--threshold is {least}"
        )
    counted = {"seen": np.ones(len(joint), dtype=bool), "agreed": agreed}
    counted |= {"sure": agreed & (sure >= least), "chosen": np.isin(np.arange(len(joint)), rows)}
    if "label" in aligned[0] and aligned[0]["label"].notna().all():
        counted["right"] = counted["chosen"] & (labels == aligned[0]["label"].to_numpy())
    classes = pd.DataFrame(
        {name: np.bincount(labels[some], minlength=NUM_CLASSES) for name, some in counted.items()}
    )
    summed = np.bincount(labels[rows], weights=sure[rows], minlength=NUM_CLASSES)
    classes["probability"] = summed / np.maximum(classes["chosen"], 1)
    samples = labelled(aligned[0]["image"].iloc[rows], labels[rows], weight)
    from_test_set = int(samples["image"].map(in_test_set).sum())
    inputs = [
        {"path": str(path), "hash": file_hash(path), "provenance": table.attrs.get("provenance")}
        for path, table in tables.items()
    ]
    provenance = {
        "predictions": inputs,
        "calibrations": [str(path) for path in calibrations],
        "threshold": least,
        "most_per_class": None if most is None else list(most),
        "agree": needed,
        "from_test_set": from_test_set,
        **made_now(),
    }
    write_table(out, samples, SAMPLES, provenance)
    return PseudoLabels(samples, classes, from_test_set)


def labelled(images: pd.Series, labels: NDArray[np.integer], weight: float) -> pd.DataFrame:
    """Return samples of photos with pseudo-labels, each the photo of a person of its own."""
    parts = decode(labels)
    return pd.DataFrame(
        {
            "image": images.to_numpy(),
            "person": ("pseudo/" + images).to_numpy(),
            "mask": np.take(MASKS, parts["mask"]),
            "gender": np.take(GENDERS, parts["gender"]),
            "label": labels,
            "source": "pseudo",
            "weight": weight,
        }
    )


def in_test_set(image: str) -> bool:
    """Return whether a photo, by its path relative to the data root, lies in ``eval/``."""
    return PurePosixPath(image).parts[0] == "eval"


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
