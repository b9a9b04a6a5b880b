"""The run page's photos: the surest wrong answers, and people whose photos disagree."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.datasets.layout import MASK_OF_STEM
from mmmask.labels import AGE_GROUPS, ATTRIBUTES, GENDERS, decode
from mmmask.reports.pages.parts import Gallery
from mmmask.reports.pages.run_facts import MOST_PEOPLE, Part, RunFacts, Scored


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
    parts = [part for part in scored.parts if part.name in found]
    rows = _rows(scored.table, found.index)
    told = {part.name: np.array(part.values)[part.predicted] for part in parts}
    wrong = np.zeros(len(scored.table), dtype=bool)
    for part in parts:
        wrong |= part.predicted != part.truth
    words = ["\n".join(each) for each in zip(*told.values(), strict=True)]
    numbers = facts.thumbnails.numbers(scored.table["image"])
    first = scored.table.drop_duplicates("person").set_index("person").loc[found.index]
    label = decode(first["label"].to_numpy(dtype=np.int64))
    gender, group = np.take(GENDERS, label["gender"]), np.take(AGE_GROUPS, label["age"])
    years = ["" if np.isnan(age) else f", {age:.0f} years" for age in first["age"]]
    orders = {"strongest first": found.get("bits", [])}
    if len(parts) > 1:
        orders |= {f"{name}: strongest first": found[f"{name}_bits"] for name in told}
    return Gallery(
        id="disagreeing",
        pictures={stem: [numbers[row] if row >= 0 else -1 for row in rows[stem]] for stem in rows},
        captions={stem: [words[row] if row >= 0 else "" for row in rows[stem]] for stem in rows},
        marked={stem: ["bad" if r >= 0 and wrong[r] else "" for r in rows[stem]] for stem in rows},
        titles=list(found.index),
        lines={
            "label": [f"{x} {y}{z}" for x, y, z in zip(gender, group, years, strict=True)],
            **{
                name: [_counted(values[r[r >= 0]]) for r in rows.to_numpy()]
                for name, values in told.items()
            },
            "strength": [f"{bits:.2f} bits" for bits in orders["strongest first"]],
        },
        facets={
            "differ in": [
                " and ".join(name for name in told if row[name]) for _, row in found.iterrows()
            ],
            "label: gender": pd.Categorical(gender, categories=GENDERS),
            "label: age": pd.Categorical(group, categories=AGE_GROUPS),
        },
        orders=orders,
        noun="people",
        rows=True,
    )


def _rows(table: pd.DataFrame, who: pd.Index) -> pd.DataFrame:
    """Return the row of each photo of some people, -1 where there is none: person x file stem."""
    where = pd.DataFrame({"person": table.get("person", ""), "row": np.arange(len(table))})
    where["stem"] = [_stem(image) for image in table["image"]]
    where = where[where["person"].isin(who) & where["stem"].isin(MASK_OF_STEM)]
    wide = where.pivot_table(index="person", columns="stem", values="row", aggfunc="first")
    stems = [stem for stem in MASK_OF_STEM if stem in wide]
    return wide.reindex(index=who, columns=stems).fillna(-1).astype(int)


def _counted(values: NDArray[np.str_]) -> str:
    """Return each value with its number, the commonest first."""
    return ", ".join(f"{value} {n}" for value, n in pd.Series(values).value_counts().items())


def short(image: str) -> str:
    """Return a photo's name without the folders that all have in common."""
    return image.removeprefix("train/images/").removeprefix("eval/images/")


def _wrong_in(attributes: Sequence[Part], rows: NDArray[np.int64]) -> pd.Categorical:
    """Return which attributes of the answers are wrong, those with the fewest first."""
    wrong = [part.truth[rows] != part.predicted[rows] for part in attributes]
    words = [
        " and ".join(part.name for part, each in zip(attributes, row, strict=True) if each)
        for row in zip(*wrong, strict=True)
    ]
    order = sorted(set(words), key=lambda name: (name.count(" and "), name))
    return pd.Categorical(words, categories=order)


def _change(part: Part, rows: NDArray[np.int64]) -> pd.Categorical:
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
