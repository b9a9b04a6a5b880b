import cv2
import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from mmmask.datasets.batching import stack_photos
from mmmask.datasets.transforms import LoadPhoto, PackPhoto, Preprocess, center_crop
from mmmask.errors import InputError, MissingFileError
from mmmask.structures import SampleBatch


def test_a_photo_is_loaded_in_bgr(tmp_path) -> None:
    path = tmp_path / "blue.png"
    cv2.imwrite(str(path), np.full((4, 5, 3), (255, 0, 10), dtype=np.uint8))
    image = LoadPhoto()({"img_path": str(path)})["img"]
    assert image.shape == (4, 5, 3)
    assert image[0, 0].tolist() == [255, 0, 10]


@pytest.mark.parametrize("content", [b"", b"not a photo", b"\xff\xd8\xff\xe0 cut"])
def test_a_broken_photo_is_refused_by_name(tmp_path, content: bytes) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.jpg: not a photo that can be decoded"):
        LoadPhoto()({"img_path": str(path)})


def test_a_missing_photo_is_a_missing_file(tmp_path) -> None:
    with pytest.raises(MissingFileError, match=r"gone\.jpg: no such photo"):
        LoadPhoto()({"img_path": str(tmp_path / "gone.jpg")})


def test_the_crop_is_central() -> None:
    image = np.arange(8 * 6 * 3).reshape(8, 6, 3)
    assert np.array_equal(center_crop(image, (0.5, 1.0)), image[2:6])
    assert np.array_equal(center_crop(image, (1.0, 1.0)), image)


def test_preprocess_gives_height_times_width_and_keeps_a_flat_colour() -> None:
    image = np.full((40, 30, 3), 77, dtype=np.uint8)
    for size in ((16, 12), (80, 90)):
        result = Preprocess(size=size, crop=(0.75, 1.0))({"img": image})
        assert result["img"].shape == (*size, 3)
        assert (result["img"] == 77).all()


def test_shrinking_averages_areas() -> None:
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    image[::2] = 200
    assert (Preprocess(size=(2, 2))({"img": image})["img"] == 100).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"size": (0, 4)},
            r"preprocessing\.size must be \(height, width\) in pixels; got \(0, 4\)",
        ),
        ({"size": (4, 4), "crop": (1.5, 1)}, r"preprocessing\.crop must be two fractions"),
    ],
)
def test_impossible_geometry_is_refused(options, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        Preprocess(**options)


def test_a_stacked_batch_holds_each_photo_label_and_weight_in_order() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 5, 4, 3), dtype=np.uint8)
    items = [
        PackPhoto()({"img": image, "sample_idx": row, "gt_label": 2 * row, "weight": row / 2})
        for row, image in enumerate(images)
    ]
    assert isinstance(items[0]["data_samples"], DataSample)
    batch = stack_photos(items)
    assert np.array_equal(batch["inputs"].permute(0, 2, 3, 1).numpy(), images)
    assert batch["inputs"].is_contiguous(memory_format=torch.channels_last)
    (samples,) = batch["data_samples"]
    assert isinstance(samples, SampleBatch)
    assert samples.sample_idx.tolist() == [0, 1, 2]
    assert samples.gt_label.tolist() == [0, 2, 4]
    assert samples.weight.tolist() == [0, 0.5, 1]
