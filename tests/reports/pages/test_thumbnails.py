import base64

import cv2
import numpy as np
import pytest

from mmmask.reports.pages.thumbnails import HEIGHTS, make_thumbnails


@pytest.fixture
def root(tmp_path):
    noise = np.random.default_rng(0)
    for name in range(20):
        photo = cv2.resize(noise.integers(0, 256, (8, 6, 3), dtype=np.uint8), (120, 160))
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), photo)
    return tmp_path


def decoded(text: str) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)


IMAGES = [f"{name}.jpg" for name in range(20)]


def test_each_is_its_own_photo_made_smaller(root) -> None:
    made = make_thumbnails(root, IMAGES, tallest=64)
    assert made.height == 64
    for image in (IMAGES[0], IMAGES[19]):
        small = decoded(made.data[made.number[image]])
        assert small.shape == (64, 48, 3)
        photo = cv2.resize(cv2.imread(str(root / image)), (48, 64), interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(float) - photo).mean() < 8
    assert made.numbers([IMAGES[3], "other.jpg"]) == [3, -1]


def test_many_photos_become_as_small_as_the_budget_asks(root) -> None:
    whole = make_thumbnails(root, IMAGES)
    assert whole.height == HEIGHTS[0]
    needed = sum(map(len, whole.data))
    heights = [whole.height]
    for budget in (needed // 2, needed // 4):
        made = make_thumbnails(root, IMAGES, budget=budget)
        assert sum(map(len, made.data)) <= budget
        heights.append(made.height)
    assert heights[0] > heights[1] > heights[2]


def test_a_photo_is_never_enlarged_and_is_there_once(root) -> None:
    made = make_thumbnails(root, [IMAGES[0], IMAGES[0]])
    assert len(made.data) == 1
    assert decoded(made.data[0]).shape == (160, 120, 3)


def test_a_small_photo_among_large_ones_is_not_made_smaller_still(root) -> None:
    """Decoding shrinks as far as the photos that were tried allow; 97 photos are not all tried."""
    photo = cv2.imread(str(root / IMAGES[0]))
    names = [f"large_{number}.jpg" for number in range(97)]
    for name in names:
        cv2.imwrite(str(root / name), cv2.resize(photo, (240, 320)))
    cv2.imwrite(str(root / names[1]), photo)
    made = make_thumbnails(root, names, tallest=64)
    assert {decoded(text).shape for text in made.data} == {(64, 48, 3)}


def test_what_cannot_be_read_is_listed_and_crossed(root) -> None:
    (root / "2.jpg").write_bytes(b"broken")
    (root / "3.jpg").write_bytes(b"")
    made = make_thumbnails(root, [*IMAGES, "gone.jpg"])
    assert made.unreadable == ("2.jpg", "3.jpg", "gone.jpg")
    crosses = {made.data[made.number[image]] for image in made.unreadable}
    assert len(crosses) == 1
    assert decoded(crosses.pop()).std() > 5


def test_without_a_readable_photo_there_are_crosses_alone(tmp_path) -> None:
    made = make_thumbnails(tmp_path, ["a.jpg", "b.jpg"])
    assert made.unreadable == ("a.jpg", "b.jpg")
    assert make_thumbnails(tmp_path, []).data == ()
