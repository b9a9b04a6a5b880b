"""Any csv with a row for each photo."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mmmask.csv_files import read_csv, row_places
from mmmask.datasets.foreign.facts import STATED, pairs, read_map, refuse_unused, value_of
from mmmask.datasets.foreign.gathered import Gathered, check_photo
from mmmask.errors import InputError, nearest

#: Columns of the samples table that a csv can fill.
COLUMNS = ("image", "person", *STATED, "source")

Meanings = Mapping[str, Mapping[str, Any] | None]


def read_plain_csv(
    src: Path,
    found: Gathered,
    *,
    columns: Sequence[str] = (),
    mapping: Sequence[str] = (),
    images: Path | None = None,
) -> None:
    """Add the photos of a csv, in its order. An empty field says nothing.

    Args:
        src: The csv.
        found: Takes the rows.
        columns: ``OURS=THEIRS``, each or several separated by commas, such as
            ``image=path,age=AGE``; no other column is read. By default, those with our names are.
        mapping: ``OURS:VALUE=FACTS``, such as ``gender:F=female``, for values that are not in our
            words; ``-`` leaves the photo out, nothing says that nothing is known.
        images: What ``image`` is relative to; by default the folder of the csv.

    Raises:
        InputError: A column or a mapping does not fit the csv.
    """
    table, meanings = read_csv(src), read_map(mapping, by_field=True)
    theirs = _theirs(src, list(table.columns), columns)
    fields = [name for name in theirs if name in STATED]
    for name in meanings:
        if name.partition(":")[0] not in fields:
            allowed = ", ".join(fields) or "none"
            raise InputError(
                f"--map {name}: must be FIELD:VALUE; --columns reads the fields {allowed}"
            )
    ours = table[list(theirs.values())].set_axis(list(theirs), axis=1)
    ours = ours.apply(lambda column: column.astype("str").str.strip())
    seen = {f"{name}:{value}" for name in fields for value in ours[name].dropna().unique()}
    refuse_unused(meanings, seen, f"row of {src} has")
    root, place = src.parent if images is None else images, row_places(src)
    for row, values in enumerate(ours.to_dict("records")):
        known = {name: value for name, value in values.items() if pd.notna(value) and value}
        with found.row(place(row)):
            facts = [_meaning(name, known[name], meanings) for name in fields if name in known]
            if "image" not in known:
                raise InputError("image is empty")
            check_photo(root / known["image"])
            if all(fact is not None for fact in facts):
                other = {name: known[name] for name in ("person", "source") if name in known}
                found.add(root / known["image"], *filter(None, facts), **other)
            else:
                found.left_out["photos by --map"] += 1


def _meaning(name: str, value: str, meanings: Meanings) -> Mapping[str, Any] | None:
    """Return what a value says; None leaves its photo out."""
    key = f"{name}:{value}"
    return meanings[key] if key in meanings else value_of(name, value)


def _theirs(src: Path, there: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """Return our name of each column to read -> its name in the csv."""
    texts = [part for text in columns for part in text.split(",") if part.strip()]
    theirs = pairs(texts, "--columns") or {name: name for name in COLUMNS if name in there}
    for ours, name in theirs.items():
        if ours not in COLUMNS:
            known = ", ".join(COLUMNS)
            raise InputError(f"--columns {ours}: must be one of {known}{nearest(ours, COLUMNS)}")
        if name not in there:
            close = nearest(name, there)
            raise InputError(f"{src}: has no column {name!r}, only {', '.join(there)}{close}")
    if "image" not in theirs:
        raise InputError(
            f"{src}: --columns image=... must name the column of the photos; the columns are "
            f"{', '.join(there)}"
        )
    return theirs
