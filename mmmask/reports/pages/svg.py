"""Elements of charts: shapes, words, scales.

Lengths along x are percentages, so that a picture fits any width while its words keep their size.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike


def element(name: str, *content: Markup | str, tip: str = "", **attributes: float | str) -> Markup:
    """Return an SVG element; ``tip`` appears below a pointer, ``tone`` is its class.

    Numbers are written with two decimals at most.
    """
    attributes = {"class" if key == "tone" else key: value for key, value in attributes.items()}
    written = Markup("").join(
        Markup(' {}="{}"').format(key.replace("_", "-"), _short(value))
        for key, value in attributes.items()
        if value != ""
    )
    inside = Markup("").join([*content, Markup("<title>{}</title>").format(tip) if tip else ""])
    tag = Markup(name)  # nosec B704 # a name in our code, never a word of a user
    return Markup("<{}{}>{}</{}>").format(tag, written, inside, tag)


def words(
    x: float, y: float, text: str, anchor: str = "middle", tone: str = "", shift: float = 0
) -> Markup:
    """Return words whose middle line is at ``y`` (pixels) and whose anchor is at ``x`` (percent).

    ``shift`` moves them to the right, in pixels.
    """
    return element(
        "text", text, x=_percent(x), y=y, dx=shift, dy=".35em", text_anchor=anchor, tone=tone
    )


def box(
    x: float, y: float, width: float, height: float, tone: str, tip: str, **more: float
) -> Markup:
    """Return a rectangle; ``x`` and ``width`` in percent, ``y`` and ``height`` in pixels."""
    across = {"x": _percent(x), "width": _percent(width)}
    return element("rect", tip=tip, tone=tone, **across, y=y, height=height, **more)


def dot(x: float, y: float, tone: str, tip: str, radius: float = 3) -> Markup:
    """Return a dot at ``x`` percent and ``y`` pixels."""
    return element("circle", tip=tip, tone=tone, cx=_percent(x), cy=y, r=radius)


def line(start: tuple[float, float], end: tuple[float, float], tone: str, tip: str = "") -> Markup:
    """Return a line between two points, each ``x`` in percent and ``y`` in pixels."""
    (x1, y1), (x2, y2) = start, end
    return element("line", tip=tip, tone=tone, x1=_percent(x1), x2=_percent(x2), y1=y1, y2=y2)


def curve(xs: ArrayLike, ys: ArrayLike, tone: str, height: float) -> Markup:
    """Return a line through points; a ``y`` that is NaN leaves a gap."""
    steps, pen = [], "M"
    for x, y in zip(np.asarray(xs), np.asarray(ys), strict=True):
        if np.isfinite(y):
            steps.append(f"{pen}{x:.2f} {y:.1f}")
        pen = "L" if np.isfinite(y) else "M"
    path = element("path", tone=f"line {tone}", d=" ".join(steps))
    stretched = {"viewBox": f"0 0 100 {height}", "preserveAspectRatio": "none"}
    return element("svg", path, width="100%", height=height, **stretched)


def picture(parts: Sequence[Markup], height: float) -> Markup:
    """Return the picture of these parts, as wide as its place."""
    return element("svg", *parts, width="100%", height=height, overflow="visible")


def grid(ticks: Sequence[float], height: float, kind: str) -> tuple[list[Markup], int]:
    """Return lines at the ticks, from ``height`` up to 0 pixels.

    Their numbers stand to the left of the picture.

    Returns:
        The parts, and how many pixels the numbers need.
    """
    parts, labels = [], tick_labels(ticks, kind)
    for tick, label in zip(ticks, labels, strict=True):
        y = height * (1 - (tick - ticks[0]) / (ticks[-1] - ticks[0]))
        parts += [line((0, y), (100, y), "grid"), words(0, y, label, "end", "tick", -5)]
    return parts, 8 + 7 * max(map(len, labels))


def diagonal(
    ticks: Sequence[float], height: float, kind: str, axis: str
) -> tuple[list[Markup], int, Callable[[float, float], tuple[float, float]]]:
    """Return a plane whose two axes have the same ticks, with a line where both are equal.

    Its numbers and the words ``axis`` stand below ``height``, in 40 pixels.

    Returns:
        Its parts, the pixels that its numbers need at the left, and what gives the place, in
        percent and pixels, of two numbers.
    """
    first, span = ticks[0], ticks[-1] - ticks[0]

    def place(x: float, y: float) -> tuple[float, float]:
        return 3 + 88 * (x - first) / span, height * (1 - (y - first) / span)

    parts, room = grid(ticks, height, kind)
    parts.append(line(place(first, first), place(ticks[-1], ticks[-1]), "zero"))
    for tick, label in zip(ticks, tick_labels(ticks, kind), strict=True):
        parts.append(words(place(tick, first)[0], height + 13, label, tone="tick"))
    return [*parts, words(50, height + 31, axis, tone="axis")], room, place


def tick_labels(ticks: Sequence[float], kind: str) -> list[str]:
    """Return the numbers of an axis, all with as many decimals as the one that needs most."""
    values, sign = np.asarray(ticks, dtype=np.float64), ""
    if kind == "share":
        values, sign = 100 * values, " %"
    near = 1e-6 * np.abs(np.diff(values)).min()
    for decimals in range(6):
        if np.allclose(values, values.round(decimals), rtol=0, atol=near):
            return [f"{value:z,.{decimals}f}{sign}" for value in values]
    return [f"{value:.3g}{sign}" for value in values]  # such as learning rates


def round_ticks(low: float, high: float, kind: str = "number") -> list[float]:
    """Return at most five round numbers from below ``low`` to above ``high``, of counts whole."""
    size = max(1.0, abs(low), abs(high))
    span = high - low if high - low > 1e-9 * size else size  # all values equal, but for rounding
    step = 10 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if span / (factor * step) <= 4.5)
    step = math.ceil(step) if kind == "count" else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(np.round(step * k, 12)) for k in range(first, max(last, first + 1) + 1)]


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def _percent(value: float) -> str:
    return f"{_short(value)}%"
