from dataclasses import replace

import numpy as np
import pytest

from mmmask.drawing.portrait import draw_portrait
from mmmask.drawing.shots import MaskStyle, Shot, random_shot
from mmmask.drawing.traits import Person, random_person

BLUE_MASK = MaskStyle("cloth", (0, 0, 255), "plain", (0, 0, 0))


def person_of(seed: int, gender: str = "female", age: int = 25) -> Person:
    return random_person(np.random.default_rng(seed), gender, age)


def frontal(seed: int, state: str, mask_top: float) -> Shot:
    """A level head in the middle, in the light of day."""
    shot = random_shot(np.random.default_rng(seed), state)
    return replace(
        shot, mask=BLUE_MASK, mask_top=mask_top, x=0, y=0, scale=1, turn=0, yaw=0, pitch=0
    )


def changed(person: Person, shot: Shot) -> np.ndarray:
    """Rows of the picture that the mask changes, for a photo of 96 x 128."""
    masked = draw_portrait(person, shot, (96, 128)).astype(int)
    bare = draw_portrait(person, replace(shot, state="normal"), (96, 128)).astype(int)
    return np.flatnonzero(np.abs(masked - bare).max(axis=(1, 2)) > 30)


# The eyes are in row 63, the nose ends in row 77, the mouth is in row 86, the chin in row 97.


@pytest.mark.parametrize("seed", range(4))
def test_a_worn_mask_covers_nose_and_mouth_and_leaves_the_eyes(seed: int) -> None:
    rows = changed(person_of(seed), frontal(seed, "wear", 6))
    assert 63 < rows.min() < 73
    assert {77, 86, 96} <= set(rows.tolist())


@pytest.mark.parametrize("seed", range(4))
def test_a_mask_under_the_nose_leaves_the_nose(seed: int) -> None:
    shot = frontal(seed, "incorrect", 18.5)
    person = person_of(seed)
    masked = draw_portrait(person, shot, (96, 128))
    bare = draw_portrait(person, replace(shot, state="normal"), (96, 128))
    difference = np.abs(masked.astype(int) - bare)
    assert difference[70:77, 44:53].max() < 12  # nothing but a breath of shadow
    assert difference[84:89, 44:53].mean() > 50


@pytest.mark.parametrize("size", [(32, 32), (48, 64), (200, 90), (60, 150)])
def test_a_picture_of_any_shape_is_filled(size: tuple[int, int]) -> None:
    shot = replace(
        random_shot(np.random.default_rng(1), "wear"),
        wall=(200, 210, 220),
        second_wall=(190, 200, 210),
        background="wall",
    )
    picture = draw_portrait(person_of(1), shot, size)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8
    for corner in (picture[0, 0], picture[0, -1]):
        assert corner.min() > 100  # the wall reaches every edge


def test_the_old_are_greyer_and_more_lined_than_the_young() -> None:
    for gender in ("male", "female"):
        young = [person_of(seed, gender, 22) for seed in range(40)]
        old = [person_of(seed, gender, 70) for seed in range(40)]
        assert (
            np.mean([p.hair.grey for p in young]) < 0.1 < 0.5 < np.mean([p.hair.grey for p in old])
        )
        assert max(p.wrinkles for p in young) < min(p.wrinkles for p in old)


def test_each_cue_of_gender_occurs_on_both_sides() -> None:
    men = [person_of(seed, "male", 40) for seed in range(200)]
    women = [person_of(seed, "female", 40) for seed in range(200)]
    for cue in ("cheek", "jaw", "chin", "eye_height", "brow", "lips", "shoulders", "neck"):
        low, high = sorted(
            ([getattr(p, cue) for p in men], [getattr(p, cue) for p in women]), key=np.mean
        )
        assert max(low) > np.quantile(high, 0.02), cue
    assert {p.hair.style for p in men} >= {"crop", "long", "bob"}
    assert {p.hair.style for p in women} >= {"crop", "long", "bob"}
