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
        thumbnails=thumbnails,
        figures=[
            ("people", f"{len(people):,}"),
            ("photos with labels", f"{len(train):,}"),
            ("photos in eval/", f"{len(rest):,}"),
            (f"old, from {OLD_FROM} on", f"{100 * (people['age'] >= OLD_FROM).mean():.1f} %"),
            ("smallest class", f"{class_sizes(train).min():,} photos"),
        ],
        findings=find(facts),
        classes=_classes(train, people),
        ages=_ages(people),
        cuts=_age_cuts(people),
        light=_light(facts),
        sizes=_sizes(facts.photos),
        colours=[] if facts.colours is None else [part.round(2).tolist() for part in facts.colours],
        outliers=_outliers(facts, thumbnails),
        copies=_copies(facts, thumbnails),
        facts=facts,
        most_rows=MOST_ROWS,
        files=_files(facts.files),
        ids=_shared_ids(facts, thumbnails),
        split=_split(train, people),
        corrections=_corrections(facts, thumbnails),
        faces=_faces(facts, thumbnails),
    )


def _age_groups(people: pd.DataFrame) -> pd.Series:
    """Return the name of each person's age group."""
    groups = np.take(AGE_GROUPS, age_group(people["age"].to_numpy(dtype=np.int64)))
    return pd.Series(groups, people.index)


def _classes(train: pd.DataFrame, people: pd.DataFrame) -> list[Chart]:
    masks = train["mask"].value_counts().reindex(MASKS, fill_value=0)
    counts = pd.crosstab(_age_groups(people), people["gender"])
    counts = counts.reindex(index=AGE_GROUPS, columns=GENDERS, fill_value=0)
    return [
        bars("Photos of each class", CLASSES, {"photos": class_sizes(train)}),
        bars("People by age group and gender", AGE_GROUPS, dict(counts.items())),
        bars("Photos by state of the mask", MASKS, {"photos": masks}),
    ]


def _ages(people: pd.DataFrame) -> Chart:
    years = np.arange(people["age"].min(), people["age"].max() + 1)
    counts = pd.crosstab(people["age"].astype("int64"), people["gender"])
    counts = counts.reindex(years, fill_value=0)
    series = {gender: counts[gender] for gender in GENDERS if gender in counts}
    return columns("People by age", [str(year) for year in years], series, axis="age in years")


def _age_cuts(people: pd.DataFrame) -> Table:
    old = {cut: people["age"] >= cut for cut in AGE_CUTS}
    cells: dict[str, tuple[str, list]] = {
        "old": ("text", [f"from {cut} on" for cut in AGE_CUTS]),
        "people": ("count", [int(each.sum()) for each in old.values()]),
        "share": ("share", [float(each.mean()) for each in old.values()]),
    }
    for name in GENDERS:
        cells[name] = ("count", [int((o & (people["gender"] == name)).sum()) for o in old.values()])
    return Table.from_columns("People called old, by the age cut", cells)


def _light(facts: DataFacts) -> Chart:
    """Return how bright photos are, as shares: the parts have different numbers of photos."""
    edges = np.arange(0, 256 + _BIN, _BIN)
    known = {"train": facts.train["light"].dropna(), "eval": facts.eval["light"].dropna()}
    series = {
        part: np.histogram(light, edges)[0] / len(light)
        for part, light in known.items()
        if len(light)
    }
    labels = [f"{edge}" for edge in edges[:-1]]
    axis = f"mean luminance of the photo, 0 to 255, in steps of {_BIN}"
    return columns("Brightness, share of the photos", labels, series, axis=axis, kind="share")


def _sizes(photos: pd.DataFrame) -> Table:
    known = photos.dropna(subset="light")
    width, height = (known[side].astype("int64").astype("str") for side in ("width", "height"))
    known = known.assign(
        size=width + " x " + height, file=known["image"].str.rsplit(".", n=1).str[1].str.lower()
    )
    groups = known.groupby(["part", "size", "file"])["light"]
    table = groups.agg(photos="size", light="mean", darkest="min", brightest="max").reset_index()
    kinds = dict.fromkeys(("part", "size", "file"), "text") | {"photos": "count"}
    kinds |= dict.fromkeys(("light", "darkest", "brightest"), "number")
    table = table.round(1).sort_values("photos", ascending=False).head(MOST_ROWS)
    return Table.from_frame("Width x height in pixels, and light from 0 to 255", table, kinds)


def _with_photos(table: pd.DataFrame, facts: DataFacts, thumbnails: Thumbnails) -> pd.DataFrame:
    """Return the first rows with photo, name and class of ``image`` and of ``of``."""
    classes = _class_names(facts.photos) | {"": ""}
    table = table.head(MOST_ROWS)
    image, other = table["image"], table["of"]
    return table.assign(
        photo=thumbnails.numbers(image), name=image.map(photo_name),
        beside=thumbnails.numbers(other), other=other.map(photo_name),
        **{"class": image.map(classes), "its class": other.map(classes)},
    )  # fmt: skip


def _outliers(facts: DataFacts, thumbnails: Thumbnails) -> Table:
    table = _with_photos(facts.outliers, facts, thumbnails).rename(columns={"other": "resembles"})
    table["reason"] = table["reason"].str.replace("_", " ")
    kinds = {"photo": "photo", "reason": "text", "value": "number", "name": "text", "class": "text"}
    if (table["of"] != "").any():
        kinds |= {"beside": "photo", "resembles": "text", "its class": "text"}
    caption = "Outliers; value is the luminance, the pixels, or how many bits of 64 differ"
    return Table.from_frame(caption, table, kinds, search=True)


def _copies(facts: DataFacts, thumbnails: Thumbnails) -> Table:
    copies = facts.copies.assign(where=where_copied(facts))
    table = _with_photos(copies, facts, thumbnails).rename(columns={"other": "equals"})
    texts = dict.fromkeys(("where", "name", "class", "equals", "its class"), "text")
    caption = "Photos that equal an earlier one, pixel by pixel"
    return Table.from_frame(caption, table, {"photo": "photo"} | texts, search=True)


def _files(files: pd.DataFrame) -> list[Table]:
    counts = files["problem"].value_counts()
    rows = [[name, int(counts[name]), PROBLEMS[name]] for name in PROBLEMS if name in counts]
    kinds = {"problem": "text", "files": "count", "what it means": "text"}
    tables = [Table("Problems of files and folders", kinds, rows)]
    if rows:
        some = files.groupby("problem", sort=False).head(MOST_ROWS)
        paths = {"problem": "text", "path": "text"}
        tables.append(Table.from_frame("Where they are", some, paths, search=True))
    return tables


def _shared_ids(facts: DataFacts, thumbnails: Thumbnails) -> Table:
    bare = facts.photos[facts.photos["mask"] == "normal"].drop_duplicates("person")
    person = facts.shared_ids["person"]
    images = person.map(bare.set_index("person")["image"])
    table = facts.shared_ids.assign(photo=thumbnails.numbers(images), show=person.map(_show_person))
    kinds = {"photo": "photo", "id": "text", "person": "text", "show": "show"}
    return Table.from_frame("People who share an id", table, kinds)


def _split(train: pd.DataFrame, people: pd.DataFrame) -> Table:
    counts = pd.crosstab(people["fold"], people["gender"] + " " + _age_groups(people))
    strata = [f"{gender} {age}" for gender in GENDERS for age in AGE_GROUPS]
    counts = counts.reindex(columns=strata, fill_value=0)
    counts.insert(0, "people", counts.sum(axis=1))
    counts.insert(1, "photos", train.groupby("fold").size())
    table = counts.reset_index()
    caption = f"People held out by each of {len(table)} folds"
    return Table.from_frame(caption, table, dict.fromkeys(table, "count"))


def _corrections(facts: DataFacts, thumbnails: Thumbnails) -> Table | None:
    if facts.corrections is None:
        return None
    images = facts.corrections["image"]
    person = images.map(facts.photos.set_index("image")["person"])
    table = facts.corrections.assign(
        photo=thumbnails.numbers(images), person=person, show=person.map(_show_person)
    )
    texts = dict.fromkeys(("person", "field", "value", "reason"), "text")
    kinds = {"photo": "photo"} | texts | {"show": "show"}
    return Table.from_frame("Corrections that would change these labels", table, kinds)


def _show_person(person: str) -> Show:
    return Show("sheet", {}, person, search=person)


def _faces(facts: DataFacts, thumbnails: Thumbnails) -> Gallery:
    shown = facts.photos[facts.photos["image"].isin(thumbnails.number)]
    reasons = facts.outliers.drop_duplicates("image").set_index("image")["reason"]
    age, light = shown["age"].astype("float64"), shown["light"].fillna(-1)
    group = pd.cut(age, [-1, 29, 59, 200], labels=AGE_GROUPS)
    return Gallery(
        id="sheet",
        pictures={"": thumbnails.numbers(shown["image"])},
        titles=[photo_name(image) for image in shown["image"]],
        lines={
            "": list(_class_names(shown).values()),
            "age": ["" if np.isnan(years) else f"{years:.0f}" for years in age],
            "light": ["" if value < 0 else f"{value:.0f}" for value in light],
        },
        facets={
            "part": shown["part"].to_numpy(),
            "mask": _known(shown["mask"], MASKS),
            "gender": _known(shown["gender"], GENDERS),
            "age group": _known(group.astype("object"), AGE_GROUPS),
            "fold": shown["fold"].astype("str").where(shown["fold"].notna(), _UNKNOWN).to_numpy(),
            "noted": shown["image"].map(reasons).fillna("nothing").str.replace("_", " ").to_numpy(),
        },
        orders={
            "as in the files": -np.arange(len(shown)),
            "darkest first": -light,
            "brightest first": light,
            "oldest first": age.fillna(-1),
            "youngest first": -age.fillna(999),
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
