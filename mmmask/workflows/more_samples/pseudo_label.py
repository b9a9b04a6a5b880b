"""Make training samples of photos without labels, where models are sure of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.datasets.layout import count_test_photos
from mmmask.errors import InputError
from mmmask.evaluation.pseudo_labels import agreeing, choose_sure
from mmmask.labels import GENDERS, MASKS, NUM_CLASSES, decode
from mmmask.ledger.provenance import made_now
from mmmask.tables import SAMPLES, write_table
from mmmask.workflows.ensemble.members import Members, read_members

#: Default of how probable a pseudo-label must be.
THRESHOLD = 0.8


@dataclass(frozen=True)
class PseudoLabels:
    """What :func:`pseudo_label` makes.

    Attributes:
        samples: The samples table that was written.
        classes: One row per class: ``seen`` (photos whose averaged prediction is the class),
            ``agreed`` (of these, where enough models agree), ``sure`` (of these, probable
            enough), ``chosen``, the mean ``probability`` of the chosen, and, where the
            predictions have true classes, how many of the chosen are ``right``.
        from_test_set: How many of the chosen are of the photos to predict.
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
    """Write the photos that the models are sure of as samples for training.

    The probabilities of several models are averaged; the most probable class is the label. The
    people are unknown, so each photo counts as a person of its own. True classes, where the
    predictions have them, serve the report alone.

    Args:
        predictions: Tables of the 18 classes, of the same photos.
        out: Samples table to write (.parquet or .csv), for ``tools/train.py --samples``.
        threshold: Least probability of the label, 0 to 1; None: ``THRESHOLD``, or 0 with ``top``.
        top: Take this many photos of each class, the surest, instead of a threshold.
        most: Take at most this many photos of a class: one number, or one for each of the 18.
        agree: How many of the models must predict the label; None: all of them.
        calibrations: One per table, or none.
        weight: Weight of each photo in the loss, above 0; a photo of train/ weighs 1.

    Raises:
        InputError: An option is out of range, a table does not fit, predicts one attribute alone
            or is of photos that have labels, or no photo is chosen.
    """
    check_options(len(predictions), threshold, top, most, agree, weight)
    members = read_members(predictions, calibrations)
    check_unlabelled(members)
    models = [member.probabilities().astype(np.float64) for member in members.each]
    joint = np.mean(models, axis=0)
    labels, sure = joint.argmax(axis=1), joint.max(axis=1)
    agree = len(models) if agree is None else agree
    agreed = agreeing(models, labels) >= agree
    if top is not None:
        threshold, most = 0.0, [top]
    least = THRESHOLD if threshold is None else threshold
    rows = choose_sure(joint, threshold=least, most=most, among=agreed)
    if not len(rows):
        raise InputError(
            f"none of {len(joint):,} photos is chosen: {agree} of {len(models)} models agree on "
            f"{agreed.sum():,}, the surest of which has {sure[agreed].max(initial=0):.3f}; "
            f"--threshold is {least}"
        )
    steps = {"seen": labels >= 0, "agreed": agreed, "sure": agreed & (sure >= least)}
    steps["chosen"] = np.isin(np.arange(len(joint)), rows)
    if members.labelled:
        steps["right"] = steps["chosen"] & (labels == members.truth())
    samples = labelled(members.keys["image"].iloc[rows], labels[rows], weight)
    asked = members.common().get("split") == "eval"
    from_test_set = len(samples) if asked else count_test_photos(samples["image"])
    provenance = {
        "predictions": [member.described() for member in members.each],
        "calibrations": [str(path) for path in calibrations],
        "threshold": least,
        "most_per_class": None if most is None else list(most),
        "agree": agree,
        "from_test_set": from_test_set,
        **made_now(),
    }
    write_table(out, samples, SAMPLES, provenance)
    return PseudoLabels(samples, by_class(steps, labels, sure), from_test_set)


def check_options(
    models: int,
    threshold: float | None,
    top: int | None,
    most: Sequence[int] | None,
    agree: int | None,
    weight: float,
) -> None:
    """Refuse options that are out of range or contradict each other."""
    if top is not None and (threshold is not None or most is not None):
        raise InputError("--top-k replaces --threshold and --max-per-class; leave those out")
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"--threshold must be from 0 to 1; got {threshold}")
    if top is not None and top < 1:
        raise InputError(f"--top-k must be at least 1; got {top}")
    if most is not None and (len(most) not in (1, NUM_CLASSES) or min(most) < 0):
        raise InputError(
            f"--max-per-class must be one number from 0 or {NUM_CLASSES} of them; got {list(most)}"
        )
    if agree is not None and not 1 <= agree <= models:
        raise InputError(f"--agree must be from 1 to the number of models, {models}; got {agree}")
    if not 0 < weight < np.inf:
        raise InputError(f"--weight must be above 0; got {weight}")


def check_unlabelled(members: Members) -> None:
    """Refuse predictions without the 18 classes, and photos that the training has labels of."""
    for member in members.each:
        if member.submission:
            raise InputError(
                f"{member.path}: must be predictions, with probabilities; got a submission"
            )
        if member.attribute is not None:
            raise InputError(
                f"{member.path}: predicts {member.attribute} alone; first compose three tables "
                "with tools/ensemble.py --compose"
            )
    known = members.keys["image"].str.startswith("train/")
    if known.any():
        raise InputError(
            f"{members.each[0].path}: pseudo-labels are for photos without labels; got "
            f"{members.keys['image'][known].iloc[0]} of the training data; predict with "
            "--split eval"
        )


def by_class(
    steps: Mapping[str, NDArray[np.bool_]], labels: NDArray[np.integer], sure: NDArray[np.floating]
) -> pd.DataFrame:
    """Return one row per class: how many photos each step leaves, and how sure the chosen are."""
    classes = pd.DataFrame(
        {name: np.bincount(labels[some], minlength=NUM_CLASSES) for name, some in steps.items()}
    )
    chosen = steps["chosen"]
    summed = np.bincount(labels[chosen], weights=sure[chosen], minlength=NUM_CLASSES)
    return classes.assign(probability=summed / np.maximum(classes["chosen"], 1))


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
