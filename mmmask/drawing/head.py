"""Head, neck and ears of a drawn person. Origin between the eyes, y down, chin at 34."""

import numpy as np

from mmmask.drawing.canvas import Canvas, Points, Stencil, both_sides, curve, mix, oval
from mmmask.drawing.shots import Shot
from mmmask.drawing.traits import Person

CHIN = 34.0


def face_outline(person: Person) -> Points:
    """Return the outline of the head without ears and hair."""
    return curve(both_sides(_right_half(person)))


def half_width(person: Person, y: float) -> float:
    """Return how far the face reaches to either side at height ``y``."""
    right = curve(_right_half(person), closed=False)
    return float(np.interp(y, right[:, 1], right[:, 0]))


def _right_half(person: Person) -> list[tuple[float, float]]:
    skull = [(0, -34.5), (14, -31.5), (22, -21), (person.cheek, -4)]
    below_the_cheek = (0.4 * person.cheek + 0.6 * person.jaw + 1.2, 9)
    return [*skull, below_the_cheek, (person.jaw - 0.6, 19), (person.chin + 1, 30.5), (0, CHIN)]


def draw_neck(canvas: Canvas, person: Person) -> None:
    wide = person.neck
    neck = both_sides([(0, 15), (wide, 15), (wide, 42), (wide + 8, 50), (0, 60)])
    canvas.fill(neck, mix(person.skin, (90, 40, 30), 0.1))
    chin_shadow, inside = oval(0, 31, wide + 3, 10), canvas.stencil(neck)
    canvas.fill(chin_shadow, (80, 30, 25), 0.26, inside=inside, blur=2)


def draw_ears(canvas: Canvas, person: Person, shot: Shot) -> None:
    skin = mix(person.skin, (150, 60, 40), 0.1)
    for side in (-1, 1):
        place = (side * (person.cheek + 0.8) - 0.4 * shot.yaw, 3)
        canvas.fill(oval(0, 0, 3.6, 6.6, -0.12), skin, at=place, side=side)
        canvas.fill(oval(0.4, -0.4, 1.8, 4.2, -0.12), (170, 60, 40), 0.2, at=place, side=side)
        if person.earring is not None:
            shade = mix(person.earring, (0, 0, 0), 0.25)
            canvas.fill(oval(0.3, 8.4, 1.9, 2.3), shade, at=place, side=side)
            canvas.fill(oval(0.1, 8.0, 1.4, 1.8), person.earring, at=place, side=side)


def draw_skin(canvas: Canvas, person: Person, shot: Shot) -> Stencil:
    """Draw the bare face, rounded by shades; return its area."""
    outline = face_outline(person)
    inside = canvas.stencil(outline)
    canvas.fill(outline, person.skin)
    shade = mix(person.skin, (110, 40, 30), 0.5)
    temple, cheek = oval(person.cheek + 2, 8, 5, 30), oval(13.5, 11, 5.5, 4)
    for side in (-1, 1):
        canvas.fill(temple, shade, 0.3, side=side, inside=inside, blur=2.5)
    canvas.fill(oval(0, -38, 26, 12), shade, 0.22, inside=inside, blur=2.5)
    place = (0.6 * shot.yaw, 0.5 * shot.pitch)
    for side in (-1, 1):
        canvas.fill(cheek, (226, 86, 86), person.blush, at=place, side=side, inside=inside, blur=2)
    return inside
