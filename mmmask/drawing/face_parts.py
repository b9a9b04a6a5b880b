"""Eyes, brows, nose and mouth of a drawn face."""

import numpy as np

from mmmask.drawing.canvas import Canvas, Colour, brushstroke, curve, mix, oval
from mmmask.drawing.shots import Shot
from mmmask.drawing.traits import Person

_LASH: Colour = (36, 24, 24)
_GLEAM: Colour = (255, 246, 236)


def draw_face_parts(canvas: Canvas, person: Person, shot: Shot) -> None:
    _draw_nose(canvas, person, shot)
    _draw_mouth(canvas, person, shot)
    for side in (-1, 1):
        centre = (side * person.eye_gap + 0.8 * shot.yaw, 0.5 + 0.8 * shot.pitch)
        _draw_eye(canvas, person, shot, centre, side)
        _draw_brow(canvas, person, shot, centre, side)


def _draw_eye(
    canvas: Canvas, person: Person, shot: Shot, centre: tuple[float, float], side: int
) -> None:
    """Draw an eye. Its shapes are those of the right half: the inner corner has negative x."""
    width = person.eye_width * (1 - 0.035 * side * shot.yaw)
    height = person.eye_height * shot.eyes_open
    tilt = -np.tan(person.eye_turn) * width  # of the outer corner
    droop = 0.9 * person.wrinkles
    inner_half = [(-width, 0.7), (-0.45 * width, -0.72 * height), (0.15 * width, -height)]
    outer_half = [(0.68 * width, -0.62 * height + 0.6 * tilt + droop), (width, tilt + 0.3)]
    upper = np.array(inner_half + outer_half)
    lower = np.array([(0.5 * width, 0.62 * height + 0.5 * tilt), (-0.3 * width, 0.72 * height)])
    eye = curve(np.concatenate([upper, lower]))
    stencil = canvas.stencil(eye, at=centre, side=side)

    socket = oval(0, -0.6, width + 1.2, height + 1.6)
    shade = mix(person.skin, (120, 50, 40), 0.3)
    canvas.fill(socket, shade, 0.4, at=centre, side=side, blur=0.9)
    if person.lashes > 0.3:
        lid = oval(0.8, -1.4, width + 0.6, height + 0.8)
        shadow = mix(person.lip_colour, (90, 50, 80), 0.5)
        canvas.fill(lid, shadow, 0.45 * person.lashes, at=centre, side=side, blur=0.8)

    canvas.fill(eye, (250, 247, 243), at=centre, side=side)
    look, size = (centre[0] + 0.7 * shot.gaze, centre[1] - 0.25), 0.5 * person.eye_width + 0.3
    canvas.fill(oval(0, 0, size, 1.08 * size), person.iris, at=look, inside=stencil)
    canvas.fill(oval(0, 0, 0.5 * size, 0.55 * size), (14, 10, 10), at=look, inside=stencil)
    under_lid = eye - (0, 1.5 * height)
    canvas.fill(under_lid, (60, 40, 50), 0.25, at=centre, side=side, inside=stencil, blur=0.5)
    canvas.fill(oval(-0.8, -0.9, 0.75, 0.75), (255, 255, 255), at=look, inside=stencil)

    line = brushstroke(upper, 1.0 + person.lashes, tip=0.25)
    canvas.fill(line, _LASH, at=centre, side=side)
    if person.lashes > 0.35:
        for share in (0.55, 0.8, 1.0):
            foot = np.array([share * width, -height * (1.1 - share) + share * tilt])
            tip = foot + person.lashes * np.array([1.2 + 1.4 * share, -1.9 + 0.5 * share])
            bend = 0.5 * (foot + tip) + np.array([0.2, 0.2])
            canvas.fill(brushstroke([foot, bend, tip], 0.8, tip=0.4), _LASH, at=centre, side=side)
    if person.lid_crease:
        crease = brushstroke(upper[1:] - (0, 1.7), 0.5)
        canvas.fill(crease, (90, 44, 36), 0.55, at=centre, side=side)


def _draw_brow(
    canvas: Canvas, person: Person, shot: Shot, centre: tuple[float, float], side: int
) -> None:
    arch = person.brow_arch
    lift = 7.4 + 0.4 * person.brow + shot.brow_lift + 0.3 * arch
    path = [(-5.6, 0.3), (-1.5, -0.5 * arch), (2.6, -arch), (7.0, 0.9)]
    colour = mix(person.hair.colour, (40, 30, 28), 0.45 - 0.35 * person.hair.grey)
    stroke = brushstroke(path, person.brow, tip=0.28)
    canvas.fill(stroke, colour, 0.9, at=(centre[0], centre[1] - lift), side=side)


def _draw_nose(canvas: Canvas, person: Person, shot: Shot) -> None:
    tip, width = (1.3 * shot.yaw, 13.4 + shot.pitch), person.nose
    dark = mix(person.skin, (110, 40, 30), 0.6)
    canvas.fill(oval(-0.5 * shot.yaw, -7.4, 1.7, 7), _GLEAM, 0.3, at=tip, blur=1.2)
    canvas.fill(oval(0, 1.0, width + 0.3, 2.4), dark, 0.3, at=tip, blur=0.8)
    canvas.fill(oval(0, -1.0, 2.3, 1.8), _GLEAM, 0.32, at=tip, blur=0.8)
    nostril = oval(0.48 * width, 1.3, 1.15, 0.75, -0.3)
    wing = brushstroke([(width - 0.7, -1.9), (width, 0.1), (width - 1.3, 1.9)], 0.9)
    for side in (-1, 1):
        canvas.fill(nostril, dark, 0.95, at=tip, side=side)
        canvas.fill(wing, dark, 0.8, at=tip, side=side)
    bridge = brushstroke([(2.2, -9), (1.9, -5), (2.3, -2)], 0.9)
    canvas.fill(bridge, dark, 0.35, at=tip, side=-1 if shot.yaw > 0 else 1)


def _draw_mouth(canvas: Canvas, person: Person, shot: Shot) -> None:
    centre = (1.1 * shot.yaw, 22.6 + shot.pitch)
    width, smile, full = 6.6 + 1.7 * shot.smile, 1.9 * shot.smile, person.lips
    gap = 2.6 * shot.mouth_open * max(shot.smile + 0.3, 0)
    half = 0.5 * width
    left, right = (-width, -smile), (width, -smile)
    bow = [(-3, -full - 0.2), (-1, -full - 0.6), (0, -full), (1, -full - 0.6), (3, -full - 0.2)]
    bottom = [(half, 0.9 * full + gap), (0, 1.35 * full + gap), (-half, 0.9 * full + gap)]
    lips = np.concatenate(
        [curve([left, *bow, right], closed=False), curve([right, *bottom, left], closed=False)]
    )
    canvas.fill(lips, person.lip_colour, at=centre)
    bend = 0.15 - 0.1 * smile  # of the line between the lips, halfway to the corners
    if gap > 0.6:
        below = [(-half, gap + bend), (0, gap + 0.35), (half, gap + bend)]
        hole = curve([left, *below, right, (half, bend), (0, 0.3), (-half, bend)])
        canvas.fill(hole, (84, 24, 28), at=centre)
        teeth = oval(0, -smile - 0.2, 1.1 * width, smile + 0.6 * gap + 0.5)
        canvas.fill(teeth, (252, 248, 240), at=centre, inside=canvas.stencil(hole, at=centre))
    else:
        line = [left, (-half, bend), (0, 0.45), (half, bend), right]
        dark = mix(person.lip_colour, (70, 16, 20), 0.72)
        canvas.fill(brushstroke(line, 0.95, tip=0.5), dark, at=centre)
    canvas.fill(oval(0, 0.95 * full + gap, 2.6, 0.55), _GLEAM, 0.35, at=centre, blur=0.3)
    canvas.fill(oval(0, full + gap + 3.3, 3.6, 0.9), (120, 50, 40), 0.22, at=centre, blur=0.7)
