"""Small charts as SVG inside a page: they take its colours, its width and its type.

Each chart has a title, a description for those who do not see it, and the table behind it.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from mmmask.evaluation.jackknife import Interval
from mmmask.reports.pages import svg
from mmmask.reports.pages.parts import Table, shown

#: Most series that one chart tells apart, by colour and by dashes or filling.
MOST_SERIES = 5
_ROOM = 14.0  # percent of the width for figures at the right
_ROW, _GAP = 15, 9  # height of a bar, gap below a group, in pixels
_HEIGHT, _FOOT = 190, 40  # of charts with a vertical axis, in pixels
_HEAD = 12  # above them, for the words of a mark
_DOTS = 60  # values of a line beyond which its dots are small


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        title: What it shows, as a heading; each chart of a page has another.
        description: The same in a sentence or two, with the figures that matter.
        svg: The picture.
        table: The values.
        legend: Names of the series, where there is more than one.
        wide: Whether it takes the whole width of a page, scrolling where that is too narrow.
        thin: Whether its bars are too thin for outlines, so that colour alone tells series apart.
        room: Pixels kept free beside the picture, above and at the left, into which words reach.
    """

    title: str
    description: str
    svg: Markup
    table: Table
    legend: tuple[str, ...] = ()
    wide: bool = False
    thin: bool = False
    room: tuple[int, int] = (0, 0)

    @property
    def id(self) -> str:
        """Of the figure in the page."""
        return "chart-" + re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def bars(
    title: str,
    labels: Sequence[str],
    series: Mapping[str, ArrayLike],
    *,
    kind: str = "count",
    notes: Sequence[str] = (),
) -> Chart:
    """Return horizontal bars, one for each label and series.

    Args:
        title: Heading.
        labels: One per group of bars.
        series: Name -> one value per label, not negative.
        kind: How values are written, see :data:`mmmask.reports.pages.parts.FORMATS`.
        notes: Words behind the figures, one per label.
    """
    values, left = _values(series), _label_room(labels)  # (S, L)
    room = _ROOM + 2.4 * max(map(len, notes), default=0)
    scale = (100 - left - room) / (values.max(initial=0) or 1)
    group = _ROW * len(values) + _GAP
    parts = []
    for row, label in enumerate(labels):
        top = row * group
        parts.append(svg.words(left, top + _ROW * len(values) / 2, label, "end", shift=-8))
        for place, (name, value) in enumerate(zip(series, values[:, row], strict=True)):
            y, width, figure = top + place * _ROW, value * scale, shown(value, kind)
            tip = f"{label}, {name}: {figure}"
            parts.append(svg.box(left, y + 1.5, width, _ROW - 3, f"s{place}", tip))
            text = f"{figure} {notes[row]}" if notes else figure
            parts.append(svg.words(left + width, y + _ROW / 2, text, "start", "figure", 5))
    return _chart(title, parts, group * len(labels), "", labels, series, kind)


def columns(
    title: str,
    labels: Sequence[str],
    series: Mapping[str, ArrayLike],
    *,
    axis: str,
    kind: str = "count",
) -> Chart:
    """Return vertical bars, such as a histogram; labels that find no room are left out.

    ``axis`` says what the labels are, with their unit; the rest as in :func:`bars`.
    """
    values = _values(series)
    ticks = svg.round_ticks(0, values.max(initial=0), kind)
    slot = 100 / len(labels)
    width = slot * (0.9 if len(labels) > 12 else 0.7) / len(values)
    thin = width < 2  # percent: outlines would run into each other
    parts, room = svg.grid(ticks, _HEIGHT, kind)
    for column, label in enumerate(labels):
        middle = slot * (column + 0.5)
        for place, (name, value) in enumerate(zip(series, values[:, column], strict=True)):
            x, tall = middle + width * (place - len(values) / 2), _HEIGHT * value / ticks[-1]
            tip = f"{label}, {name}: {shown(value, kind)}"
            tone = f"s{place} thin" if thin else f"s{place}"
            parts.append(svg.box(x, _HEIGHT - tall, width, tall, tone, tip))
        if column % math.ceil(len(labels) / 8) == 0:
            side, shift = ("end", 4) if middle > 98 else ("middle", 0)
            parts.append(svg.words(middle, _HEIGHT + 13, label, side, shift=shift))
    return _chart(title, parts, _HEIGHT, axis, labels, series, kind, thin=thin, room=(0, room))


def lines(
    title: str,
    x: ArrayLike,
    series: Mapping[str, ArrayLike],
    *,
    axis: str,
    kind: str = "number",
    mark: tuple[float, str] | None = None,
) -> Chart:
    """Return a line for each series over ascending ``x``; NaN leaves a gap.

    An upright line with words stands at ``mark``; the rest as in :func:`columns`.
    """
    at, values = np.asarray(x, dtype=np.float64), _values(series)
    known = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
    ticks = svg.round_ticks(known.min(), known.max())
    radius = 3 if len(at) <= _DOTS else 1.2

    def place_of(value: ArrayLike) -> NDArray[np.float64]:  # percent
        return 2 + 95 * (np.asarray(value) - at[0]) / ((at[-1] - at[0]) or 1)

    across = place_of(at)
    down = _HEIGHT * (1 - (values - ticks[0]) / (ticks[-1] - ticks[0]))
    parts, room = svg.grid(ticks, _HEIGHT, kind)
    if mark is not None:
        where = float(place_of(mark[0]))
        parts.append(svg.line((where, 0), (where, _HEIGHT), "zero"))
    for place, name in enumerate(series):
        parts.append(svg.curve(across, down[place], f"l{place}", _HEIGHT))
        for k in np.flatnonzero(np.isfinite(values[place])):
            tip = f"{name}, {axis} {at[k]:g}: {shown(values[place, k], kind)}"
            parts.append(svg.dot(across[k], down[place, k], f"s{place}", tip, radius))
    if mark is not None:
        side, shift = ("start", 5) if where < 50 else ("end", -5)
        parts.append(svg.words(where, -9, mark[1], side, "axis", shift))
    labels = [f"{value:g}" for value in at]
    for k in np.unique(np.linspace(0, len(at) - 1, min(len(at), 6)).round().astype(int)):
        parts.append(svg.words(across[k], _HEIGHT + 13, labels[k]))
    head = 0 if mark is None else _HEAD
    return _chart(title, parts, _HEIGHT, axis, labels, series, kind, room=(head, room))


def intervals(
    title: str,
    labels: Sequence[str],
    values: Sequence[Interval | float],
    *,
    kind: str = "score",
    reference: float | None = None,
) -> Chart:
    """Return a dot with its interval for each label.

    A value without bounds is a dot alone, NaN leaves its row empty. A line stands at
    ``reference``, such as 0 for differences; the rest as in :func:`bars`.
    """
    numbers = np.array(
        [
            (v.value, v.low, v.high) if isinstance(v, Interval) else (v, np.nan, np.nan)
            for v in values
        ]
    )  # (L, 3)
    series = dict(zip(("value", "from", "to"), numbers.T, strict=True))
    ends = [*numbers[np.isfinite(numbers)], *([] if reference is None else [reference])] or [0, 1]
    low, span, left = min(ends), (max(ends) - min(ends)) or 1, _label_room(labels)

    def place(value: float) -> float:
        return left + (100 - left - _ROOM) * (0.04 + 0.92 * (value - low) / span)

    tall = 22
    parts = []
    if reference is not None:
        x = place(reference)
        parts.append(svg.line((x, 0), (x, tall * len(labels)), "zero"))
    for row, (label, (value, start, stop)) in enumerate(zip(labels, numbers, strict=True)):
        y = (row + 0.5) * tall
        parts.append(svg.words(left, y, label, "end", shift=-8))
        parts.append(svg.words(100, y, shown(value, kind), "end", "figure"))
        tip = f"{label}: {shown(value, kind)}"
        if np.isfinite([value, start, stop]).all():
            tip += f" [{shown(start, kind)}, {shown(stop, kind)}]"
            parts.append(svg.line((place(start), y), (place(stop), y), "line l0", tip))
        if np.isfinite(value):
            parts.append(svg.dot(place(value), y, "s0", tip, radius=4))
    height = tall * len(labels)
    return _chart(title, parts, height, "", labels, series, kind, described=("value",))


def matrix(
    title: str,
    counts: ArrayLike,
    names: Sequence[str],
    *,
    down: str = "true",
    across: str = "predicted",
    shares: bool = False,
) -> Chart:
    """Return counts as a grid, shaded by their share of the row: a confusion matrix.

    Args:
        title: Heading.
        counts: (C, C), not negative.
        names: C labels of the rows and of the columns.
        down: What a row is.
        across: What a column is.
        shares: Whether the shares of a row stand beside the counts, where there is room for them
            and in the table.
    """
    numbers = np.asarray(counts, dtype=np.int64)
    share = numbers / np.maximum(numbers.sum(axis=1, keepdims=True), 1)
    many = len(names) > 6
    left, top, tall = (20, 24 + 6.8 * max(map(len, names)), 26) if many else (34, 28, 34)
    with_shares = shares and not many
    if with_shares:
        tall += 10
    width = (100 - left) / len(names)
    parts = [svg.words(left, top - 12, f"{down} ↓  {across} →", "end", "axis", -8)]
    for column, name in enumerate(names):
        x = left + width * (column + 0.5)
        if many:  # words that stand; the svg around them is what they turn about
            standing = svg.element("text", name, transform="rotate(-90)", dy=".35em")
            place = {"x": f"{x:.2f}%", "y": f"{top - 8}", "overflow": "visible"}
            parts.append(svg.element("svg", standing, **place))
        else:
            parts.append(svg.words(x, top - 12, name))
    for row, label in enumerate(names):
        y = top + row * tall
        parts.append(svg.words(left, y + tall / 2, label, "end", shift=-8))
        for column, name in enumerate(names):
            x, number, part = left + width * column, numbers[row, column], share[row, column]
            tip = f"{down} {label}, {across} {name}: {number:,}, {100 * part:.1f} % of the row"
            parts.append(svg.box(x, y, width, tall, "cell", tip, fill_opacity=part))
            if number:
                tone = "figure on" if part > 0.55 else "figure"
                middle = y + tall / 2 - (8 if with_shares else 0)
                parts.append(svg.words(x + width / 2, middle, f"{number:,}", tone=tone))
                if with_shares:
                    parts.append(
                        svg.words(x + width / 2, middle + 16, f"{100 * part:.1f} %", tone=tone)
                    )
    same = np.trace(numbers) / max(numbers.sum(), 1)
    cells: dict[str, tuple[str, Iterable]] = {"": ("text", names)}
    cells |= {name: ("count", numbers[:, k].tolist()) for k, name in enumerate(names)}
    if shares:
        cells |= {f"{name}, share": ("share", share[:, k].tolist()) for k, name in enumerate(names)}
    return Chart(
        title,
        f"{100 * same:.1f} % of {numbers.sum():,} photos stand on the diagonal.",
        svg.picture(parts, top + tall * len(names)),
        Table.from_columns(f"{title}: a row is {down}, a column {across}", cells),
        wide=many,
    )


def _label_room(labels: Sequence[str]) -> float:
    """Return how much of the width labels need, in percent; enough at the width of a phone."""
    return float(np.clip(3 + 1.8 * max(map(len, labels), default=0), 14, 42))


def _values(series: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Return the values as (series, labels)."""
    if len(series) > MOST_SERIES:
        raise ValueError(f"a chart tells {MOST_SERIES} series apart; got {len(series)}")
    return np.array([np.asarray(values, dtype=np.float64) for values in series.values()])


def _chart(
    title: str,
    parts: list[Markup],
    height: float,
    axis: str,
    labels: Sequence[str],
    series: Mapping[str, ArrayLike],
    kind: str,
    described: Sequence[str] = (),
    thin: bool = False,
    room: tuple[int, int] = (0, 0),
) -> Chart:
    """Return the chart with the table behind it and the extremes in words.

    ``described`` names the series that the words are about; by default all, with a legend.
    """
    if axis:  # the numbers along it stand below the drawing
        parts.append(svg.words(50, height + 31, axis, tone="axis"))
        height += _FOOT
    values = dict(zip(series, _values(series), strict=True))
    cells: dict[str, tuple[str, Iterable]] = {axis: ("text", labels)}
    cells |= {name: (kind, row.tolist()) for name, row in values.items()}
    facts = []
    for name, row in values.items():
        if name in (described or series) and np.isfinite(row).any():
            least, most = int(np.nanargmin(row)), int(np.nanargmax(row))
            facts.append(
                f"{name}: from {shown(row[least], kind)} ({labels[least]}) "
                f"to {shown(row[most], kind)} ({labels[most]})"
            )
    extremes = "; ".join(facts) + "." if facts else "No values."
    legend = tuple(series) if len(series) > 1 and not described else ()
    table = Table.from_columns(title, cells)
    return Chart(title, extremes, svg.picture(parts, height), table, legend, thin=thin, room=room)
