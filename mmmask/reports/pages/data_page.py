"""The data page: a data set on its first day, as charts, tables, lists and faces."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mmmask.datasets.folder_facts import PROBLEMS
from mmmask.known import age_in_words, age_spans, classes_of, known_values, named
from mmmask.labels import AGE_GROUPS, ATTRIBUTES, GENDERS, MASKS, OLD_FROM, OLDEST, age_group
from mmmask.reports.output import counted
from mmmask.reports.pages.charts import MOST_SERIES, Chart, columns
from mmmask.reports.pages.data_facts import DataFacts, called_old
from mmmask.reports.pages.data_findings import class_sizes, find, where_copied
from mmmask.reports.pages.data_labels import (
    age_charts,
    age_cuts,
    class_charts,
    known_table,
    split_table,
)
from mmmask.reports.pages.page import write_page
from mmmask.reports.pages.parts import Gallery, Show, Table, photo_name
from mmmask.reports.pages.thumbnails import Thumbnails

#: Rows of a list that the page shows.
MOST_ROWS = 300
_BIN = 16  # of brightness, 0 to 255
_UNKNOWN = "unknown"


def write_data_page(path: str | Path, facts: DataFacts, thumbnails: Thumbnails) -> None:
    """Write the page; ``thumbnails`` are of the photos that it shows."""
    write_page(
        path,
        "data_page.html",
        title=facts.root,
        kind="data page",
        summary=_summary(facts),
        thumbnails=thumbnails,
        figures=_figures(facts),
        findings=find(facts),
        known=known_table(facts) if facts.of_table else None,
        classes=class_charts(facts),
        ages=age_charts(facts.people),
        cuts=age_cuts(facts.people),
        light=_light(facts),
        sizes=_sizes(facts),
        colours=[]
        if facts.colours is None
        else [[f"{value:.2f}" for value in part] for part in facts.colours],
        outliers=_outliers(facts, thumbnails),
        copies=_copies(facts, thumbnails),
        facts=facts,
        most_rows=MOST_ROWS,
        files=_files(facts.files),
        ids=_shared_ids(facts, thumbnails),
        split=split_table(facts),
        corrections=_corrections(facts, thumbnails),
        faces=_faces(facts, thumbnails),
    )


def _summary(facts: DataFacts) -> str:
    train, rest = facts.train, facts.eval
    if not facts.of_table:
        people = counted(len(facts.people), "people")
        others = f"{counted(len(rest), 'photos')} in eval/" if len(rest) else "no eval/"
        return f"{counted(len(train), 'photos')} of {people} in train/, {others}"
    named = train["person"][facts.named]
    photos, people = counted(len(train), "photos"), counted(named.nunique(), "people")
    if len(named) == len(train):
        return f"{photos} of {people}"
    some = f"{len(named):,} of them of {people}" if len(named) else "none of them of a named person"
    return f"{photos}, {some}"


def _figures(facts: DataFacts) -> list[tuple[str, str]]:
    """Return the figures at the top of the page: name, and value in words."""
    people, train = facts.people, facts.train
    old, sizes = called_old(people, OLD_FROM).dropna(), class_sizes(train)
    share = f"{100 * old.mean():.1f} %" if len(old) else ""
    least = counted(sizes.min(), "photos") if sizes.any() else ""
    if not facts.of_table:
        return [
            ("people", f"{len(people):,}"),
            ("photos with labels", f"{len(train):,}"),
            ("photos in eval/", f"{len(facts.eval):,}"),
            (f"old, from {OLD_FROM} on", share),
            ("smallest class", least),
        ]
    named = train["person"][facts.named].nunique()
    figures = [
        ("photos", f"{len(train):,}"),
        ("people", f"{named:,}" if named else ""),
        ("class known", counted(sizes.sum(), "photos")),
        (f"old, from {OLD_FROM} on", share),
        ("smallest class", least),
    ]
    return [(name, value) for name, value in figures if value]


def _light(facts: DataFacts) -> Chart:
    """Return how bright photos are, as shares: the parts have different numbers of photos."""
    edges = np.arange(0, 256 + _BIN, _BIN)
    known = facts.photos.dropna(subset="light")
    parts = known[facts.grouping].value_counts().index[:MOST_SERIES]
    groups = known.groupby(facts.grouping, sort=False)["light"]
    series = {
        part: np.histogram(light, edges)[0] / len(light) for part, light in groups if part in parts
    }
    labels = [f"{edge}" for edge in edges[:-1]]
    axis = f"mean luminance of the photo, 0 to 255, in steps of {_BIN}"
    return columns("Brightness, share of the photos", labels, series, axis=axis, kind="share")


def _sizes(facts: DataFacts) -> Table:
    known, part = facts.photos.dropna(subset="light"), facts.grouping
    width, height = (known[side].astype("int64").astype("str") for side in ("width", "height"))
    known = known.assign(
        size=width + " x " + height, file=known["image"].str.rsplit(".", n=1).str[1].str.lower()
    )
    groups = known.groupby([part, "size", "file"])["light"]
    table = groups.agg(photos="size", light="mean", darkest="min", brightest="max").reset_index()
    kinds = dict.fromkeys((part, "size", "file"), "text") | {"photos": "count"}
    kinds |= dict.fromkeys(("light", "darkest", "brightest"), "level")
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
    first, last = age_spans(shown)
    known = (first > 0) | (last < OLDEST)
    age, light = pd.Series(first, shown.index).where(known), shown["light"].fillna(-1)
    groups = np.where(age_group(first) == age_group(last), age_group(first), -1)
    facets = {
        facts.grouping: shown[facts.grouping].to_numpy(),
        "mask": _known(shown["mask"], MASKS),
        "gender": _known(shown["gender"], GENDERS),
        "age group": _known(pd.Series(named(groups, AGE_GROUPS)), AGE_GROUPS),
        "fold": shown["fold"].astype("str").where(shown["fold"].notna(), _UNKNOWN).to_numpy(),
        "noted": shown["image"].map(reasons).fillna("nothing").str.replace("_", " ").to_numpy(),
    }
    orders = {
        "as in the files": -np.arange(len(shown)),
        "darkest first": -light,
        "brightest first": light,
        "oldest first": age.fillna(-1),
        "youngest first": -age.fillna(999),
    }
    if facts.of_table:
        told = {name: set(values) != {_UNKNOWN} for name, values in facets.items()}
        facets = {name: values for name, values in facets.items() if told[name]}
        if not known.any():
            del orders["oldest first"], orders["youngest first"]
    return Gallery(
        id="sheet",
        pictures={"": thumbnails.numbers(shown["image"])},
        titles=[photo_name(image) for image in shown["image"]],
        lines={
            "": list(_class_names(shown).values()),
            "age": [age_in_words(*span) for span in zip(first, last, strict=True)],
            "light": ["" if value < 0 else f"{value:.0f}" for value in light],
        },
        facets=facets,
        orders=orders,
        chosen={"part": "train"} if len(facts.eval) else {},
    )


def _known(values: pd.Series, categories: Sequence[str]) -> pd.Categorical:
    """Return the values in their order, with a place for those that are unknown."""
    return pd.Categorical(values.fillna(_UNKNOWN), categories=[*categories, _UNKNOWN])


def _class_names(photos: pd.DataFrame) -> dict[str, str]:
    """Return image -> name of its class, or what is known of it; empty where that is nothing."""
    known = known_values(classes_of(photos))
    parts = [named(known[name], values) for name, values in ATTRIBUTES.items()]
    names = [" ".join(filter(None, words)) for words in zip(*parts, strict=True)]
    return dict(zip(photos["image"], names, strict=True))
