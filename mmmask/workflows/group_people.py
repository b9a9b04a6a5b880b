"""Fill in who is on the photos of a table, by how alike the photos are."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from mmmask.datasets.data_source import read_rows
from mmmask.datasets.features import Features, read_features
from mmmask.datasets.photo_facts import HASH_BITS
from mmmask.errors import InputError
from mmmask.evaluation.same_person import (
    MOST_BITS_ALONE,
    MOST_DISTANCE,
    Grouping,
    Likeness,
    chunks,
    directions,
    grouped,
)
from mmmask.ledger.provenance import made_now
from mmmask.reports.pages.people_page import MOST_DOUBTS, write_people_page
from mmmask.reports.pages.thumbnails import make_thumbnails
from mmmask.tables import SAMPLES, check_table_name, write_table
from mmmask.workflows.data_stats import measure


@dataclass(frozen=True)
class People:
    """Who is on which photo.

    Attributes:
        samples: The table with all of ``person``.
        doubts: As of :class:`mmmask.evaluation.same_person.Grouping`, with the distance ``words``.
    """

    samples: pd.DataFrame
    doubts: pd.DataFrame

    def in_words(self, shown: int = 5) -> str:
        """Return how many photos, people and doubts there are, and the largest groups."""
        sizes = self.samples["person"].value_counts()
        largest = ", ".join(f"{name} ({size})" for name, size in sizes.head(shown).items())
        kinds = self.doubts["kind"].value_counts()
        doubts = ", ".join(f"{number:,} {kind}" for kind, number in kinds.items())
        return (
            f"photos: {len(self.samples):,}\n"
            f"people: {len(sizes):,}, {(sizes == 1).sum():,} of them with one photo\n"
            f"largest: {largest}\n"
            f"doubts: {doubts or 'none'}"
        )


def group_people(
    table: str | Path,
    out: str | Path,
    *,
    page: str | Path | None = None,
    data_root: str | Path | None = None,
    features: str | Path | None = None,
    columns: Sequence[tuple[int, int]] | None = None,
    alike: float | None = None,
) -> People:
    """Write a table of photos with ``person`` filled in; given people are kept.

    Args:
        table: Of photos.
        out: The table to write; all columns and rows of the first, in its order.
        page: Where the page on doubts goes, .html.
        data_root: Folder that photos are relative to where not to the table's.
        features: File of features of the photos; None: near-duplicates alone are one person.
        columns: First and end of the features to compare, one pair for each set; None: all.
        alike: Largest mean distance of one person's photos: with features, cosine, above 0 and
            below 1; without, bits of 64 that differ, 0 to 32. None: ``MOST_DISTANCE``,
            ``MOST_BITS_ALONE``.

    Raises:
        InputError: The table, a photo or the file of features is unusable, or an option is out of
            its range. Nothing is written.
    """
    table, out = Path(table), Path(out)
    root = table.parent if data_root is None else Path(data_root)
    _check_options(table, out, page, columns, alike, with_features=features is not None)
    samples = read_rows(table, root)
    seen = None if features is None else _features(samples, root, Path(features), columns)
    standard = MOST_BITS_ALONE if seen is None else MOST_DISTANCE
    likeness = Likeness(_bits(root, samples), seen, standard if alike is None else alike)

    given = samples.get("person", pd.Series(pd.NA, samples.index, dtype="str"))
    given = given.where(given != "")
    codes = pd.factorize(given)[0].astype(np.int64)
    console, starts = Console(stderr=True), chunks(len(samples))
    bar = track(starts, "comparing", console=console, transient=True)
    grouping = grouped(likeness, codes, bar)
    found = samples.assign(person=_names(samples["image"], given, grouping))
    words = [likeness.in_words(distance) for distance in grouping.doubts["distance"]]
    people = People(found, grouping.doubts.assign(words=words))
    written = found.assign(image=_from(out, root, found["image"]))
    provenance = {"from": os.path.abspath(table), "alike": likeness.threshold}
    write_table(out, written, SAMPLES, {**provenance, **made_now()})
    if page is not None:
        worst = people.doubts.head(MOST_DOUBTS)
        images = samples["image"].iloc[[*worst["one"], *worst["other"]]].tolist()
        write_people_page(
            page, str(table), found, people.doubts, given.notna(), likeness.in_words(1),
            make_thumbnails(root, images),
        )  # fmt: skip
    return people


def _check_options(
    table: Path,
    out: Path,
    page: str | Path | None,
    columns: Sequence[tuple[int, int]] | None,
    alike: float | None,
    *,
    with_features: bool,
) -> None:
    check_table_name(out)
    if page is not None and Path(page).suffix != ".html":
        raise InputError(
            f"{page}: a page must end in .html; got {Path(page).suffix or 'no suffix'}"
        )
    if columns is not None and not with_features:
        raise InputError("--columns chooses columns of --features; give --features too")
    if alike is None:
        return
    if with_features and not 0 < alike < 1:
        raise InputError(
            f"--alike must be a mean distance above 0 and below 1, with --features; got {alike:g}"
        )
    if not with_features and not (0 <= alike <= HASH_BITS // 2 and alike == int(alike)):
        raise InputError(
            f"--alike must be whole bits from 0 to {HASH_BITS // 2}, without --features; "
            f"got {alike:g}"
        )


def _features(
    samples: pd.DataFrame, root: Path, path: Path, columns: Sequence[tuple[int, int]] | None
) -> NDArray[np.float32]:
    """Return what is compared of each photo, (N, D)."""
    features = read_features(path)
    everything = features.over_views(features.images)
    width = everything.shape[1]
    for first, end in columns or ():
        if not 0 <= first < end <= width:
            raise InputError(
                f"--columns must be FIRST and END with 0 <= FIRST < END <= {width}, the width of "
                f"{path}; got {first} {end}"
            )
    rows = features.rows_of(_known_as(features, samples["image"], root))
    if not np.isfinite(everything).all():
        raise InputError(f"{path}: its features are not all finite numbers")
    return directions(everything[rows], everything.mean(axis=0), columns or [(0, width)])


def _known_as(features: Features, images: pd.Series, root: Path) -> pd.Series:
    """Return the names of photos in a file of features: relative to the root, or whole."""
    whole = images.map(lambda image: os.path.abspath(root / image))
    return whole if whole.isin(features.images).all() else images


def _bits(root: Path, samples: pd.DataFrame) -> NDArray[np.float32]:
    """Return the signs of each photo's hash, (N, 64)."""
    facts = measure(root, samples["image"])
    lost = [image for image, fact in zip(samples["image"], facts, strict=True) if fact is None]
    if lost:
        raise InputError(
            f"{len(lost)} of {len(samples)} photos cannot be read, the first is {root / lost[0]}"
        )
    return np.array([fact.bits for fact in facts if fact is not None], dtype=np.float32)


def _names(images: pd.Series, given: pd.Series, grouping: Grouping) -> pd.Series:
    """Return the person of each photo: the given one of its group, or the group's first photo."""
    taken, names = set(given.dropna()), {}
    for group, rows in pd.Series(images.index).groupby(grouping.groups):
        known = given[rows].dropna()
        name = images[rows.iloc[0]] if known.empty else known.iloc[0]
        while known.empty and name in taken:
            name += "'"  # a photo's path is somebody's name
        names[group] = name
    return given.fillna(pd.Series(grouping.groups, images.index).map(names))


def _from(out: Path, root: Path, images: pd.Series) -> list[str]:
    """Return paths of photos relative to the folder of a table where they lie below it."""
    home = Path(os.path.abspath(out.parent))
    photos = [Path(os.path.abspath(root / image)) for image in images]
    return [
        (photo.relative_to(home) if home in photo.parents else photo).as_posix() for photo in photos
    ]
