"""The data page: a data set on its first day, as charts, tables, lists and faces."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mmmask.datasets.folder_facts import PROBLEMS
from mmmask.labels import AGE_GROUPS, CLASSES, GENDERS, MASKS, OLD_FROM, age_group
from mmmask.reports.pages.charts import Chart, bars, columns
from mmmask.reports.pages.data_findings import AGE_CUTS, DataFacts, class_sizes, find, where_copied
from mmmask.reports.pages.page import write_page
from mmmask.reports.pages.parts import Gallery, Show, Table, photo_name
from mmmask.reports.pages.thumbnails import Thumbnails

#: Rows of a list that the page shows.
MOST_ROWS = 300
_BIN = 16  # of brightness, 0 to 255
_UNKNOWN = "unknown"


def write_data_page(path: str | Path, facts: DataFacts, thumbnails: Thumbnails) -> None:
    """Write the page; ``thumbnails`` are of the photos that it shows."""
    people, train, rest = facts.people, facts.train, facts.eval
    write_page(
        path,
        "data_page.html",
        title=facts.root,
        kind="data page",
        summary=f"{len(train):,} photos of {len(people):,} people in train/, "
        + (f"{len(rest):,} photos in eval/" if len(rest) else "no eval/"),
        sections=(
            ("findings", "What stands out"),
            ("classes", "Classes"),
            ("ages", "Ages and genders"),
            ("photos", "Sizes and light"),
            ("outliers", "Outliers"),
            ("files", "Files and ids"),
            ("split", "Split"),
            ("corrections", "Known corrections"),
            ("faces", "Faces"),
        ),
        thumbnails=thumbnails,
        figures=[
            ("people", f"{len(people):,}"),
            ("photos with labels", f"{len(train):,}"),
            ("photos in eval/", f"{len(rest):,}"),
            (f"old, from {OLD_FROM} on", f"{(people['age'] >= OLD_FROM).mean():.1%}"),
            ("smallest class", f"{class_sizes(train).min():,} photos"),
        ],
        findings=find(facts),
        classes=_classes(train),
        ages=_ages(people),
        cuts=_age_cuts(people),
        light=_light(facts),
        sizes=_sizes(facts.photos),
        colours=[] if facts.colours is None else [part.round(2).tolist() for part in facts.colours],
        outliers=_outliers(facts, thumbnails),
        copies=_copies(facts, thumbnails),
        listed={"outliers": len(facts.outliers), "copies": len(facts.copies), "most": MOST_ROWS},
        files=_files(facts.files),
        ids=_shared_ids(facts, thumbnails),
        split=_split(train),
        corrections=_corrections(facts, thumbnails),
        faces=_faces(facts, thumbnails),
        shown=len(thumbnails.data),
        photos_of_all=len(facts.photos),
    )


def _classes(train: pd.DataFrame) -> list[Chart]:
    sizes = class_sizes(train)
    masks = train["mask"].value_counts().reindex(MASKS, fill_value=0)
    first = train.drop_duplicates("person")
    group = np.take(AGE_GROUPS, age_group(first["age"].to_numpy(dtype=np.int64)))
    people = pd.crosstab(group, first["gender"]).reindex(AGE_GROUPS, fill_value=0)
    series = {g: people.get(g, pd.Series(0, AGE_GROUPS)).to_numpy() for g in GENDERS}
    return [
        bars("Photos of each class", CLASSES, {"photos": sizes}),
        bars("People by age group and gender", AGE_GROUPS, series),
        bars("Photos by state of the mask", MASKS, {"photos": masks.to_numpy()}),
    ]


def _ages(people: pd.DataFrame) -> Chart:
    years = np.arange(people["age"].min(), people["age"].max() + 1)
    counts = pd.crosstab(people["age"].astype("int64"), people["gender"]).reindex(
        years, fill_value=0
    )
    series = {gender: counts[gender].to_numpy() for gender in GENDERS if gender in counts}
    return columns("People by age", [str(year) for year in years], series, axis="age in years")


def _age_cuts(people: pd.DataFrame) -> Table:
    rows = []
    for cut in AGE_CUTS:
        old = people["age"] >= cut
        by_gender = [int((old & (people["gender"] == gender)).sum()) for gender in GENDERS]
        rows.append([f"from {cut} on", int(old.sum()), float(old.mean()), *by_gender])
    kinds = {"old": "text", "people": "count", "share": "share"} | dict.fromkeys(GENDERS, "count")
    return Table("People called old, by the age cut", kinds, rows)


def _light(facts: DataFacts) -> Chart:
    """Return how bright photos are, as shares: the parts have different numbers of photos."""
    edges = np.arange(0, 256 + _BIN, _BIN)
    series = {}
    for name, photos in (("train", facts.train), ("eval", facts.eval)):
        light = photos["light"].dropna()
        if len(light):
            series[name] = np.histogram(light, edges)[0] / len(light)
    labels = [f"{edge}" for edge in edges[:-1]]
    axis = f"mean luminance of the photo, 0 to 255, in steps of {_BIN}"
    return columns("Brightness, share of the photos", labels, series, axis=axis, kind="share")


def _sizes(photos: pd.DataFrame) -> Table:
    suffix = photos["image"].str.rsplit(".", n=1).str[1].str.lower()
    known = photos.assign(file=suffix).dropna(subset="light")
    known["size"] = [
        f"{w:.0f} x {h:.0f}" for w, h in zip(known["width"], known["height"], strict=True)
    ]
    groups = known.groupby(["part", "size", "file"])["light"]
    table = groups.agg(photos="size", light="mean", darkest="min", brightest="max").reset_index()
    light = ["light", "darkest", "brightest"]
    table[light] = table[light].round(1)
    kinds = {"part": "text", "size": "text", "file": "text", "photos": "count"}
    return Table.from_frame(
        "Width x height in pixels, and light from 0 to 255",
        table.sort_values("photos", ascending=False).head(MOST_ROWS),
        kinds | dict.fromkeys(light, "number"),
    )


def _outliers(facts: DataFacts, thumbnails: Thumbnails) -> Table:
    names = {**_class_names(facts.photos), "": ""}
    table = facts.outliers.head(MOST_ROWS).copy()
    table["photo"], table["beside"] = (thumbnails.numbers(table[name]) for name in ("image", "of"))
    table["name"], table["resembles"] = table["image"].map(photo_name), table["of"].map(photo_name)
    table["class"], table["its class"] = table["image"].map(names), table["of"].map(names)
    table["reason"] = table["reason"].str.replace("_", " ")
    kinds = {"photo": "photo", "reason": "text", "value": "number", "name": "text", "class": "text"}
    if (table["of"] != "").any():
        kinds |= {"beside": "photo", "resembles": "text", "its class": "text"}
    caption = "Outliers; value is the luminance, the pixels, or how many bits of 64 differ"
    return Table.from_frame(caption, table, kinds, search=True)


def _copies(facts: DataFacts, thumbnails: Thumbnails) -> Table:
    names = _class_names(facts.photos)
    table = facts.copies.assign(where=where_copied(facts)).head(MOST_ROWS)
    table["photo"] = thumbnails.numbers(table["image"])
    table["name"], table["equals"] = table["image"].map(photo_name), table["of"].map(photo_name)
    table["class"], table["its class"] = table["image"].map(names), table["of"].map(names)
    texts = dict.fromkeys(("where", "name", "class", "equals", "its class"), "text")
    caption = "Photos that equal an earlier one, pixel by pixel"
    return Table.from_frame(caption, table, {"photo": "photo"} | texts, search=True)


def _files(files: pd.DataFrame) -> list[Table]:
    counts = files["problem"].value_counts()
    rows = [[name, int(counts[name]), PROBLEMS[name]] for name in PROBLEMS if name in counts]
    kinds = {"problem": "text", "files": "count", "what it means": "text"}
    tables = [Table("Problems of files and folders", kinds, rows)]
    some = files.groupby("problem", sort=False).head(MOST_ROWS)
    paths = {"problem": "text", "path": "text"}
    return (
        [*tables, Table.from_frame("Where they are", some, paths, search=True)] if rows else tables
    )


def _shared_ids(facts: DataFacts, thumbnails: Thumbnails) -> Table:
    bare = facts.photos[facts.photos["mask"] == "normal"].drop_duplicates("person")
    images = bare.set_index("person")["image"]
    table = facts.shared_ids.copy()
    table["photo"] = thumbnails.numbers(table["person"].map(images))
    table["show"] = table["person"].map(_show_person)
    kinds = {"photo": "photo", "id": "text", "person": "text", "show": "show"}
    return Table.from_frame("People who share an id", table, kinds)


def _split(train: pd.DataFrame) -> Table:
    people = train.drop_duplicates("person")
    group = np.take(AGE_GROUPS, age_group(people["age"].to_numpy(dtype=np.int64)))
    strata = [f"{gender} {age}" for gender in GENDERS for age in AGE_GROUPS]
    counts = pd.crosstab(people["fold"], people["gender"] + " " + group)
    counts = counts.reindex(columns=strata, fill_value=0)
    photos = train.groupby("fold").size()
    rows = [
        [int(fold), int(line.sum()), int(photos[fold]), *(int(n) for n in line)]
        for fold, line in counts.iterrows()
    ]
    kinds = dict.fromkeys(("fold", "people", "photos", *strata), "count")
    return Table(f"People held out by each of {len(rows)} folds", kinds, rows)


def _corrections(facts: DataFacts, thumbnails: Thumbnails) -> Table | None:
    if facts.corrections is None:
        return None
    table = facts.corrections.copy()
    table["photo"] = thumbnails.numbers(table["image"])
    table["person"] = table["image"].map(facts.photos.set_index("image")["person"])
    table["show"] = table["person"].map(_show_person)
    texts = dict.fromkeys(("person", "field", "value", "reason"), "text")
    kinds = {"photo": "photo"} | texts | {"show": "show"}
    return Table.from_frame("Corrections that would change these labels", table, kinds)


def _show_person(person: str) -> Show:
    return Show("sheet", {}, person, search=person)


def _faces(facts: DataFacts, thumbnails: Thumbnails) -> Gallery:
    shown = facts.photos[facts.photos["image"].isin(thumbnails.number)]
    names = _class_names(shown)
    reasons = facts.outliers.groupby("image")["reason"].agg(lambda all_: all_.iloc[0])
    noted = shown["image"].map(reasons).fillna("nothing").str.replace("_", " ")
    age = shown["age"].astype("float64")
    group = pd.cut(age, [-1, 29, 59, 200], labels=AGE_GROUPS).cat.add_categories(_UNKNOWN)
    fold = shown["fold"].astype("str").where(shown["fold"].notna(), _UNKNOWN)
    light = shown["light"].fillna(-1)
    return Gallery(
        id="sheet",
        pictures={"": thumbnails.numbers(shown["image"])},
        titles=[photo_name(image) for image in shown["image"]],
        lines={
            "": [names[image] for image in shown["image"]],
            "age": ["" if np.isnan(years) else f"{years:.0f}" for years in age],
            "light": ["" if value < 0 else f"{value:.0f}" for value in light],
        },
        facets={
            "part": shown["part"].to_numpy(),
            "mask": _known(shown["mask"], MASKS),
            "gender": _known(shown["gender"], GENDERS),
            "age group": group.fillna(_UNKNOWN),
            "fold": fold.to_numpy(),
            "noted": noted.to_numpy(),
        },
        orders={
            "as in the files": [-float(place) for place in range(len(shown))],
            "darkest first": -light.to_numpy(),
            "brightest first": light.to_numpy(),
            "oldest first": age.fillna(-1).to_numpy(),
            "youngest first": -age.fillna(999).to_numpy(),
        },
        chosen={"part": "train"} if len(facts.eval) else {},
    )


def _known(values: pd.Series, categories: Sequence[str]) -> pd.Categorical:
    """Return the values in their order, with a place for those that are unknown."""
    return pd.Categorical(values.fillna(_UNKNOWN), categories=[*categories, _UNKNOWN])


def _class_names(photos: pd.DataFrame) -> dict[str, str]:
    """Return image -> name of its class, empty where that is unknown."""
    labels = photos["label"].fillna(-1).astype("int64")
    names = ["" if label < 0 else CLASSES[label] for label in labels]
    return dict(zip(photos["image"], names, strict=True))
