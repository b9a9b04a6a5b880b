"""Label photos from elsewhere with a trained model, as further training samples (source B)."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.config import load_config, parse_options
from mmmask.datasets.layout import find_photos
from mmmask.errors import InputError, MissingFileError
from mmmask.labels import (
    ATTRIBUTES,
    GENDERS,
    JOINT_SHAPE,
    MASKS,
    NUM_CLASSES,
    age_group,
    product,
)
from mmmask.ledger.provenance import file_hash, fingerprint, made_now
from mmmask.tables import SAMPLES, checked, read_csv, write_table
from mmmask.workflows.testing import check_same, run_test


def read_photos(photos: str | Path, data_root: str | Path) -> pd.DataFrame:
    """Return a samples table of the photos in a folder or csv, ``image`` relative to the data root.

    A csv has ``image``, relative to itself, and may know ``person``, ``mask``, ``gender`` and
    ``age`` of some photos. A photo of nobody known counts as a person of its own.

    Raises:
        InputError: A photo is missing or listed twice, or a value is unknown.
    """
    photos = Path(photos)
    if photos.suffix == ".csv":
        folder, table = photos.parent, read_csv(photos, ("image",))
    else:
        folder, table = photos, find_photos(photos)
    missing = [image for image in table["image"] if not (folder / str(image)).is_file()]
    if missing:
        raise MissingFileError(
            f"{photos}: {len(missing)} photos are missing, the first is {folder / missing[0]}"
        )
    table["image"] = [
        Path(os.path.relpath(folder / image, data_root)).as_posix() for image in table["image"]
    ]
    twice = table["image"].duplicated()
    if twice.any():
        raise InputError(f"{photos}: {table['image'][twice].iloc[0]} is twice")
    nobody = table["person"].fillna("") == "" if "person" in table else True
    table["person"] = np.where(nobody, "external/" + table["image"], table.get("person", ""))
    return checked(table, SAMPLES, str(photos))


def with_others_unknown(probabilities: NDArray, attribute: str) -> NDArray:
    """Return 18 probabilities from those of one attribute, the others being anything.

    A photo is then sure only where the other attributes are known.

    Shape:
        ``probabilities``: (N, C) of the attribute -> (N, 18).
    """
    sizes = dict(zip(ATTRIBUTES, JOINT_SHAPE, strict=True))
    parts = {name: np.full((len(probabilities), size), 1 / size) for name, size in sizes.items()}
    return product({**parts, attribute: probabilities})


def known_joint(table: pd.DataFrame, old_from: int) -> NDArray[np.bool_]:
    """Return which classes agree with what is known of each photo: (N, 18)."""
    allowed = np.ones((len(table), *JOINT_SHAPE), dtype=bool)
    groups = pd.Series(pd.NA, index=table.index, dtype="Int64")
    if "age" in table:
        aged = table["age"].notna()
        groups[aged] = age_group(table.loc[aged, "age"].to_numpy(dtype="int64"), old_from)
    for axis, (name, values) in enumerate((("mask", MASKS), ("gender", GENDERS), ("age", None))):
        if name not in table:
            continue
        codes = (
            groups.fillna(-1).to_numpy(dtype=np.int64)
            if values is None
            else pd.Categorical(table[name], categories=values).codes
        )
        for row in np.flatnonzero(codes >= 0):
            agrees = np.zeros(JOINT_SHAPE[axis], dtype=bool)
            agrees[codes[row]] = True
            shape = [1, 1, 1]
            shape[axis] = -1
            allowed[row] &= agrees.reshape(shape)
    return allowed.reshape(len(table), NUM_CLASSES)


def conditioned(joint: NDArray[np.floating], allowed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return ``p(class | what is known)``: the allowed classes' share of their sum.

    Where the model gives all allowed classes nothing, they are equally likely.

    Shape:
        ``joint``, ``allowed``: (N, 18) -> (N, 18), rows sum to 1.
    """
    kept = np.where(allowed, joint.astype(np.float64), 0.0)
    kept = np.where(kept.sum(axis=1, keepdims=True) > 0, kept, allowed)
    return kept / kept.sum(axis=1, keepdims=True)


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
    """Write the photos of which the model is sure as samples, and return them and how many it saw.

    Mask, gender and age that are known are taken as known; the model answers for the rest, by the
    classes that agree with them. So with mask and gender known it decides by age alone. Any of
    our checkpoints does, as only the 18 probabilities are used.

    Args:
        config: Config of the model.
        checkpoint: Its checkpoint.
        photos: Folder, or csv, see :func:`read_photos`.
        out: Samples table to write (.parquet or .csv), for ``tools/train.py --samples``.
        data_root: What ``image`` in the table is relative to; None takes the config's.
        threshold: From 0 to 1: how probable the label must be, given what is known.
        weight: Of each photo in the loss, above 0; a photo of train/ weighs 1.
        options: ``name=value`` overrides of the config.

    Raises:
        InputError: No photo reaches the threshold.
    """
    from mmmask.engine.checkpoints import load_checkpoint_file

    if not 0 <= threshold <= 1:
        raise InputError(f"--threshold must be from 0 to 1; got {threshold}")
    if not 0 < weight < np.inf:
        raise InputError(f"--weight must be above 0; got {weight}")
    cfg = load_config(config, parse_options(options))
    if data_root is not None:
        cfg.data.data_root = data_root
    root, checkpoint = cfg.data.data_root, Path(checkpoint)
    table = read_photos(photos, root)
    content = load_checkpoint_file(str(checkpoint))
    check_same(cfg, content.get("meta", {}), "preprocessing", checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "photos.parquet"
        write_table(listed, table, SAMPLES)
        dataset = {"type": "UnlabelledFaces", "data_root": root, "photos": str(listed)}
        tested = run_test(cfg, content, checkpoint, dataset=dataset)
    assert tested is not None  # there is one process
    joint = tested.probabilities
    if tested.attribute is not None:
        joint = with_others_unknown(joint, tested.attribute)
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
        "checkpoint_hash": file_hash(checkpoint),
        "data_fingerprint": fingerprint(table),
        "photos": len(table),
        "threshold": threshold,
        **made_now(),
    }
    write_table(out, samples, SAMPLES, provenance)
    return samples, len(table)
