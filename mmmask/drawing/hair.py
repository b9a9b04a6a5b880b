"""Hair behind and in front of a drawn head."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from mmmask.drawing.canvas import (
    Canvas,
    Points,
    Stencil,
    both_sides,
    brushstroke,
    curve,
    mix,
    oval,
)
from mmmask.drawing.shots import Shot
from mmmask.drawing.traits import GREY, WHITE, Hair, Person

# Height of the hairline at these shares of the face's half width; y runs down, 0 at the eyes.
_ACROSS = np.array([-1.0, -0.75, -0.4, 0.0, 0.4, 0.75, 1.0])
_HAIRLINES = {
    "up": (-13, -18.5, -21.5, -22, -21.5, -18.5, -13),
    "bangs": (-6, -9.5, -10.5, -11, -10.5, -9.5, -6),
    "side": (-6, -11, -13.5, -16, -19.5, -21, -12),
    "centre": (-5, -11, -17.5, -24.5, -17.5, -11, -5),
    "spiky": (-12, -18, -18, -18, -18, -18, -12),
}
_M_SHAPE = np.array([3, 10, 8, 3, 8, 10, 3])  # where a hairline goes back first


@dataclass(frozen=True)
class _Cut:
    volume: float  # above the skull
    sideburn: float  # lower end at the temples
    length: float | None = None  # lower end behind the head
    width: float = 0  # half width there
    waves: float = 0


_CUTS = {
    "crop": _Cut(3.4, 4),
    "buzz": _Cut(0.8, 1),
    "mid": _Cut(4.2, 10, length=20, width=27),
    "perm": _Cut(3.0, 6),
    "bob": _Cut(4.0, 10, length=32, width=31),
    "long": _Cut(3.6, 10, length=66, width=31),
    "wavy": _Cut(4.4, 10, length=56, width=34, waves=1.8),
    "bun": _Cut(2.6, 5),
}


def draw_back_hair(canvas: Canvas, person: Person, shot: Shot) -> None:
    """Draw what hangs behind the neck or stands above the head."""
    cut, colour = _CUTS[person.hair.style], person.hair.colour
    if cut.length is not None:
        canvas.fill(_fall(person, cut, cut.length), mix(colour, (0, 0, 0), 0.22))
    if person.hair.style == "bun":
        canvas.fill(oval(0, -41, 10.5, 9), colour, at=(-shot.yaw, 0))
        for x in (-4, 0, 4):
            strand = brushstroke([(x - 2, -46), (x, -41), (x + 1, -36)], 0.8)
            canvas.fill(strand, (0, 0, 0), 0.22, at=(-shot.yaw, 0))


def draw_front_hair(canvas: Canvas, person: Person, shot: Shot) -> None:
    """Draw the cap of hair with its hairline, its locks, strands and shine."""
    hair, cut = person.hair, _CUTS[person.hair.style]
    rng = np.random.default_rng(shot.seed)
    curls = _curls(person, shot, rng) if hair.style == "perm" else []
    if hair.recession > 0.55 and hair.style in ("crop", "buzz", "mid"):
        shapes = _sides(person)
    else:
        shapes = [_cap(person, shot, cut), *curls]
        if cut.length is not None and not hair.tucked:
            shapes += _locks(person, cut, cut.length)
    for shape in shapes:
        canvas.fill(shape, hair.colour, 0.78 if hair.style == "buzz" else 1.0)
    stencil = canvas.stencil(*shapes)
    arc = brushstroke([(-3, 1), (0, 3.4), (3, 1)], 0.9)
    for curl in curls:
        canvas.fill(arc, (0, 0, 0), 0.16, at=curl.mean(axis=0), inside=stencil)
    _draw_strands(canvas, hair, person.cheek, rng, stencil)
    shine = brushstroke([(-16, -22), (-9, -29.5), (0, -31.5), (9, -29.5), (16, -22)], 4.5)
    canvas.fill(shine, (255, 250, 240), 0.2, at=(-shot.yaw, 0), inside=stencil, blur=1.2)


def _fall(person: Person, cut: _Cut, length: float) -> Points:
    """Return the hair behind the head, from the crown to its ends."""
    top = -35 - cut.volume
    right = [(0, top), (16, top + 4), (25, -18), (person.cheek + 3.5, 0)]
    downs = np.linspace(8, length, 7)
    for step, y in enumerate(downs):
        share = (step + 1) / len(downs)
        wave = cut.waves * (1 if step % 2 else -1)
        right.append((person.cheek + 3.5 + share * (cut.width - person.cheek - 3.5) + wave, y))
    right += [(cut.width - 6, length + 3), (0, length + 3)]
    return curve(both_sides(right))


def _cap(person: Person, shot: Shot, cut: _Cut) -> Points:
    """Return the hair over the skull: its outer edge, then back along the hairline."""
    hair, side, top = person.hair, person.cheek, cut.volume
    crown = [(0, -34.5 - top), (12, -32.5 - top), (20.5, -25.5 - 0.6 * top)]
    temple = [(side + 0.5 + 0.4 * top, -12), (side + 1.2, cut.sideburn - 4)]
    outer_right = [*crown, *temple, (side + 0.3, cut.sideburn)]
    outer_left = np.array(outer_right)[:0:-1] * (-1, 1)
    outer = curve(np.concatenate([outer_left, outer_right]), closed=False)
    heights = np.array(_HAIRLINES[hair.fringe], dtype=float) - _M_SHAPE * hair.recession
    heights = np.maximum(heights, -32)[:: hair.part]
    line = np.stack([_ACROSS * (side - 2.2) + 0.8 * shot.yaw, heights], axis=1)
    line[[0, -1], 0] = -side + 1.6, side - 1.6
    inner = curve(line, closed=False)
    if hair.fringe == "spiky":
        zigzag = np.where(np.arange(12) % 2, -13.0, -19.0) - 8 * hair.recession
        inner = np.stack([np.linspace(-0.85, 0.85, 12) * (side - 1), zigzag], axis=1)
    ends = np.array([(side - 1.8, cut.sideburn)])
    return np.concatenate([outer, ends, inner[::-1], ends * (-1, 1)])


def _sides(person: Person) -> list[Points]:
    """Return what a bald head keeps above the ears."""
    side = person.cheek
    inner = [(side - 1.8, 4), (side - 2.4, -6), (side - 4.5, -15), (side - 3.5, -22)]
    outer = [(side + 1, -18), (side + 3.2, -8), (side + 1.5, 4)]
    right = curve(inner + outer)
    return [right, right * (-1, 1)]


def _curls(person: Person, shot: Shot, rng: Generator) -> list[Points]:
    """Return discs along the skull."""
    angles = np.linspace(np.radians(-8), np.radians(188), 15) + rng.normal(0, 0.03, 15)
    curls = []
    for angle in angles:
        x, y = (person.cheek + 2.2) * np.cos(angle), -4 - 33 * np.sin(angle)
        curls.append(oval(x, y, 5.4 + rng.normal(0, 0.4), 5.2 + rng.normal(0, 0.4)))
    for angle in angles[2:-2:2]:
        x, y = (person.cheek - 4) * np.cos(angle) + 0.8 * shot.yaw, -9 - 18 * np.sin(angle)
        curls.append(oval(x, y, 4.6, 4.4))
    return curls


def _locks(person: Person, cut: _Cut, length: float) -> list[Points]:
    """Return the hair that falls in front of the ears."""
    side, wave = person.cheek, cut.waves
    low, middle = length - 2, 0.5 * (side + 4.2 + cut.width)
    outer = [(side - 5, -18), (side + 2.5, -14), (side + 4.2, 2), (middle + wave, 0.35 * low)]
    ends = [(cut.width - wave, 0.7 * low), (cut.width - 1.5, low), (cut.width - 8, low)]
    inner = [(cut.width - 9.5 - wave, 0.7 * low), (side - 2.8 + wave, 0.35 * low)]
    right = curve([*outer, *ends, *inner, (side - 2.6, 2), (side - 3.4, -9)])
    return [right, right * (-1, 1)]


def _draw_strands(
    canvas: Canvas, hair: Hair, cheek: float, rng: Generator, stencil: Stencil
) -> None:
    """Draw single hairs: darker ones, and grey ones where a person turns grey."""
    dark, grey = mix(hair.colour, (0, 0, 0), 0.45), mix(GREY, WHITE, 0.6)
    share_grey = 0.54 * np.sqrt(np.clip(2 * hair.grey - 0.2, 0, 1))
    for angle in np.linspace(-1.25, 1.25, 22) + rng.normal(0, 0.04, 22):
        sin, cos = np.sin(angle), np.cos(angle)
        foot = np.array([(cheek + 1) * sin, -2 - 18 * cos])
        crown = np.array([5 * hair.part + 15 * sin, -35.5 + 6 * abs(sin)])
        path = [foot, 0.5 * (foot + crown) + np.array([3 * sin, -2]), crown]
        if rng.random() < share_grey:
            canvas.fill(brushstroke(path, 1.1, tip=0.2), grey, 0.7, inside=stencil)
        else:
            canvas.fill(brushstroke(path, 0.7, tip=0.2), dark, 0.4, inside=stencil)
