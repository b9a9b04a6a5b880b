"""The run page's photos: the surest wrong answers, and people whose photos disagree."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mmmask.datasets.layout import MASK_OF_STEM
from mmmask.labels import AGE_GROUPS, ATTRIBUTES, GENDERS, decode
from mmmask.reports.parts import Gallery
from mmmask.reports.run_facts import MOST_PEOPLE, Part, RunFacts, Scored


def errors(facts: RunFacts, scored: Scored) -> Gallery:
    """Return the wrong answers; where it is known, the evidence for the answer stands beside."""
    rows, whole = scored.worst, scored.whole
    table = scored.table.iloc[rows]
    images = table["image"].tolist()
    true = np.take(whole.values, whole.truth[rows])
    told = np.take(whole.values, whole.predicted[rows])
    sure = scored.sure[rows]
    of_label = whole.probabilities[rows, whole.truth[rows]]
    heats = facts.heats or {}
    pictures = {"": facts.thumbnails.numbers(images)}
    if heats:
        pictures = {"photo": pictures[""], "evidence": [heats.get(name, -1) for name in images]}
    age = table["age"].to_numpy(dtype=np.float64)
    attributes = scored.parts[1:] or scored.parts
    labels = decode(table["label"].to_numpy(dtype=np.int64))
    return Gallery(
        id="errors",
        pictures=pictures,
        titles=[short(image) for image in images],
        lines={
            "says": [f"{name}, {p:.1%}" for name, p in zip(told, sure, strict=True)],
            "label": [f"{name}, {p:.1%}" for name, p in zip(true, of_label, strict=True)],
            "age": ["" if np.isnan(years) else f"{years:.0f}" for years in age],
        },
        facets={
            "wrong in": _wrong_in(attributes, rows),
            **{part.name: _change(part, rows) for part in attributes},
            **{
                f"label: {name}": pd.Categorical(np.take(names, labels[name]), categories=names)
                for name, names in ATTRIBUTES.items()
            },
            "photo": _stems(images),
        },
        orders={
            "surest first": sure,
            "label least probable first": -of_label,
            "least sure first": -sure,
            "oldest first": np.nan_to_num(age, nan=-1),
            "youngest first": -np.nan_to_num(age, nan=999),
        },
        noun="wrong answers",
    )


def people(facts: RunFacts, scored: Scored) -> Gallery:
    """Return the people whose photos disagree, each with all photos in a row."""
    found = scored.disagreeing.head(MOST_PEOPLE)
    table = scored.table.assign(row=np.arange(len(scored.table)))
    theirs = {person: part for person, part in table.groupby("person") if person in found.index}
    parts = {part.name: part for part in scored.parts if part.name in found}
    there = {_stem(image) for part in theirs.values() for image in part["image"]}
    stems = [stem for stem in MASK_OF_STEM if stem in there]
    pictures: dict[str, list[int]] = {stem: [] for stem in stems}
    captions: dict[str, list[str]] = {stem: [] for stem in stems}
    marked: dict[str, list[str]] = {stem: [] for stem in stems}
    said: dict[str, list[str]] = {name: [] for name in parts}
    for person in found.index:
        mine = theirs[person]
        by_stem = {_stem(image): row for image, row in zip(mine["image"], mine["row"], strict=True)}
        for stem in stems:
            row = by_stem.get(stem)
            picture, words, tone = -1, "", ""
            if row is not None:
                picture = facts.thumbnails.number.get(table["image"].iloc[row], -1)
                words = "\n".join(part.values[part.predicted[row]] for part in parts.values())
                wrong = any(part.predicted[row] != part.truth[row] for part in parts.values())
                tone = "bad" if wrong else ""
            pictures[stem].append(picture)
            captions[stem].append(words)
            marked[stem].append(tone)
        for name, part in parts.items():
            counts = np.bincount(part.predicted[mine["row"]], minlength=len(part.values))
            order = [k for k in np.argsort(-counts, kind="stable") if counts[k]]
            said[name].append(", ".join(f"{part.values[k]} {counts[k]}" for k in order))
    first = pd.DataFrame([theirs[person].iloc[0] for person in found.index])
    labels = decode(first["label"].to_numpy(dtype=np.int64) if len(first) else np.zeros(0, int))
    gender, group = np.take(GENDERS, labels["gender"]), np.take(AGE_GROUPS, labels["age"])
    age = first["age"].to_numpy(dtype=np.float64) if len(first) else np.zeros(0)
    years = ["" if np.isnan(each) else f", {each:.0f} years" for each in age]
    names = [name for name in parts if name in found]
    what = [" and ".join(name for name in names if row[name]) for _, row in found.iterrows()]
    orders = {"strongest first": found["bits"].to_numpy()} if len(found) else {}
    if len(names) > 1:
        orders |= {f"{name}: strongest first": found[f"{name}_bits"] for name in names}
    return Gallery(
        id="disagreeing",
        pictures=pictures,
        captions=captions,
        marked=marked,
        titles=list(found.index),
        lines={
            "label": [
                f"{sex} {ages}{told}" for sex, ages, told in zip(gender, group, years, strict=True)
            ],
            **said,
            "strength": [f"{bits:.2f} bits" for bits in found["bits"]] if len(found) else [],
        },
        facets={
            "differ in": what,
            "label: gender": pd.Categorical(gender, categories=GENDERS),
            "label: age": pd.Categorical(group, categories=AGE_GROUPS),
        },
        orders=orders,
        noun="people",
        rows=True,
    )


def short(image: str) -> str:
    """Return a photo's name without the folders that all have in common."""
    return image.removeprefix("train/images/").removeprefix("eval/images/")


def _wrong_in(attributes: Sequence[Part], rows: np.ndarray) -> pd.Categorical:
    """Return which attributes of the answers are wrong, those with the fewest first."""
    wrong = [part.truth[rows] != part.predicted[rows] for part in attributes]
    words = [
        " and ".join(part.name for part, each in zip(attributes, row, strict=True) if each)
        for row in zip(*wrong, strict=True)
    ]
    order = sorted(set(words), key=lambda name: (name.count(" and "), name))
    return pd.Categorical(words, categories=order)


def _change(part: Part, rows: np.ndarray) -> pd.Categorical:
    """Return label -> answer of one attribute, or that it is right."""
    pairs = zip(part.truth[rows], part.predicted[rows], strict=True)
    names = part.values
    words = ["right" if x == y else f"{names[x]} \u2192 {names[y]}" for x, y in pairs]
    order = ["right", *(f"{x} \u2192 {y}" for x in names for y in names if x != y)]
    return pd.Categorical(words, categories=order)


def _stem(image: str) -> str:
    return image.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _stems(images: Sequence[str]) -> pd.Categorical:
    """Return the file names without suffix, in the order of the seven photos."""
    return pd.Categorical([_stem(image) for image in images], categories=list(MASK_OF_STEM))
