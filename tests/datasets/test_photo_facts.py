import cv2
import numpy as np
import pytest

from mmmask.datasets.photo_facts import difference_hash, nearest_earlier, photo_facts
from mmmask.datasets.transforms import LoadPhoto, Preprocess


def portrait(seed: int, size: tuple[int, int] = (96, 72)) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    return cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC)


def differing(one: np.ndarray, other: np.ndarray) -> int:
    grey = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in (one, other)]
    return int((difference_hash(grey[0]) != difference_hash(grey[1])).sum())


def test_the_hash_follows_its_definition() -> None:
    small = np.random.default_rng(0).integers(0, 256, (8, 9), dtype=np.uint8)
    expected = [
        1 if small[row, column + 1] > small[row, column] else -1
        for row in range(8)
        for column in range(8)
    ]
    assert difference_hash(small).tolist() == expected


def test_a_copy_of_other_size_light_and_compression_is_alike_and_another_photo_is_not() -> None:
    photo = portrait(1)
    brighter = cv2.convertScaleAbs(photo, alpha=0.8, beta=30)
    smaller = cv2.resize(photo, (40, 50), interpolation=cv2.INTER_AREA)
    _, packed = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 60])
    for copy in (brighter, smaller, cv2.imdecode(packed, cv2.IMREAD_COLOR)):
        assert differing(photo, copy) <= 3
    assert differing(photo, portrait(2)) > 15
    assert differing(photo, photo[:, ::-1]) > 15


@pytest.mark.parametrize("chunk", [3, 1024])
def test_nearest_earlier_is_the_one_that_a_loop_finds(chunk: int) -> None:
    random = np.random.default_rng(0)
    bits = np.where(random.random((40, 64)) < 0.5, 1, -1).astype(np.int8)
    bits[30] = bits[7]
    people = random.integers(0, 8, 40)
    people[:2] = 3
    people[[7, 30]] = 0, 1
    index, distance = nearest_earlier(bits, people, chunk=chunk)
    for row in range(40):
        before = [other for other in range(row) if people[other] != people[row]]
        if not before:
            assert (index[row], distance[row]) == (-1, 65)
            continue
        distances = [int((bits[row] != bits[other]).sum()) for other in before]
        assert distance[row] == min(distances)
        assert index[row] == before[distances.index(min(distances))]
    assert (index[30], distance[30]) == (7, 0)


def test_facts_are_of_the_photo_and_of_what_the_network_sees(tmp_path) -> None:
    path = tmp_path / "photo.png"
    image = portrait(3)
    image[:24] = 0  # cropped away
    cv2.imwrite(str(path), image)
    loaded = LoadPhoto().transform({"img_path": str(path)})
    facts = photo_facts(loaded, [Preprocess(size=(48, 72), crop=(0.5, 1.0))])
    seen = image[24:72, :, ::-1].astype(np.float64)
    assert facts.pixels == 48 * 72
    assert facts.shorter_side == 72
    np.testing.assert_allclose(facts.mean, seen.mean(axis=(0, 1)), rtol=1e-9)
    np.testing.assert_allclose(facts.square, (seen**2).mean(axis=(0, 1)), rtol=1e-9)
    assert facts.light == pytest.approx(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).mean())
