"""Combine predictions: three models of one attribute each into the 18 classes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES, MIDDLE_FROM, product
from mmmask.provenance import file_hash, made_now
from mmmask.tables import (
    PREDICTIONS,
    PROBABILITIES,
    YEARS,
    attribute_of,
    probabilities,
    read_predictions,
    write_table,
    years_of,
)
from mmmask.workflows.predict import Prediction
from mmmask.workflows.submission import write_submission
from mmmask.years import checked_cuts, move_cut

#: What predictions must have in common where they state it.
COMMON = {
    "data_fingerprint": "were predicted from different photos or labels (data fingerprint)",
    "split": "are of different splits",
    "old_from": "have different age cuts (old_from)",
}


def compose_attributes(
    paths: Sequence[str | Path],
    *,
    out: str | Path,
    submission: str | Path | None = None,
    data_root: str | Path = "data",
    old_from: int | None = None,
) -> Prediction:
    """Multiply one table of each attribute to a table of the 18 classes, and write it.

    Args:
        paths: Predictions of a mask, a gender and an age model, in any order.
        out: Where the joint predictions go (.parquet or .csv).
        submission: Where a submission in info.csv's order goes.
        data_root: Folder that holds ``eval/info.csv``.
        old_from: First age, in years, called old; needs an age model of years. None keeps the
            cut that the age predictions have.

    Raises:
        InputError: The tables are not one of each attribute, or do not fit together.
    """
    tables = {Path(path): read_predictions(path) for path in paths}
    by_attribute = one_of_each(tables)
    aligned = fitting(tables)
    parts = {name: probabilities(aligned[path]) for name, path in by_attribute.items()}
    age_path = by_attribute["age"]
    years = years_of(aligned[age_path])
    stated = tables[age_path].attrs.get("provenance", {}).get("old_from")
    if old_from is not None and old_from != stated:
        if years is None or stated is None:
            missing = "columns year_*" if years is None else "provenance with its age cut"
            raise InputError(
                f"{age_path}: --old-from {old_from} needs predictions of years; "
                f"it has no {missing}, and its cut is {stated or 'unknown'}"
            )
        before, after = (checked_cuts((MIDDLE_FROM, cut)) for cut in (stated, old_from))
        parts["age"] = move_cut(parts["age"], years, before=before, after=after)
        stated = old_from
    table = pd.DataFrame(product(parts), columns=list(PROBABILITIES))
    first = aligned[next(iter(tables))]
    kept = [name for name in PREDICTIONS if name in first and name not in YEARS]
    extra = aligned[age_path][[name for name in YEARS if name in aligned[age_path]]]
    table = pd.concat([first[kept], table, extra], axis=1)
    provenance = provenance_of(tables, by_attribute, stated)
    write_table(out, table, PREDICTIONS, provenance)
    if submission is not None:
        origin = {**provenance, "predictions": str(out)}
        write_submission(submission, table, data_root, origin=origin)
    return Prediction(table, Path(data_root), Path(out))


def one_of_each(tables: Mapping[Path, pd.DataFrame]) -> dict[str, Path]:
    """Return attribute -> path; refuse anything but one table of each."""
    found = {path: attribute_of(table) for path, table in tables.items()}
    if sorted(map(str, found.values())) != sorted(ATTRIBUTES):
        received = ", ".join(f"{path} ({name or '18 classes'})" for path, name in found.items())
        raise InputError(
            f"--compose needs predictions of mask, gender and age, one each; got {received}"
        )
    paths = {name: path for path, name in found.items()}
    return {name: paths[name] for name in ATTRIBUTES}


def fitting(tables: Mapping[Path, pd.DataFrame]) -> dict[Path, pd.DataFrame]:
    """Return the tables with their rows in the first one's order.

    Raises:
        InputError: They have different photos, true classes, data fingerprints, splits or age
            cuts; what a table does not state is not compared.
    """
    first, *others = tables
    images = pd.Index(tables[first]["image"])
    aligned = {}
    for path, table in tables.items():
        table = table.set_index("image", drop=False)
        if table.index.has_duplicates:
            raise InputError(f"{path}: {table.index[table.index.duplicated()][0]} is there twice")
        different = images.symmetric_difference(table.index)
        if len(different):
            raise InputError(
                f"{first} and {path} have different photos, {len(different)} are in one alone, "
                f"such as {different[0]}"
            )
        aligned[path] = table.loc[images].reset_index(drop=True)
    for path in others:
        for key, problem in COMMON.items():
            ours, theirs = (tables[p].attrs.get("provenance", {}).get(key) for p in (first, path))
            if ours is not None and theirs is not None and ours != theirs:
                raise InputError(f"{first} and {path} {problem}: {ours!s:.12} and {theirs!s:.12}")
        both = [aligned[p]["label"] for p in (first, path) if "label" in aligned[p]]
        if len(both) == 2 and not np.array_equal(both[0], both[1]):
            raise InputError(f"{first} and {path} have different true classes of the same photos")
    return aligned


def provenance_of(
    tables: Mapping[Path, pd.DataFrame], by_attribute: Mapping[str, Path], old_from: int | None
) -> dict[str, Any]:
    """Return where composed predictions come from: each table with its file's hash and its own."""
    inputs = [
        {
            "attribute": name,
            "path": str(path),
            "hash": file_hash(path),
            "provenance": tables[path].attrs.get("provenance", {}),
        }
        for name, path in by_attribute.items()
    ]
    known = [tables[path].attrs.get("provenance", {}) for path in by_attribute.values()]
    shared = {
        key: next((one[key] for one in known if key in one), None)
        for key in ("data_fingerprint", "split")
    }
    return {
        "composed_of": inputs,
        **shared,
        "old_from": old_from,
        **made_now(),
    }
