"""Masks and glasses on a drawn face."""

import numpy as np

from mmmask.drawing.canvas import Canvas, Points, Stencil, brushstroke, curve, mix, oval
from mmmask.drawing.head import CHIN, half_width
from mmmask.drawing.shots import Shot
from mmmask.drawing.traits import Person

_COVERED = {"surgical": 0.97, "cloth": 0.99, "kn95": 0.93}  # share of the face's width covered
_PEAK = {"surgical": 0.8, "cloth": 2.2, "kn95": 3.0}  # rise of the upper edge over the nose

#: Shape of glasses -> half width and height of a lens, roundness (1 an ellipse), how low it sits.
_LENSES = {
    "round": (7.4, 6.8, 1.0, 0.0),
    "square": (7.8, 5.6, 0.35, 0.0),
    "half": (7.4, 4.6, 0.55, 1.4),
}


def draw_mask(canvas: Canvas, person: Person, shot: Shot) -> None:
    """Draw the mask with its upper edge at ``shot.mask_top``, and its loops to the ears."""
    style, top, nose = shot.mask, shot.mask_top + shot.pitch, 1.2 * shot.yaw
    bottom = max(CHIN + 2.5, top + 11)
    height = bottom - top
    outline = _outline(person, shot, top, bottom)
    _draw_loops(canvas, person, shot, outline)
    canvas.fill(outline, (70, 30, 30), 0.35, at=(0, 0.9), blur=1.2)  # its shadow on the skin
    canvas.fill(outline, style.colour)
    inside = canvas.stencil(outline)
    _draw_pattern(canvas, shot, inside)

    dark, light = mix(style.colour, (30, 30, 50), 0.55), mix(style.colour, (255, 255, 255), 0.6)
    for side in (-1, 1):
        edge = oval(1.1 * person.jaw, 22, 5, 18, 0.25)
        canvas.fill(edge, dark, 0.38, side=side, inside=inside, blur=2.5)
    canvas.fill(oval(nose, bottom + 1, 16, 4.5), dark, 0.4, inside=inside, blur=2)
    canvas.fill(oval(nose, top + 8, 5, 6), light, 0.4, inside=inside, blur=2.5)

    def crease(points: list[tuple[float, float]], tip: float, alpha: float) -> None:
        canvas.fill(brushstroke(points, 1.0, tip=tip), dark, alpha, inside=inside)

    if style.kind == "surgical":
        for share in (0.34, 0.54, 0.74):
            y = top + share * height
            pleat = [(-24, y - 1.5), (-12, y + 0.6), (nose, y + 1.4), (12, y + 0.6), (24, y - 1.5)]
            crease(pleat, 0.5, 0.5)
            lit = brushstroke(pleat, 0.8, tip=0.5)
            canvas.fill(lit, light, 0.5, at=(0, 1.0), inside=inside)
        crease([(nose - 6, top + 2.8), (nose, top + 1.4), (nose + 6, top + 2.8)], 0.6, 0.35)  # wire
        return
    seam = [(nose, top - 2), (1.3 * nose, top + 0.4 * height), (0.8 * nose, bottom + 1)]
    crease(seam, 0.7, 0.6)
    lit = brushstroke(seam, 0.8, tip=0.7)
    canvas.fill(lit, light, 0.5, at=(0.9, 0), inside=inside)
    if style.kind == "kn95":
        for side in (-1, 1):
            weld = [(16, top - 1), (14.5, top + 0.5 * height), (10, bottom)]
            crease([(side * x, y) for x, y in weld], 0.7, 0.35)


def _outline(person: Person, shot: Shot, top: float, bottom: float) -> Points:
    """Return the mask's outline: over the nose, along the cheeks, under the chin."""
    nose, peak, shoulder = 1.2 * shot.yaw, top - _PEAK[shot.mask.kind], top + 2.6
    middle = 0.5 * (shoulder + bottom)

    def side(y: float) -> float:
        face = max(half_width(person, min(y, CHIN - 2)), person.chin + 2)
        return _COVERED[shot.mask.kind] * face

    bridge = [(nose - 9, top + 1), (nose - 2, peak), (nose + 2, peak), (nose + 9, top + 1)]
    right = [
        (side(shoulder), shoulder),
        (side(middle) + 0.6, middle),
        (min(side(bottom - 5), person.chin + 5), bottom - 3.2),
        (0.5 * person.chin, bottom),
    ]
    left = [(-x, y) for x, y in reversed(right)]
    return curve([*bridge, *right, (0.2 * nose, bottom + 0.6), *left])


def _draw_loops(canvas: Canvas, person: Person, shot: Shot, outline: Points) -> None:
    """Draw the loops from the mask's corners to the ears."""
    colour = mix(shot.mask.colour, (250, 250, 250), 0.45)
    top, bottom = outline[:, 1].min(), outline[:, 1].max()
    for side in (-1, 1):
        for y, hook in ((top + 4.0, -1.0), (bottom - 5.0, 6.0)):
            near = outline[np.abs(outline[:, 1] - y) < 2]
            start = near[np.argmax(side * near[:, 0])] - (side, 0)
            ear = np.array([side * (person.cheek + 0.6) - 0.4 * shot.yaw, hook])
            sag = np.array([0.6 * side, 0.8])
            path = [start, 0.5 * (start + ear) + sag, ear]
            canvas.fill(brushstroke(path, 1.0, tip=0.8), (60, 30, 30), 0.3, at=(0, 0.5))
            canvas.fill(brushstroke(path, 0.7, tip=0.9), colour)


def _draw_pattern(canvas: Canvas, shot: Shot, inside: Stencil) -> None:
    pattern, colour = shot.mask.pattern, shot.mask.second_colour
    place = (1.2 * shot.yaw, 0)
    if pattern == "dots":
        for row, y in enumerate(np.arange(2, 48, 4.2)):
            for x in np.arange(-26, 27, 5.2):
                dot = oval(x + 2.6 * (row % 2), y, 1.15, 1.15)
                canvas.fill(dot, colour, 0.95, at=place, inside=inside)
    bars: list[list[tuple[float, float]]] = []
    if pattern in ("stripes", "checks"):
        bars += [[(-36, y), (36, y), (36, y + 2), (-36, y + 2)] for y in np.arange(1, 48, 5.0)]
    if pattern == "checks":
        bars += [[(x, 0), (x + 2, 0), (x + 2, 50), (x, 50)] for x in np.arange(-27, 27, 5.0)]
    for bar in bars:
        canvas.fill(np.array(bar), colour, 0.55, at=place, inside=inside)


def draw_glasses(canvas: Canvas, person: Person, shot: Shot) -> None:
    if person.glasses == "none":
        return
    width, height, roundness, drop = _LENSES[person.glasses]
    x, y = 0.9 * shot.yaw, 1.2 + 0.8 * shot.pitch + drop
    colour, rim = person.glasses_colour, 1.1
    angles = np.linspace(0, 2 * np.pi, 40)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    shape = np.sign(circle) * np.abs(circle) ** roundness  # a superellipse
    outer, inner = shape * (width, height), shape * (width - rim, height - rim)
    frame = np.concatenate([outer, inner[::-1]])
    glare = np.array([(-3.6, 2.2), (-0.6, -3.4), (1.2, -3.4), (-1.8, 2.2)])
    for side in (-1, 1):
        centre = (x + side * person.eye_gap, y)
        canvas.fill(inner, (214, 232, 244), 0.16, at=centre)
        canvas.fill(glare, (255, 255, 255), 0.22, at=centre)
        canvas.fill(frame, colour, at=centre)
        hinge = (centre[0] + side * (width - 0.3), y - 1.6)
        temple = (side * (person.cheek + 0.4), y - drop - 1.4)
        canvas.fill(brushstroke([hinge, temple], 1.2, tip=0.9), colour)
    gap = person.eye_gap - width + 0.4
    bridge = [(x - gap, y - 0.8), (x, y - 1.8), (x + gap, y - 0.8)]
    canvas.fill(brushstroke(bridge, 1.2, tip=0.8), colour)
