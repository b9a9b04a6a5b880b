"""Label photos from elsewhere with a trained model, as further training samples."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.config import parse_options
from mmmask.csv_files import read_csv
from mmmask.datasets.layout import find_photos
from mmmask.errors import InputError, MissingFileError
from mmmask.labels import AGE_GROUPS, ATTRIBUTES, NUM_CLASSES, age_group, decode, product
from mmmask.ledger.provenance import file_hash, fingerprint, made_now
from mmmask.reading import is_there
from mmmask.table_checks import checked
from mmmask.tables import SAMPLES, write_table
from mmmask.workflows.testing import check_same, run_test

if TYPE_CHECKING:
    from mmengine.config import Config


def label_external(
    config: str | Path,
    checkpoint: str | Path,
    photos: str | Path,
    out: str | Path,
    *,
    data_root: str | None = None,
    threshold: float = 0.8,
    weight: float = 1.0,
    options: Sequence[str] = (),
) -> tuple[pd.DataFrame, int]:
    """Write the photos that the model is sure of as samples; return them and how many it saw.

    Mask, gender and age that are known are taken as known; the model answers for the rest, from
    the classes that agree with them. With mask and gender known it decides by age alone. Any
    checkpoint of ours serves, since only the 18 probabilities are used.

    Args:
        config: Config of the model.
        checkpoint: Its checkpoint.
        photos: Folder, or csv, see :func:`read_photos`.
        out: Samples table to write (.parquet or .csv), for ``tools/train.py --samples``.
        data_root: What ``image`` in the table is relative to; None takes the config's.
        threshold: How probable the label must be, given what is known, from 0 to 1.
        weight: Weight of each photo in the loss, above 0; a photo of train/ weighs 1.
        options: ``name=value`` overrides of the config.

    Raises:
        InputError: No photo reaches the threshold.
    """
    if not 0 <= threshold <= 1:
        raise InputError(f"--threshold must be from 0 to 1; got {threshold}")
    if not 0 < weight < np.inf:
        raise InputError(f"--weight must be above 0; got {weight}")
    from mmmask.engine.runner_config import load_checked

    cfg = load_checked(config, parse_options(options), data_root=data_root)
    table = read_photos(photos, cfg.data.data_root)
    joint = _predict(cfg, Path(checkpoint), table)
    posterior = conditioned(joint, known_joint(table, cfg.data.old_from))
    confidence = posterior.max(axis=1)
    sure = confidence >= threshold
    if not sure.any():
        raise InputError(
            f"{photos}: none of {len(table)} photos reaches --threshold {threshold}; the surest "
            f"has {confidence.max():.3f}"
        )
    labels = pd.array(posterior.argmax(axis=1)[sure], dtype="Int8")
    samples = table[sure].assign(label=labels, source="external", weight=weight)
    samples = samples.reset_index(drop=True)
    provenance = {
        "checkpoint": str(checkpoint),
        "checkpoint_hash": file_hash(Path(checkpoint)),
        "data_fingerprint": fingerprint(table),
        "photos": len(table),
        "threshold": threshold,
        **made_now(),
    }
    write_table(out, samples, SAMPLES, provenance)
    return samples, len(table)


def read_photos(photos: str | Path, data_root: str | Path) -> pd.DataFrame:
    """Return a samples table of the photos in a folder or csv, ``image`` relative to the data root.

    A csv has ``image``, relative to itself, and may know ``person``, ``mask``, ``gender`` and
    ``age`` of some photos. A photo of an unknown person counts as a person of its own.

    Raises:
        InputError: A photo is missing or listed twice, or a value is unknown.
    """
    photos = Path(photos)
    if photos.suffix == ".csv":
        folder, table = photos.parent, read_csv(photos, ("image",))
    else:
        folder, table = photos, find_photos(photos)
    missing = [image for image in table["image"] if not is_there(folder / str(image))]
    if missing:
        raise MissingFileError(
            f"{photos}: {len(missing)} photos are missing, the first is {folder / missing[0]}"
        )
    table["image"] = [
        Path(os.path.relpath(folder / image, data_root)).as_posix() for image in table["image"]
    ]
    twice = table["image"].duplicated()
    if twice.any():
        raise InputError(f"{photos}: {table['image'][twice].iloc[0]} appears twice")
    unknown = table["person"].fillna("") == "" if "person" in table else True
    table["person"] = np.where(unknown, "external/" + table["image"], table.get("person", ""))
    return checked(table, SAMPLES, str(photos))


def _predict(cfg: "Config", checkpoint: Path, table: pd.DataFrame) -> NDArray:
    """Return the model's probabilities of the 18 classes, (N, 18), for the photos of a table."""
    from mmmask.engine.checkpoints import load_checkpoint_file

    content = load_checkpoint_file(str(checkpoint))
    check_same(cfg, content.get("meta", {}), "preprocessing", checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "photos.parquet"
        write_table(listed, table, SAMPLES)
        root = cfg.data.data_root
        dataset = {"type": "UnlabelledFaces", "data_root": root, "photos": str(listed)}
        tested = run_test(cfg, content, checkpoint, dataset=dataset)
    assert tested is not None  # there is one process
    if tested.attribute is None:
        return tested.probabilities
    return with_others_unknown(tested.probabilities, tested.attribute)


def with_others_unknown(probabilities: NDArray, attribute: str) -> NDArray:
    """Return 18 probabilities from those of one attribute, all values of the others being equal.

    A photo is then sure only where the other attributes are known.

    Shape:
        ``probabilities``: (N, C) of the attribute -> (N, 18).
    """
    photos = len(probabilities)
    equal = {name: np.full((photos, len(v)), 1 / len(v)) for name, v in ATTRIBUTES.items()}
    return product({**equal, attribute: probabilities})


def known_joint(table: pd.DataFrame, old_from: int) -> NDArray[np.bool_]:
    """Return which classes agree with what is known of each photo: (N, 18)."""
    known = table.copy()
    if "age" in table:
        groups = age_group(table["age"].fillna(0).to_numpy(dtype="int64"), old_from)
        known["age"] = np.take(AGE_GROUPS, groups)
        known.loc[table["age"].isna(), "age"] = None
    allowed = np.ones((len(table), NUM_CLASSES), dtype=bool)
    for name, values in decode(np.arange(NUM_CLASSES)).items():
        if name in known:
            codes = pd.Categorical(known[name], categories=ATTRIBUTES[name]).codes
            allowed &= (codes[:, None] == values) | (codes < 0)[:, None]
    return allowed


def conditioned(joint: NDArray[np.floating], allowed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return ``p(class | what is known)``: the allowed classes' share of their sum.

    Where the model gives all allowed classes nothing, they are equally likely.

    Shape:
        ``joint``, ``allowed``: (N, 18) -> (N, 18), rows sum to 1.
    """
    kept = np.where(allowed, joint.astype(np.float64), 0.0)
    kept = np.where(kept.sum(axis=1, keepdims=True) > 0, kept, allowed)
    return kept / kept.sum(axis=1, keepdims=True)
