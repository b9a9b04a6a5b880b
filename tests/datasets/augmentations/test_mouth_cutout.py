import numpy as np
import pytest

from mmmask.datasets.augmentations.mouth_cutout import MouthCutout, cut_out
from mmmask.errors import InputError


def test_the_box_alone_is_filled_and_the_photo_given_stays() -> None:
    image = np.full((10, 8, 3), 50, dtype=np.uint8)
    result = cut_out(image, (0.6, 0.25, 0.9, 0.75), 124)
    expected = image.copy()
    expected[6:9, 2:6] = 124
    assert np.array_equal(result, expected)
    assert (image == 50).all()


def test_the_share_of_photos_follows_the_seed() -> None:
    image = np.zeros((10, 8, 3), dtype=np.uint8)
    transform = MouthCutout(prob=0.3)

    def hidden() -> list[bool]:
        np.random.seed(0)  # noqa: NPY002 - as the dataset does
        return [bool(transform({"img": image})["img"].any()) for _ in range(1000)]

    assert hidden() == hidden()
    assert abs(np.mean(hidden()) - 0.3) < 0.06  # four standard deviations


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"prob": 2}, "prob must be from 0 to 1; got 2"),
        ({"box": (0.9, 0.2, 0.6, 0.8)}, r"box must be \(top, left, bottom, right\)"),
    ],
)
def test_impossible_options_are_refused(options, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        MouthCutout(**options)
