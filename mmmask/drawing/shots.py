"""What changes by seeded chance from one drawn photo of a person to the next.

Nothing here depends on the person, so masks, clothes, light and background tell nothing about
gender and age.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from mmmask.drawing.canvas import Colour, mix, rgb

CLOTHES = ("crew", "vee", "collar", "turtleneck", "hoodie")
BACKGROUNDS = ("plain", "wall", "circles", "stripes", "shelf")

#: Kind of mask -> (its share, colours to choose from).
MASKS: dict[str, tuple[float, tuple[Colour, ...]]] = {
    "surgical": (0.45, rgb("a8d0ec a8d0ec f4f6f8 b0dece f8c8d4 3a3c42")),
    "cloth": (0.35, rgb("2c2c32 2c2c32 344268 8a8e96 a83a3e 6e7854 e2d0b6 d68296")),
    "kn95": (0.20, rgb("f6f6f4 f6f6f4 383a40 d6cec4")),
}
PATTERNS = ("plain", "plain", "plain", "dots", "stripes", "checks")  # of cloth masks
PATTERN_COLOURS = rgb("faf6ee fad66e 78b4be")


@dataclass(frozen=True)
class MaskStyle:
    kind: str
    colour: Colour
    pattern: str
    second_colour: Colour


@dataclass(frozen=True)
class Shot:
    """One photo's circumstances. Lengths are in units of a head about 48 wide and 68 high."""

    state: str  # "wear", "incorrect" or "normal"
    mask: MaskStyle
    mask_top: float  # height of its upper edge, units below the line of the eyes
    x: float  # of the head, from its usual place
    y: float
    scale: float
    turn: float  # radians
    yaw: float  # how far the parts of the face move aside as the head turns, units
    pitch: float
    smile: float  # -0.25 to 1
    mouth_open: float  # 0 to 1
    brow_lift: float
    eyes_open: float
    gaze: float
    light: Colour  # gain of each channel
    side_light: float  # more gain at the right edge, less at the left
    clothes: str
    cloth_colour: Colour
    background: str
    wall: Colour
    second_wall: Colour
    seed: int  # of small scatter: strands of hair, background, noise


def random_shot(rng: Generator, state: str) -> Shot:
    """Return the circumstances of a photo with the mask worn in this ``state``."""
    wall = _any_colour(rng)
    return Shot(
        state=state,
        mask=_random_mask(rng),
        mask_top=_random_mask_top(rng, state),
        x=rng.normal(0, 3.2),
        y=rng.normal(0, 2.5),
        scale=rng.uniform(0.95, 1.16),
        turn=rng.normal(0, 0.055),
        yaw=rng.uniform(-2.6, 2.6),
        pitch=rng.uniform(-1.2, 1.2),
        smile=rng.uniform(-0.25, 1),
        mouth_open=max(rng.uniform(-1.2, 1), 0),
        brow_lift=rng.normal(0, 0.6),
        eyes_open=rng.uniform(0.82, 1.08),
        gaze=rng.normal(0, 0.6),
        light=tuple(rng.uniform(0.86, 1.08) * rng.uniform(0.96, 1.04, 3)),
        side_light=rng.normal(0, 0.09),
        clothes=str(rng.choice(CLOTHES)),
        cloth_colour=_any_colour(rng),
        background=str(rng.choice(BACKGROUNDS)),
        wall=wall,
        second_wall=mix(wall, _any_colour(rng), 0.35),
        seed=int(rng.integers(2**31)),
    )


def _random_mask_top(rng: Generator, state: str) -> float:
    """Return the height of the mask's upper edge; the nose's tip is at 13, the mouth at 23."""
    if state == "incorrect":
        low, high = (27, 29.5) if rng.random() < 0.45 else (16.5, 19)  # at the chin, under the nose
        return rng.uniform(low, high)
    return rng.uniform(4, 8.5)


def _random_mask(rng: Generator) -> MaskStyle:
    kind = str(rng.choice(list(MASKS), p=[share for share, _ in MASKS.values()]))
    colours = MASKS[kind][1]
    return MaskStyle(
        kind=kind,
        colour=colours[rng.integers(len(colours))],
        pattern=str(rng.choice(PATTERNS)) if kind == "cloth" else "plain",
        second_colour=PATTERN_COLOURS[rng.integers(len(PATTERN_COLOURS))],
    )


def _any_colour(rng: Generator) -> Colour:
    """Return a muted colour of any hue and most brightnesses."""
    hue = 0.5 + 0.5 * np.cos(2 * np.pi * (rng.random() + np.array([0, 1 / 3, 2 / 3])))
    return mix((rng.uniform(50, 245),) * 3, 255 * hue, rng.uniform(0.04, 0.32))
