"""What years and razors leave on a drawn face: lines, bags, spots, stubble and beards."""

import numpy as np

from mmmask.drawing.canvas import Canvas, Stencil, brushstroke, curve, mix, oval
from mmmask.drawing.shots import Shot
from mmmask.drawing.traits import Person


def draw_age(canvas: Canvas, person: Person, shot: Shot, inside: Stencil) -> None:
    """Draw lines of forehead, eyes and cheeks, bags and spots: the more, the older."""
    depth = person.wrinkles
    line = mix(person.skin, (100, 44, 30), 0.62)
    place = (0.7 * shot.yaw, 0.7 * shot.pitch)

    def crease(
        points: list[tuple[float, float]], width: float, strength: float, side: int = 1
    ) -> None:
        if strength > 0:
            stroke = brushstroke(points, width)
            canvas.fill(stroke, line, min(strength, 0.9), at=place, side=side, inside=inside)

    for row in range(3):  # forehead
        y, reach = -15.2 - 3.2 * row, 12.5 - 1.2 * row
        waves = [(-reach, y + 0.9), (-4, y), (0, y + 0.5), (4, y), (reach, y + 0.9)]
        crease(waves, 0.95, 1.25 * depth - 0.2 - 0.16 * row)
    eye, bag = person.eye_gap, 1.2 * depth - 0.15
    corner = eye + person.eye_width + 1.0
    fold = [(person.nose + 1.0, 12.5), (9.0, 17), (10.4, 22.5), (9.6, 25.5)]  # nose to mouth
    for side in (-1, 1):
        crease([(eye - 4.6, 4.0), (eye, 5.9), (eye + 4.6, 4.0)], 0.8 + 0.3 * depth, bag, side)
        if depth > 0.75:
            crease([(eye - 4.2, 6.3), (eye, 8.2), (eye + 4.4, 6.1)], 0.8, 0.8 * bag, side)
        for turn in (-0.5, 0.1, 0.65):  # crow's feet
            tip = (corner + 4.4 * np.cos(turn), 0.8 + 4.4 * np.sin(turn))
            middle = (0.5 * (corner + tip[0]), 0.5 * (0.8 + tip[1]) + 0.25)
            crease([(corner, 0.8), middle, tip], 0.75, 1.25 * depth - 0.25, side)
        crease(fold, 0.8 + 0.7 * depth, 1.15 * depth - 0.06, side)
        crease([(1.7, -3.2), (2.1, -5.8), (1.5, -8.6)], 0.8, depth - 0.35, side)  # frown
        crease([(8.6, 26), (9.2, 29), (8.2, 31)], 0.8, depth - 0.4, side)  # chin
        # Soft shades, which survive where a small picture loses the lines.
        for shape, colour, strength in (
            (oval(eye, 4.8, 4.8, 2.0), (110, 50, 60), 0.5 * min(bag, 0.8)),
            (curve(fold), line, 0.5 * depth),
            (oval(15.5, 18, 2.6, 6.5, 0.35), line, 0.3 * (depth - 0.35)),  # hollow cheeks
        ):
            canvas.fill(shape, colour, strength, at=place, side=side, inside=inside, blur=1.1)
    for x, y in person.spots:
        canvas.fill(oval(x, y, 0.9, 0.7), line, 0.5, at=place, inside=inside)


def draw_beard(canvas: Canvas, person: Person, shot: Shot, inside: Stencil) -> None:
    colour = mix(person.hair.colour, (40, 40, 50), 0.3 * (1 - person.hair.grey))
    mouth = (1.1 * shot.yaw, 22.6 + shot.pitch)
    if person.stubble > 0.08:
        upper = [(-24.0, 12.0), (-9, 17.5), (0, 16), (9, 17.5), (24, 12)]
        area = curve([*upper, (18, 32), (0, 38), (-18, 32)])
        strength = 0.55 * min(person.stubble, 0.7)
        canvas.fill(area, colour, strength, at=(0.6 * shot.yaw, 0), inside=inside, blur=2)
    if person.beard != "none":
        moustache = [(-8.5, 1.2), (-4.5, -2.8), (0, -3.4), (4.5, -2.8), (8.5, 1.2)]
        canvas.fill(brushstroke(moustache, 2.6, tip=0.35), colour, 0.88, at=mouth)
    if person.beard == "goatee":
        upper = [(-6.5, 4.2), (-2.5, 5.8), (0, 5.6), (2.5, 5.8), (6.5, 4.2)]
        tuft = curve([*upper, (6.5, 9.5), (0, 12.4), (-6.5, 9.5)])
        canvas.fill(tuft, colour, 0.85, at=mouth)
