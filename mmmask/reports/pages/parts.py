"""What pages are made of: tables that sort, galleries that filter, and findings in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mmmask.evaluation.jackknife import Interval

#: How a value is written: kind -> format. ``text`` stays as it is.
FORMATS: Mapping[str, str] = {
    "count": "{:,.0f}",
    "share": "{:.1%}",
    "score": "{:z.3f}",
    "difference": "{:+z.3f}",
    "number": "{:,.4g}",
    "years": "{:z.1f}",
    "level": "{:.1f}",
    "bias": "{:+z.1f}",
    "points": "{:+z.1%}",
}


def shown(value: Any, kind: str) -> str:
    """Return a value as a reader sees it, an interval with its bounds; a missing one as a dash."""
    if isinstance(value, Interval):
        low, high = (shown(bound, kind).removesuffix(" %") for bound in (value.low, value.high))
        return f"{shown(value.value, kind)} [{low}, {high}]"
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return "\u2013"
    return FORMATS[kind].format(value).replace("%", " %") if kind in FORMATS else str(value)


def figure(name: str, score: Interval | float, kind: str) -> tuple[str, str, str]:
    """Return the name of a score, its value and its bounds as a reader sees them."""
    if not isinstance(score, Interval):
        return name, shown(score, kind), ""
    return name, shown(score.value, kind), f"{shown(score.low, kind)} to {shown(score.high, kind)}"


@dataclass(frozen=True)
class Show:
    """A button in a table that filters a gallery and goes to it.

    Attributes:
        gallery: Its id.
        facets: Facet -> value to choose; the others are cleared.
        label: What the button shows, for those who hear it.
        search: Words to look for in the titles.
    """

    gallery: str
    facets: Mapping[str, str]
    label: str
    search: str = ""


@dataclass(frozen=True)
class Table:
    """A table whose columns sort.

    Attributes:
        caption: What it lists.
        columns: Title -> kind: one of ``FORMATS``, "text", "photo" or "show".
        rows: Values in the order of the columns. Of kind ``photo`` they are numbers of
            thumbnails or None, of ``show`` they are :class:`Show` or None; numbers may be
            :class:`~mmmask.evaluation.jackknife.Interval`, which sort by their values.
        search: Whether a field filters the rows by the text in them.
    """

    caption: str
    columns: Mapping[str, str]
    rows: Sequence[Sequence[Any]]
    search: bool = False

    @classmethod
    def from_frame(
        cls, caption: str, frame: pd.DataFrame, kinds: Mapping[str, str], search: bool = False
    ) -> "Table":
        """Return a table of the columns of a frame that ``kinds`` names, in its order."""
        values = frame[list(kinds)].astype(object)
        return cls(caption, kinds, values.where(values.notna(), None).to_numpy().tolist(), search)

    @classmethod
    def from_columns(
        cls, caption: str, columns: Mapping[str, tuple[str, Iterable[Any]]], search: bool = False
    ) -> "Table":
        """Return a table of title -> (kind, values)."""
        kinds = {title: kind for title, (kind, _) in columns.items()}
        rows = zip(*(values for _, values in columns.values()), strict=True)
        return cls(caption, kinds, [list(row) for row in rows], search)


@dataclass(frozen=True)
class Gallery:
    """Photos with words, a page at a time; facets filter them, a key orders them.

    All sequences have one value per card.

    Attributes:
        id: Name in the page, for links and buttons.
        pictures: Caption -> numbers of thumbnails, -1 where there is none. Several stand side by
            side; a single one needs no caption and has the key "".
        captions: Caption -> what stands below it on each card, empty where the card lacks that
            picture; a place with words is there even without a picture.
        marked: Caption -> for each card "bad", or "": the colour of the picture's frame.
        titles: What a card is about, such as the photo's path; the field of search looks here.
        lines: Term -> words below the picture; an empty string leaves the line out. The term ""
            is the line that stands first and needs no term.
        facets: Name -> values to filter by. A categorical keeps the order of its categories.
        orders: Name -> numbers to order by, the largest first; the first is chosen at the start.
        tones: "good", "bad" or "" for each card: the colour of its frame. Never the only sign.
        chosen: Facet -> value that is chosen at the start.
        noun: What is counted, in the plural.
        rows: Whether each card takes the whole width, its pictures in a row.
        strip: Of each card small pictures in a row below the others, each the number of its
            thumbnail and its words, with whether they stand out.
        strip_name: What the row shows.
    """

    id: str
    pictures: Mapping[str, Sequence[int]]
    titles: Sequence[str]
    captions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    marked: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    facets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    orders: Mapping[str, ArrayLike] = field(default_factory=dict)
    tones: Sequence[str] = ()
    chosen: Mapping[str, str] = field(default_factory=dict)
    noun: str = "photos"
    rows: bool = False
    strip: Sequence[Sequence[tuple[int, Sequence[tuple[str, bool]]]]] = ()
    strip_name: str = ""

    @property
    def data(self) -> dict[str, Any]:
        """What the page's script needs: values that repeat are written once, as numbers."""
        return {
            "pictures": {name: [int(n) for n in column] for name, column in self.pictures.items()},
            "titles": list(self.titles),
            **{
                part: {name: coded(column) for name, column in getattr(self, part).items()}
                for part in ("captions", "marked", "lines", "facets")
            },
            "orders": {
                name: np.round(np.asarray(column, dtype=np.float64), 5).tolist()
                for name, column in self.orders.items()
            },
            "tones": list(self.tones),
            "chosen": dict(self.chosen),
            "noun": self.noun,
            "rows": self.rows,
            "strip": self.strip,
            "strip_name": self.strip_name,
        }


def coded(column: Sequence[str]) -> dict[str, list]:
    """Return the different values of a column and, for each card, the number of its value."""
    codes = pd.Categorical(column)
    return {"values": [str(v) for v in codes.categories], "codes": codes.codes.tolist()}


def photo_name(image: str) -> str:
    """Return a photo's path without the folders that all have in common."""
    return image.removeprefix("train/images/").removeprefix("eval/images/")


def changes(
    names: Sequence[str], old: NDArray[np.integer], new: NDArray[np.integer], equal: str
) -> pd.Categorical:
    """Return the facet "old \u2192 new" of each card, or ``equal`` where both are the same."""
    arrows = [f"{x} \u2192 {y}" for x in names for y in names if x != y]
    words = [
        equal if x == y else f"{names[x]} \u2192 {names[y]}" for x, y in zip(old, new, strict=True)
    ]
    return pd.Categorical(words, categories=[equal, *arrows])


def joined(parts: Mapping[str, ArrayLike]) -> list[str]:
    """Return for each card the names of the parts that hold for it: "mask, gender and age"."""
    table = zip(*(np.asarray(holds) for holds in parts.values()), strict=True)
    named = (list(compress(parts, holds)) for holds in table)
    return [", ".join([*names[:-2], " and ".join(names[-2:])]) for names in named]


@dataclass(frozen=True)
class Finding:
    """A sentence on what stands out.

    Attributes:
        weight: "act" (wrong as it is), "look" (may be wrong) or "know" (a fact to reckon with).
        text: The sentence.
        section: Id of the section that shows it.
    """

    weight: str
    text: str
    section: str


def by_weight(findings: Iterable[Finding]) -> list[Finding]:
    """Return what to act on first, then what to look at, then what to know."""
    return sorted(findings, key=lambda finding: ("act", "look", "know").index(finding.weight))
