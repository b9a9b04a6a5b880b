"""Small charts as SVG inside a page: they take its colours, its width and its type.

Each chart has a title, a description for those who do not see it, and the table behind it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from mmmask.reports.pages.parts import Table, shown
from mmmask.reports.pages.svg import box, dot, drawing, element, grid, round_ticks, words

#: Most series that one chart tells apart, by colour and by dashes or filling.
MOST_SERIES = 5
_ROOM = 14.0  # percent of the width for figures at the right
_AXIS = 9.0  # percent of the width for the numbers of a vertical axis
_ROW, _GAP = 15, 9  # height of a bar, gap below a group, in pixels
_HEIGHT, _FOOT = 190, 40  # of charts with a vertical axis, in pixels
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
    """

    title: str
    description: str
    svg: Markup
    table: Table
    legend: tuple[str, ...] = ()
    wide: bool = False
    thin: bool = False

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
    description: str = "",
) -> Chart:
    """Draw lying bars, one for each label and series.

    Args:
        title: Heading.
        labels: One a group of bars.
        series: Name -> one value a label, not negative.
        kind: How values are written, see :data:`mmmask.reports.pages.parts.FORMATS`.
        notes: Words behind the figures, one a label.
        description: In words; by default the largest and the smallest value.
    """
    values, left = _values(series), _label_room(labels)  # (S, L)
    room = _ROOM + 2.4 * max(map(len, notes), default=0)
    scale = (100 - left - room) / (values.max(initial=0) or 1)
    group = _ROW * len(values) + _GAP
    parts = []
    for row, label in enumerate(labels):
        top = row * group
        parts.append(words(left, top + _ROW * len(values) / 2, label, "end", shift=-8))
        for place, (name, value) in enumerate(zip(series, values[:, row], strict=True)):
            y, width, figure = top + place * _ROW, value * scale, shown(value, kind)
            tip = f"{label}, {name}: {figure}"
            parts.append(box(left, y + 1.5, width, _ROW - 3, f"s{place}", tip))
            told = f"{figure} {notes[row]}" if notes else figure
            parts.append(words(left + width, y + _ROW / 2, told, "start", "figure", 5))
    svg = drawing(parts, group * len(labels))
    return _chart(title, svg, "", labels, series, kind, description)


def columns(
    title: str,
    labels: Sequence[str],
    series: Mapping[str, ArrayLike],
    *,
    axis: str,
    kind: str = "count",
    description: str = "",
) -> Chart:
    """Draw standing bars, such as a histogram; labels that find no room are left out.

    ``axis`` says what the labels are, with their unit; the rest as in :func:`bars`.
    """
    values = _values(series)
    ticks = round_ticks(0, values.max(initial=0))
    slot = (100 - _AXIS) / len(labels)
    width = slot * (0.9 if len(labels) > 12 else 0.7) / len(values)
    thin = width < 2  # percent: outlines would run into each other
    parts = grid(ticks, _AXIS, _HEIGHT, kind)
    for column, label in enumerate(labels):
        middle = _AXIS + slot * (column + 0.5)
        for place, (name, value) in enumerate(zip(series, values[:, column], strict=True)):
            x, tall = middle + width * (place - len(values) / 2), _HEIGHT * value / ticks[-1]
            tip = f"{label}, {name}: {shown(value, kind)}"
            tone = f"s{place} thin" if thin else f"s{place}"
            parts.append(box(x, _HEIGHT - tall, width, tall, tone, tip))
        if column % math.ceil(len(labels) / 8) == 0:
            parts.append(words(middle, _HEIGHT + 13, label))
    parts.append(words(50, _HEIGHT + 31, axis, tone="axis"))
    svg = drawing(parts, _HEIGHT + _FOOT)
    chart = _chart(title, svg, axis, labels, series, kind, description)
    return replace(chart, thin=thin)


def lines(
    title: str,
    x: ArrayLike,
    series: Mapping[str, ArrayLike],
    *,
    axis: str,
    kind: str = "number",
    low: float | None = None,
    high: float | None = None,
    mark: tuple[float, str] | None = None,
    description: str = "",
) -> Chart:
    """Draw a line for each series.

    Args:
        title: Heading.
        x: Where the values are, ascending.
        series: Name -> one value an x; NaN leaves a gap.
        axis: What x is, with its unit.
        kind: How values are written.
        low: Lower end of the vertical axis; None: below the smallest value.
        high: Its upper end; None: above the largest.
        mark: An x and words for it, where an upright line stands; None: no line.
        description: In words; by default the largest and the smallest value.
    """
    at, values = np.asarray(x, dtype=np.float64), _values(series)
    known = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
    ticks = round_ticks(known.min() if low is None else low, known.max() if high is None else high)
    radius = 3 if len(at) <= _DOTS else 1.2

    def place_of(value: ArrayLike) -> NDArray[np.float64]:  # percent
        return _AXIS + 2 + (96 - _AXIS) * (np.asarray(value) - at[0]) / ((at[-1] - at[0]) or 1)

    across = place_of(at)
    down = _HEIGHT * (1 - (values - ticks[0]) / (ticks[-1] - ticks[0]))
    parts = grid(ticks, _AXIS, _HEIGHT, kind)
    if mark is not None:
        where = float(place_of(mark[0]))
        x = f"{where:.2f}%"
        parts.append(element("line", tone="zero", x1=x, x2=x, y1=0, y2=_HEIGHT))
    for place, name in enumerate(series):
        fine = np.isfinite(values[place])
        begins = fine & ~np.concatenate([[False], fine[:-1]])
        steps = [
            f"{'M' if begins[k] else 'L'}{across[k]:.2f} {down[place, k]:.1f}"
            for k in np.flatnonzero(fine)
        ]
        stretched = {"viewBox": f"0 0 100 {_HEIGHT}", "preserveAspectRatio": "none"}
        path = element("path", tone=f"line l{place}", d=" ".join(steps))
        parts.append(element("svg", path, width="100%", height=_HEIGHT, **stretched))
        for k in np.flatnonzero(fine):
            tip = f"{name}, {axis} {at[k]:g}: {shown(values[place, k], kind)}"
            parts.append(dot(across[k], down[place, k], f"s{place}", tip, radius))
    if mark is not None:
        side, shift = ("start", 5) if where < 50 else ("end", -5)
        parts.append(words(where, -7, mark[1], side, "axis", shift))
    for k in np.unique(np.linspace(0, len(at) - 1, min(len(at), 6)).round().astype(int)):
        parts.append(words(across[k], _HEIGHT + 13, f"{at[k]:g}"))
    parts.append(words(50, _HEIGHT + 31, axis, tone="axis"))
    svg = drawing(parts, _HEIGHT + _FOOT)
    return _chart(title, svg, axis, [f"{value:g}" for value in at], series, kind, description)


def intervals(
    title: str,
    labels: Sequence[str],
    values: ArrayLike,
    lows: ArrayLike,
    highs: ArrayLike,
    *,
    kind: str = "score",
    reference: float | None = None,
    description: str = "",
) -> Chart:
    """Draw a dot with its interval for each label.

    Args:
        title: Heading.
        labels: One a row.
        values: Where the dots are; NaN leaves a row empty.
        lows: Lower bounds; where they or the upper ones are NaN, the dot stands alone.
        highs: Upper bounds.
        kind: How values are written.
        reference: Where a line stands, such as 0 for differences; None: no line.
        description: In words; by default the largest and the smallest value.
    """
    series = {"value": values, "from": lows, "to": highs}
    numbers = _values(series)  # (3, L)
    ends = [*numbers[np.isfinite(numbers)], *([] if reference is None else [reference])] or [0, 1]
    low, span, left = min(ends), (max(ends) - min(ends)) or 1, _label_room(labels)

    def place(value: float) -> float:
        return left + (100 - left - _ROOM) * (0.04 + 0.92 * (value - low) / span)

    tall = 22
    parts = []
    if reference is not None:
        x = f"{place(reference):.2f}%"
        parts.append(element("line", tone="zero", x1=x, x2=x, y1=0, y2=tall * len(labels)))
    for row, (label, (value, start, stop)) in enumerate(zip(labels, numbers.T, strict=True)):
        y = (row + 0.5) * tall
        parts.append(words(left, y, label, "end", shift=-8))
        parts.append(words(100, y, shown(value, kind), "end", "figure"))
        tip = f"{label}: {shown(value, kind)}"
        if np.isfinite([value, start, stop]).all():
            x1, x2 = f"{place(start):.2f}%", f"{place(stop):.2f}%"
            tip += f" [{shown(start, kind)}, {shown(stop, kind)}]"
            parts.append(element("line", tip=tip, tone="line l0", x1=x1, x2=x2, y1=y, y2=y))
        if np.isfinite(value):
            parts.append(dot(place(value), y, "s0", tip, radius=4))
    svg = drawing(parts, tall * len(labels))
    return _chart(title, svg, "", labels, series, kind, description, legend=False)


def heat(
    title: str,
    counts: ArrayLike,
    rows: Sequence[str],
    names: Sequence[str],
    *,
    down: str = "true",
    across: str = "predicted",
    shares: bool = False,
    description: str = "",
) -> Chart:
    """Draw counts as a grid, shaded by their share of the row: a confusion matrix.

    Args:
        title: Heading.
        counts: (R, C), not negative.
        rows: R labels.
        names: C labels of the columns.
        down: What a row is.
        across: What a column is.
        shares: Whether the shares of a row stand beside the counts, where there is room for them
            and in the table.
        description: In words; by default how much stands on the diagonal of a square.
    """
    numbers = np.asarray(counts, dtype=np.int64)
    share = numbers / np.maximum(numbers.sum(axis=1, keepdims=True), 1)
    many = len(names) > 6
    left, top, tall = (20, 24 + 6.8 * max(map(len, names)), 26) if many else (34, 28, 34)
    told = shares and not many
    tall += 10 * told
    width = (100 - left) / len(names)
    parts = [words(left, top - 12, f"{down} ↓  {across} →", "end", "axis", -8)]
    for column, name in enumerate(names):
        x = left + width * (column + 0.5)
        if many:  # words that stand; the svg around them is what they turn about
            standing = element("text", name, transform="rotate(-90)", dy=".35em")
            place = {"x": f"{x:.2f}%", "y": f"{top - 8}", "overflow": "visible"}
            parts.append(element("svg", standing, **place))
        else:
            parts.append(words(x, top - 12, name))
    for row, label in enumerate(rows):
        y = top + row * tall
        parts.append(words(left, y + tall / 2, label, "end", shift=-8))
        for column, name in enumerate(names):
            x, number, part = left + width * column, numbers[row, column], share[row, column]
            tip = f"{down} {label}, {across} {name}: {number:,}, {part:.1%} of the row"
            parts.append(box(x, y, width, tall, "cell", tip, fill_opacity=part))
            if number:
                tone = "figure on" if part > 0.55 else "figure"
                middle = y + tall / 2 - 8 * told
                parts.append(words(x + width / 2, middle, f"{number:,}", tone=tone))
                if told:
                    parts.append(words(x + width / 2, middle + 16, f"{part:.1%}", tone=tone))
    if not description and len(rows) == len(names):
        same = np.trace(numbers) / max(numbers.sum(), 1)
        description = f"{same:.1%} of {numbers.sum():,} photos stand on the diagonal."
    caption = f"{title}: a row is {down}, a column {across}"
    cells = [[label, *line] for label, line in zip(rows, numbers.tolist(), strict=True)]
    kinds = {"": "text", **dict.fromkeys(names, "count")}
    if shares:
        kinds |= {f"{name}, share": "share" for name in names}
        cells = [line + parts_of for line, parts_of in zip(cells, share.tolist(), strict=True)]
    table = Table(caption, kinds, cells)
    return Chart(title, description, drawing(parts, top + tall * len(rows)), table, wide=many)


def _label_room(labels: Sequence[str]) -> float:
    """Return how much of the width labels need, in percent; enough at the width of a phone."""
    return float(np.clip(3 + 1.8 * max(map(len, labels), default=0), 14, 42))


def _values(series: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Return the values as (series, labels)."""
    if len(series) > MOST_SERIES:
        raise ValueError(f"a chart tells {MOST_SERIES} series apart, got {len(series)}")
    return np.array([np.asarray(values, dtype=np.float64) for values in series.values()])


def _chart(
    title: str,
    svg: Markup,
    axis: str,
    labels: Sequence[str],
    series: Mapping[str, ArrayLike],
    kind: str,
    description: str,
    legend: bool = True,
) -> Chart:
    """Return the chart with the table behind it and, by default, its extremes in words."""
    values = _values(series)
    rows = [[label, *line] for label, line in zip(labels, values.T.tolist(), strict=True)]
    table = Table(title, {axis: "text", **dict.fromkeys(series, kind)}, rows)
    names = tuple(series)
    return Chart(
        title,
        description or _extremes(labels, names if legend else names[:1], values, kind),
        svg,
        table,
        names if legend and len(names) > 1 else (),
    )


def _extremes(
    labels: Sequence[str], names: Sequence[str], values: NDArray[np.float64], kind: str
) -> str:
    """Return the smallest and the largest value of the named series in words."""
    facts = []
    for name, row in zip(names, values, strict=False):
        if np.isfinite(row).any():
            least, most = int(np.nanargmin(row)), int(np.nanargmax(row))
            facts.append(
                f"{name}: from {shown(row[least], kind)} ({labels[least]}) "
                f"to {shown(row[most], kind)} ({labels[most]})"
            )
    return "; ".join(facts) + "." if facts else "No values."
