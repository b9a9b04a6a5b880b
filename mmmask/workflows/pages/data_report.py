"""Gather what one needs to know of a data root on the first day, and write the data page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mmmask.datasets.corrections import KNOWN, correct, read_corrections
from mmmask.datasets.data_source import DataSource
from mmmask.datasets.folder_facts import folder_facts, shared_ids
from mmmask.datasets.layout import with_labels
from mmmask.datasets.photo_facts import PhotoFacts
from mmmask.datasets.splits import folds_of
from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES, NUM_CLASSES
from mmmask.reports.pages.data_facts import DataFacts
from mmmask.reports.pages.data_page import MOST_ROWS, write_data_page
from mmmask.reports.pages.thumbnails import make_thumbnails
from mmmask.workflows.data_stats import colours, find_outliers, measure

#: Of the page's near-duplicates, dark and small photos: as tools/data_stats.py has them.
DARK, SMALL, ALIKE = 30.0, 96, 2
#: How the page's split deals people into folds: as the configs do.
FOLDS, SPLIT_SEED = 5, 0


def data_report(data_root: str | Path, out: str | Path, *, faces: int = 40) -> None:
    """Measure every photo of a data root and write its page.

    Args:
        data_root: Folder with ``train/`` and, if there is one, ``eval/``; or a table of photos.
        out: The page, .html.
        faces: How many photos of each class it shows, and five times as many of ``eval/``; 0: all.
    """
    if faces < 0:
        raise InputError(f"faces must be 0 (all) or more per class; got {faces}")
    source = DataSource.at(data_root)
    facts = gather(source, str(data_root))
    images = photos_to_show(facts, faces)
    write_data_page(out, facts, make_thumbnails(source.root, images))


def gather(source: DataSource, name: str | None = None) -> DataFacts:
    """Return what is known of photos, each of them measured; ``name`` is the title of the page."""
    root, train, of_table = source.root, with_labels(source.train()), bool(source.tables)
    train = train.reindex(columns=[*train, *(name for name in ATTRIBUTES if name not in train)])
    given_folds = "fold" in train and bool(train["fold"].notna().any())
    train["fold"] = _folds(train)
    evaluation = source.eval() if source.has_eval else train.iloc[:0]
    parts = [train.assign(part="train"), evaluation.assign(part="eval")]
    photos = pd.concat(parts, ignore_index=True)
    facts = measure(root, photos["image"])
    if not any(facts):
        raise InputError(f"{root}: none of the {len(facts)} photos can be decoded")
    for fact_name in ("light", "width", "height"):
        photos[fact_name] = [np.nan if fact is None else getattr(fact, fact_name) for fact in facts]
    in_train = [fact for fact in facts[: len(train)] if fact is not None]
    return DataFacts(
        root=str(root) if name is None else name,
        photos=photos,
        colours=colours(in_train) if in_train else None,
        outliers=find_outliers(photos, facts, dark=DARK, small=SMALL, alike=ALIKE),
        copies=copies(photos, facts),
        files=folder_facts(None if of_table else root),
        shared_ids=shared_ids(train["person"].iloc[:0] if of_table else train["person"]),
        corrections=None if of_table else fitting_corrections(train),
        of_table=of_table,
        given_folds=given_folds,
    )


def _folds(train: pd.DataFrame) -> pd.Series:
    """Return the fold of each photo, dealt where it is not given; missing where one person is all.

    There are as many as the given ones, and no more than people.
    """
    people = train["person"].nunique()
    given = train["fold"].max() if "fold" in train else pd.NA
    folds = max(min(FOLDS, people), 0 if pd.isna(given) else int(given) + 1)
    if people < 2:
        return pd.Series(pd.NA, train.index, dtype="Int8")
    return folds_of(train, folds=folds, seed=SPLIT_SEED)


def copies(photos: pd.DataFrame, facts: Sequence[PhotoFacts | None]) -> pd.DataFrame:
    """Return photos that equal an earlier one in every pixel: image, of."""
    digests = pd.Series([None if fact is None else fact.digest for fact in facts], dtype="object")
    readable = photos[digests.notna().to_numpy()]
    first = readable["image"].groupby(digests.dropna().to_numpy()).transform("first")
    same = first != readable["image"]
    table = pd.DataFrame({"image": readable["image"], "of": first})
    return table[same].reset_index(drop=True)


def fitting_corrections(train: pd.DataFrame) -> pd.DataFrame | None:
    """Return the known corrections that would change these labels; None if they are of other data.

    Ids are numbers, so those of other data name other people: unless nearly all entries fit, none
    is meant.
    """
    known = read_corrections(KNOWN)
    people = train.drop_duplicates("person").set_index("person", drop=False)
    folders = dict(tuple(people.index.to_series().groupby(people.index.str.split("_").str[0])))
    rows, fitting = [], 0
    fields, columns = ["mask", "gender", "age"], ["field", "value", "reason"]
    for row in range(len(known)):
        person = known["person"][row]
        names = [person] if person in people.index else list(folders.get(person, ()))
        theirs = train[train["person"].isin(names)]
        if theirs.empty:
            continue
        try:
            after = correct(theirs, known.iloc[[row]], str(KNOWN))
        except InputError:
            continue
        fitting += 1
        changed = theirs["image"][(after[fields] != theirs[fields]).any(axis=1)]
        rows += [(image, *known.loc[row, columns]) for image in changed[:1]]
    if fitting < 0.9 * len(known):
        return None
    return pd.DataFrame(rows, columns=["image", *columns])


def photos_to_show(facts: DataFacts, faces: int) -> list[str]:
    """Return the photos of the page: some of each class and of eval/, and all that is listed.

    Of each class they are of as many people as possible, drawn by chance, the same each time.
    """
    photos = facts.photos
    shuffled = photos.sample(frac=1, random_state=0)
    group = shuffled["label"].astype("Int32")
    if "fits" in shuffled:  # photos of which the same is known stand for a class
        group = group.fillna(shuffled["fits"] + NUM_CLASSES)
    group = group.fillna(-1)
    turn = shuffled.groupby([group, "person"]).cumcount().where(group >= 0, 0)
    most = np.where(group >= 0, faces, 5 * faces)
    place = turn.sort_values(kind="stable").groupby(group).cumcount().reindex(shuffled.index)
    chosen = shuffled["image"][(place.to_numpy() < most) | (faces == 0)]
    listed = [
        *facts.outliers[["image", "of"]].head(MOST_ROWS).to_numpy().ravel(),
        *facts.copies.head(MOST_ROWS).to_numpy().ravel(),
        *photos["image"][photos["person"].isin(facts.shared_ids["person"])],
    ]
    if facts.corrections is not None:
        listed += list(facts.corrections["image"])
    wanted = {*chosen, *listed}
    return [image for image in photos["image"] if image in wanted]
