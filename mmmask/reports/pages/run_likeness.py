"""The run page's map of the people, and the photos that are most like a wrong answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.disagreement import SHARED
from mmmask.labels import ATTRIBUTES
from mmmask.reports.pages.parts import coded, joined
from mmmask.reports.pages.run_facts import Likeness, RunFacts, Scored

#: How many of the photos most alike have another value than the label.
AGAINST = ("none", "some", "all")
#: Of the dots of each gender.
SHAPES = ("round", "square")


@dataclass(frozen=True)
class View:
    """What the dots of a map are coloured by.

    Attributes:
        name: Of it.
        values: What a dot may be.
        codes: (P,) the number of each dot's value.
        tones: Classes of each value: a colour, ``c0`` to ``c4``, and ``round`` or ``square``.
    """

    name: str
    values: tuple[str, ...]
    codes: NDArray[np.integer]
    tones: tuple[str, ...]


@dataclass(frozen=True)
class PeopleMap:
    """A map of people, each a dot.

    All sequences have one value per person.

    Attributes:
        titles: Who it is.
        x: From 0 to 1.
        y: From 0 to 1.
        pictures: Numbers of thumbnails, -1 where there is none.
        lines: Term -> words.
        views: What the dots can be coloured by.
        listed: Whether the gallery of wrong answers has a photo of the person.
        left_out: How many people are not on it.
    """

    titles: Sequence[str]
    x: NDArray[np.floating]
    y: NDArray[np.floating]
    pictures: Sequence[int]
    lines: Mapping[str, Sequence[str]]
    views: Sequence[View]
    listed: NDArray[np.bool_]
    left_out: int

    @property
    def data(self) -> dict[str, Any]:
        """What the page's script needs; places are in thousandths."""
        return {
            "titles": list(self.titles),
            "x": np.round(1000 * self.x).astype(int).tolist(),
            "y": np.round(1000 * self.y).astype(int).tolist(),
            "pictures": list(self.pictures),
            "lines": {name: coded(words) for name, words in self.lines.items()},
            "views": [
                {"name": v.name, "values": v.values, "codes": v.codes.tolist(), "tones": v.tones}
                for v in self.views
            ],
            "listed": self.listed.astype(int).tolist(),
        }


def people_on_the_map(facts: RunFacts, scored: Scored, likeness: Likeness) -> PeopleMap | None:
    """Return the map, None of nobody.

    A person's answer is the most probable one in the mean of their photos.
    """
    table, rows = scored.table, likeness.places["row"].to_numpy(dtype=np.int64)
    if not len(rows):
        return None
    person = table["person"].to_numpy()
    who, people = np.unique(person.astype(str), return_inverse=True)
    mine = people[rows]  # the number of each dot's person
    true = {name: values[rows] for name, values in scored.truths.items() if name in SHARED}
    parts = [part for part in scored.parts if part.name in SHARED]
    said: dict[str, NDArray[np.int64]] = {}
    for part in parts:
        total = np.zeros((len(who), len(part.values)))
        np.add.at(total, people, part.probabilities)
        said[part.name] = total.argmax(axis=1)[mine]
    wrong = np.bincount(people, ~scored.right)[mine].astype(int)
    photos = np.bincount(people)[mine]
    years = table["age"].iloc[rows]
    lines = {
        "label": _words(true),
        "age": ["" if np.isnan(age) else f"{age:.0f}" for age in years],
        "answer": _words(said),
        "wrong photos": [f"{bad} of {n}" for bad, n in zip(wrong, photos, strict=True)],
    }
    listed = np.isin(mine, people[scored.worst])
    images = table["image"].iloc[rows].tolist()
    return PeopleMap(
        titles=who[mine].tolist(),
        x=likeness.places["x"].to_numpy(),
        y=likeness.places["y"].to_numpy(),
        pictures=facts.thumbnails.numbers(images),
        lines={name: words for name, words in lines.items() if any(words)},
        views=_views(true, said),
        listed=listed,
        left_out=len(who) - len(rows),
    )


def _words(values: Mapping[str, NDArray[np.int64]]) -> list[str]:
    """Return the values of attributes in words: "male 30-59"."""
    named = [np.take(ATTRIBUTES[name], values[name]) for name in values]
    return [" ".join(each) for each in zip(*named, strict=True)]


def _views(true: Mapping[str, NDArray], said: Mapping[str, NDArray]) -> list[View]:
    """Return the label, the answer and the mistakes as what dots are coloured by."""
    views = [_by_value("label", true)]
    if said:
        views.append(_by_value("answer", said))
        wrong = {name: said[name] != true[name] for name in said}
        names = [each or "none" for each in joined(wrong)]
        values = tuple(dict.fromkeys(["none", *said, " and ".join(said)]))
        codes = np.array([values.index(name) for name in names], dtype=np.int64)
        tones = ("c4 round", "c2 square", "c0 round", "c3 square")[: len(values)]
        views.append(View("mistake", values, codes, tones))
    return views


def _by_value(name: str, parts: Mapping[str, NDArray]) -> View:
    """Return gender and age as what dots are coloured by: gender is the shape, age the colour."""
    sizes = [len(ATTRIBUTES[part]) for part in parts]
    every = dict(zip(parts, np.indices(sizes).reshape(len(sizes), -1), strict=True))
    shapes = every.get("gender", np.zeros(np.prod(sizes), int))
    colours = every.get("age", shapes)
    tones = [f"c{c} {SHAPES[s]}" for c, s in zip(colours, shapes, strict=True)]
    codes = np.ravel_multi_index([*parts.values()], sizes)
    return View(name, tuple(_words(every)), codes, tuple(tones))


def strip(facts: RunFacts, scored: Scored, alike: NDArray[np.int64]) -> list[list[tuple]]:
    """Return the photos most like each wrong answer, with their labels; other values stand out."""
    labels, numbers = scored.truths, facts.thumbnails.numbers(scored.table["image"])
    in_mask = np.zeros(len(scored.table), dtype=bool)
    for part in scored.parts:
        if part.name == "mask":
            in_mask = part.wrong

    def told(row: int, other: int) -> list[tuple[str, bool]]:
        # All have the same state of the mask, unless that is what the answer is wrong in.
        names = ATTRIBUTES if in_mask[row] else SHARED
        values = ((name, labels[name][other], labels[name][row]) for name in names)
        return [(ATTRIBUTES[name][its], bool(its != mine)) for name, its, mine in values]

    return [
        [(numbers[other], told(row, other)) for other in others[others >= 0]]
        for row, others in zip(scored.worst, alike, strict=True)
    ]


def against_label(scored: Scored, alike: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return the share of the photos most alike that have another gender or age than the label.

    Attribute -> (W,), one per wrong answer of :attr:`Scored.worst`; 0 where nobody is alike.
    """
    there = alike >= 0
    shares = {}
    for name in SHARED:
        values = scored.truths[name]
        other = (values[alike] != values[scored.worst][:, None]) & there
        shares[name] = other.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return shares


def in_words(shares: NDArray[np.float64]) -> pd.Categorical:
    """Return whether none, some or all of the photos most alike differ."""
    return pd.Categorical.from_codes((shares > 0).astype(int) + (shares == 1), AGAINST)
