"""Background and clothes of a drawn photo."""

import numpy as np
from numpy.random import Generator

from mmmask.drawing.canvas import Canvas, Points, both_sides, brushstroke, curve, mix, oval
from mmmask.drawing.shots import Shot
from mmmask.drawing.traits import Person

_NECKLINES = {"crew": 50.0, "vee": 60.0, "collar": 53.0, "turtleneck": 44.0, "hoodie": 49.0}


def draw_background(
    canvas: Canvas, shot: Shot, rng: Generator, edges: tuple[float, float, float, float]
) -> None:
    """Fill the picture between its left, top, right and lower edge, given in units."""
    left, top, right, low = edges

    def box(x0: float, y0: float, x1: float, y1: float) -> Points:
        return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])

    light, dark = mix(shot.wall, (255, 255, 255), 0.25), mix(shot.wall, (0, 0, 0), 0.18)
    canvas.fill(box(left, top, right, low), shot.wall)
    if shot.background == "plain":
        canvas.fill(oval(48, 50, 45, 55), light, 0.7, blur=10)
    elif shot.background == "wall":
        edge = rng.uniform(10, 86)
        canvas.fill(box(edge, top, right, low), shot.second_wall)
        canvas.fill(box(edge - 0.6, top, edge + 0.6, low), dark)
    elif shot.background == "circles":
        for _ in range(14):
            size = rng.uniform(4, 12)
            disc = oval(rng.uniform(left, right), rng.uniform(top, low), size, size)
            canvas.fill(disc, light if rng.random() < 0.6 else shot.second_wall, 0.5, blur=0.6)
    elif shot.background == "stripes":
        step = rng.uniform(7, 15)
        for x in np.arange(left, right, step):
            canvas.fill(box(x, top, x + 0.5 * step, low), shot.second_wall, 0.6)
    else:
        for y in np.arange(top + rng.uniform(8, 20), low, 30):
            for x in np.arange(left, right, 5.5):
                book = box(x, y - rng.uniform(11, 20), x + 4.6, y)
                canvas.fill(book, mix(shot.second_wall, rng.uniform(40, 230, 3), 0.5), 0.8)
            canvas.fill(box(left, y, right, y + 2.2), dark)


def draw_clothes(canvas: Canvas, person: Person, shot: Shot) -> None:
    """Draw the shoulders and what covers them; the origin is that of the head."""
    wide, neck, colour = person.shoulders, person.neck, shot.cloth_colour
    dark, light = mix(colour, (0, 0, 0), 0.3), mix(colour, (255, 255, 255), 0.3)
    low = _NECKLINES[shot.clothes]
    ends, between = (neck + 4, 43.5), (0.6 * neck, 0.3 * 43 + 0.7 * low)
    if shot.clothes == "vee":
        neckline = np.array([(-ends[0], ends[1]), (0, low), ends])
    else:
        points = [(-ends[0], ends[1]), (-between[0], between[1]), (0, low), between, ends]
        neckline = curve(points, closed=False)
    shoulder = [ends, (0.62 * wide, 47.5), (wide - 2, 55), (wide + 4, 80), (wide + 6, 130)]
    right = curve(shoulder, closed=False)
    body = np.concatenate([neckline, right, right[::-1] * (-1, 1)])
    canvas.fill(body, colour)
    inside = canvas.stencil(body)
    for side in (-1, 1):
        canvas.fill(oval(wide + 2, 85, 8, 34), dark, 0.5, side=side, inside=inside, blur=4)

    if shot.clothes == "turtleneck":
        roll = both_sides([(0, 35), (neck + 1.2, 33.5), (neck + 2.4, 48), (0, 51)])
        fold = brushstroke([(-neck - 1, 41), (0, 43.5), (neck + 1, 41)], 1.0, tip=0.5)
        canvas.fill(roll, light)
        canvas.fill(fold, dark, 0.6)
    elif shot.clothes == "collar":
        flap = np.array([(neck + 1, 38.5), (neck + 7, 44), (neck + 1.5, 57), (1.0, 54.5)])
        for side in (-1, 1):
            canvas.fill(flap, light, side=side)
            canvas.fill(brushstroke(flap[1:], 0.8), dark, 0.7, side=side)
        canvas.fill(brushstroke([(0, 55), (0, 75), (0, 95)], 0.9, tip=1), dark, 0.7)
    elif shot.clothes == "hoodie":
        hood = curve([(neck + 1, 36), (neck + 10, 43), (9, 56), (4, 54)])
        cord = brushstroke([(6, 54), (6.5, 62), (6, 70)], 1.1, tip=0.9)
        for side in (-1, 1):
            canvas.fill(hood, dark, side=side)
            canvas.fill(cord, light, side=side)
    else:
        canvas.fill(brushstroke(neckline, 1.6, tip=0.9), dark, 0.8)
