import cv2
import numpy as np
import pytest

from mmmask.datasets.augmentations.vary_mask import VaryMask, find_mask, with_cloth
from mmmask.errors import InputError
from mmmask.labels import encode

WORN, INCORRECT, BARE = range(3)
SKIN, CLOTH = (120, 160, 200), (200, 150, 60)  # BGR


def portrait(mask: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a face that is one colour with a mask of another, and where this is."""
    image = np.full((192, 144, 3), 90, dtype=np.uint8)
    cv2.ellipse(image, (72, 105), (50, 78), 0, 0, 360, SKIN, -1)
    region = np.zeros(image.shape[:2], dtype=np.uint8)
    top, bottom = {WORN: (105, 165), INCORRECT: (145, 178), BARE: (0, 0)}[mask]
    region[top:bottom, 42:102] = 1
    image[region == 1] = CLOTH
    noise = np.random.default_rng(0).integers(-4, 5, image.shape)
    return (image + noise).astype(np.uint8), region == 1


def label(mask: int) -> int:
    return int(encode(np.array([mask]), np.array([1]), np.array([2]))[0])


def varied(image: np.ndarray, seed: int = 3, prob: float = 1.0, **known) -> np.ndarray:
    np.random.seed(seed)  # noqa: NPY002 - as the dataset does
    return VaryMask(prob=prob)({"img": image.copy(), **known})["img"]


@pytest.mark.parametrize("mask", [WORN, INCORRECT])
def test_the_mask_is_found_and_little_else(mask: int) -> None:
    image, truth = portrait(mask)
    found = find_mask(image, mask) > 0.5
    assert (found & truth).sum() / (found | truth).sum() > 0.75


@pytest.mark.parametrize("mask", [WORN, INCORRECT])
def test_the_mask_alone_gets_another_cloth(mask: int) -> None:
    image, truth = portrait(mask)
    far = cv2.dilate(truth.astype(np.uint8), np.ones((25, 25))) == 0
    inner = cv2.erode(truth.astype(np.uint8), np.ones((15, 15))) == 1
    drawn = [varied(image, seed, gt_label=label(mask)) for seed in range(12)]
    assert all(np.array_equal(one[far], image[far]) for one in drawn)
    colours = np.array([one[inner].mean(axis=0) for one in drawn])
    assert colours.std(axis=0).min() > 25
    assert np.abs(colours - CLOTH).max(axis=1).min() > 8


@pytest.mark.parametrize(
    "known",
    [{}, {"gt_label": None}, {"gt_label": -1}, {"gt_label": label(BARE)}],
    ids=["no class", "none", "several classes", "bare"],
)
def test_a_photo_stays_where_no_mask_is_known(known: dict) -> None:
    image, _ = portrait(WORN)
    assert np.array_equal(varied(image, **known), image)


def test_a_photo_stays_where_no_mask_is_found() -> None:
    flat = np.full((96, 72, 3), 77, dtype=np.uint8)
    assert not find_mask(flat, INCORRECT).any()
    assert np.array_equal(varied(flat, gt_label=label(INCORRECT)), flat)


def test_the_seed_decides_and_the_share_is_as_asked() -> None:
    image, _ = portrait(WORN)
    one, again, other = (varied(image, seed, gt_label=label(WORN)) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    kept = [np.array_equal(varied(image, s, 0.5, gt_label=label(WORN)), image) for s in range(100)]
    assert abs(np.mean(kept) - 0.5) < 0.2  # four standard deviations


def test_light_and_dark_of_the_old_cloth_stay_in_the_new_one() -> None:
    image, truth = portrait(WORN)
    image[:, 60:66][truth[:, 60:66]] = np.array(CLOTH) // 3  # a fold
    made = [
        with_cloth(image, truth.astype(np.float32), np.random.default_rng(seed))
        for seed in range(40)
    ]
    grey = [cv2.cvtColor(one, cv2.COLOR_BGR2GRAY)[115:155].astype(float) for one in made]
    darker = [one[:, 60:66].mean() < one[:, 48:96].mean() for one in grey]
    assert np.mean(darker) > 0.9


@pytest.mark.parametrize("prob", [-0.1, 1.5])
def test_an_impossible_share_is_refused(prob: float) -> None:
    with pytest.raises(InputError, match=rf"^VaryMask.prob must be from 0 to 1; got {prob}$"):
        VaryMask(prob=prob)
