"""What a drawn person looks like, by seeded chance.

Every cue of gender and age is noisy, and the classes overlap in each of them. About half of the
cues (hair, brows, lashes, forehead, skin around the eyes) stay visible above a mask.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.random import Generator

from mmmask.drawing.canvas import Colour, mix, rgb

Choice = TypeVar("Choice")

LIGHT_SKIN: Colour = (252, 222, 198)
TAN_SKIN: Colour = (184, 130, 92)
GREY: Colour = (164, 163, 167)
WHITE: Colour = (232, 230, 228)

#: Natural and dyed hair, and the share of people with each colour.
HAIR_COLOURS = rgb("221e21 3a2a24 5c3c2a 865432 b08a5c 742c34")
_HAIR_SHARES = (0.5, 0.28, 0.12, 0.05, 0.03, 0.02)

#: Hair style -> its share among men, its share among women, the fringes it may have.
HAIR_STYLES: dict[str, tuple[float, float, tuple[str, ...]]] = {
    "crop": (0.6, 0.06, ("up", "side", "side", "spiky", "bangs")),
    "buzz": (0.18, 0.01, ("up",)),
    "mid": (0.12, 0.08, ("side", "centre", "bangs")),
    "perm": (0.03, 0.12, ("up", "side")),
    "bob": (0.02, 0.23, ("bangs", "side", "centre")),
    "long": (0.02, 0.23, ("bangs", "side", "centre", "centre")),
    "wavy": (0.01, 0.14, ("side", "centre", "centre")),
    "bun": (0.02, 0.13, ("up", "side", "centre", "bangs")),
}
LONG_STYLES = ("long", "wavy")

GLASSES = ("round", "square", "half")
GLASSES_COLOURS = rgb("28262a 784632 968c82 962832")
EARRINGS = rgb("ecc45c f0f0f4 dc5a6e")

# Years -> how aged skin and hair are; steepest where one age group ends and the next begins.
_AGEING = (18, 27, 33, 56, 62, 80), (0.0, 0.05, 0.48, 0.58, 0.9, 1.05)
_GREYING = (30, 38, 56, 62, 80), (-0.15, 0.05, 0.25, 0.75, 1.0)


@dataclass(frozen=True)
class Hair:
    style: str
    fringe: str
    colour: Colour  # as seen, greying included
    grey: float  # 0 none, 1 all
    recession: float  # 0 full hairline, 1 bald on top
    part: int  # side of the parting, -1 or 1
    tucked: bool  # long hair tucked behind the ears


@dataclass(frozen=True)
class Person:
    """One drawn person. Lengths are in units of a head about 48 wide and 68 high."""

    hair: Hair
    skin: Colour
    blush: float
    wrinkles: float  # 0 smooth, 1 deeply lined
    spots: tuple[tuple[float, float], ...]  # places (x, y)
    cheek: float  # half widths of the face, from top to bottom
    jaw: float
    chin: float
    eye_width: float
    eye_height: float
    eye_gap: float
    eye_turn: float  # radians, outer corner up
    iris: Colour
    lashes: float  # 0 none, 1 made up
    lid_crease: bool
    brow: float  # thickness
    brow_arch: float
    nose: float  # half width
    lips: float  # fullness
    lip_colour: Colour
    stubble: float
    beard: str  # "none", "moustache" or "goatee"
    glasses: str  # "none" or one of GLASSES
    glasses_colour: Colour
    earring: Colour | None
    shoulders: float  # half width
    neck: float  # half width


def random_person(rng: Generator, gender: str, age: int) -> Person:
    """Return the looks of a person, ``"male"`` or ``"female"``, of 18 to about 80 years."""
    female = gender == "female"

    def cue(male_mean: float, female_mean: float, spread: float) -> float:
        return rng.normal(female_mean if female else male_mean, spread)

    looks = age + rng.normal(0, 1.5)
    ageing = float(np.interp(looks, *_AGEING))
    skin = mix(LIGHT_SKIN, TAN_SKIN, 0.9 * rng.beta(1.6, 2.4))
    skin = mix(skin, (np.mean(skin),) * 3, 0.16 * ageing)
    lip_colour = mix(skin, (196, 84, 86), 0.42 - 0.12 * ageing)
    if female and rng.random() < 0.55:
        lip_colour = mix(lip_colour, (206, 38, 66), rng.uniform(0.4, 0.8))
    cheek = cue(24.2, 23.2, 0.8)
    return Person(
        hair=_random_hair(rng, female, looks),
        skin=skin,
        blush=max(cue(0.2, 0.36, 0.07) - 0.24 * ageing, 0),
        wrinkles=float(np.clip(ageing * rng.normal(1, 0.1), 0, 1)),
        spots=tuple(
            (rng.uniform(-19, 19), rng.choice((-18, 9)) + rng.normal(0, 3))
            for _ in range(rng.poisson(7 * max(ageing - 0.55, 0)))
        ),
        cheek=cheek,
        jaw=min(cue(20.6, 18.0, 1.0), cheek - 1),
        chin=cue(10.6, 8.4, 0.9),
        eye_width=cue(5.2, 5.6, 0.3),
        eye_height=cue(2.9, 3.4, 0.25) * (1 - 0.34 * ageing),
        eye_gap=rng.normal(10.6, 0.5),
        eye_turn=rng.normal(0.06, 0.06) - 0.08 * ageing,
        iris=mix((38, 24, 20), (110, 70, 40), rng.random() ** 2),
        lashes=float(np.clip(cue(0.05, 0.65, 0.25), 0, 1)) * (1 - 0.4 * ageing),
        lid_crease=rng.random() < 0.6,
        brow=float(np.clip(cue(3.2, 1.9, 0.5), 1, 4.6)),
        brow_arch=float(np.clip(cue(0.9, 1.8, 0.5), 0, 2.4)),
        nose=cue(5.0, 4.3, 0.4),
        lips=max(cue(2.0, 2.7, 0.4) * (1 - 0.3 * ageing), 1.0),
        lip_colour=lip_colour,
        stubble=0.0 if female else max(rng.normal(0.2, 0.25), 0),
        beard="none" if female else _one_of(rng, ("moustache", "goatee"), 0.16) or "none",
        glasses=_one_of(rng, GLASSES, 0.1 + 0.45 * ageing) or "none",
        glasses_colour=GLASSES_COLOURS[rng.integers(len(GLASSES_COLOURS))],
        earring=_one_of(rng, EARRINGS, 0.5 if female else 0.04),
        shoulders=cue(43, 37, 2),
        neck=cue(13.5, 10.8, 0.8),
    )


def _one_of(rng: Generator, choices: tuple[Choice, ...], probability: float) -> Choice | None:
    """Return any of the choices with this probability, else nothing."""
    return choices[rng.integers(len(choices))] if rng.random() < probability else None


def _random_hair(rng: Generator, female: bool, looks: float) -> Hair:
    shares = {style: of_gender[female] for style, (*of_gender, _) in HAIR_STYLES.items()}
    if female and looks > 50:
        shares |= {style: 0.35 * shares[style] for style in LONG_STYLES}
    chances = np.array(list(shares.values()))
    style = str(rng.choice(list(shares), p=chances / chances.sum()))
    natural = HAIR_COLOURS[rng.choice(len(HAIR_COLOURS), p=_HAIR_SHARES)]
    grey = float(np.clip(np.interp(looks, *_GREYING) + rng.normal(0, 0.08), 0, 1))
    if rng.random() < (0.1 if female else 0.04):  # dyed
        grey *= 0.15
    faded = mix(GREY, WHITE, 1.6 * rng.random() * max(grey - 0.5, 0))
    lost = 0.0 if female else float(np.clip(rng.normal((looks - 24) / 75, 0.22), 0, 1))
    return Hair(
        style=style,
        fringe="up" if lost > 0.45 else str(rng.choice(HAIR_STYLES[style][2])),
        colour=mix(natural, faded, grey),
        grey=grey,
        recession=lost,
        part=int(rng.choice((-1, 1))),
        tucked=rng.random() < 0.4,
    )
