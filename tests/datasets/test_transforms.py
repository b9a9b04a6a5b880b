import cv2
import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from mmmask.datasets.batching import stack_photos
from mmmask.datasets.photos import center_crop, resized
from mmmask.datasets.transforms import LoadPhoto, PackPhoto, Preprocess
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
    samples = batch["data_samples"]
    assert isinstance(samples, SampleBatch)
    assert samples.sample_idx.tolist() == [0, 1, 2]
    assert samples.gt_label.tolist() == [0, 2, 4]
    assert samples.weight.tolist() == [0, 0.5, 1]


def photo_with_detail(height: int, width: int) -> np.ndarray:
    """A smooth pattern with some noise, as photos have."""
    rows, columns = np.mgrid[:height, :width]
    waves = 127 + 90 * np.sin(rows / 17) * np.cos(columns / 23)
    noise = np.random.default_rng(0).normal(0, 6, (height, width))
    return np.repeat((waves + noise).clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


@pytest.mark.parametrize("size", [(224, 224), (160, 120), (64, 48), (100, 300)])
def test_resizing_stays_near_area_averaging(size: tuple[int, int]) -> None:
    image = photo_with_detail(512, 384)
    exact = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA).astype(float)
    error = np.abs(resized(image, size) - exact)
    assert resized(image, size).shape == (*size, 3)
    assert error.mean() < 3  # grey levels of 255


def test_an_image_of_the_right_size_is_not_touched() -> None:
    image = photo_with_detail(16, 12)
    assert resized(image, (16, 12)) is image


@pytest.mark.parametrize(
    ("at_least", "shape"),
    [((160, 120), (256, 192)), ((64, 48), (64, 48)), ((300, 300), (512, 384)), ((600, 400), None)],
)
def test_a_jpeg_is_decoded_at_the_smallest_scale_that_is_large_enough(
    tmp_path, at_least: tuple[int, int], shape: tuple[int, int] | None
) -> None:
    path = tmp_path / "photo.jpg"
    cv2.imwrite(str(path), photo_with_detail(512, 384))
    reduced = LoadPhoto(at_least=at_least)({"img_path": str(path)})["img"]
    assert reduced.shape[:2] == (shape or (512, 384))
    full = resized(LoadPhoto()({"img_path": str(path)})["img"], (64, 48)).astype(float)
    assert np.abs(resized(reduced, (64, 48)) - full).mean() < 2


def test_another_format_is_decoded_at_full_scale(tmp_path) -> None:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), photo_with_detail(512, 384))
    assert LoadPhoto(at_least=(16, 16))({"img_path": str(path)})["img"].shape == (512, 384, 3)


def test_a_mirrored_view_is_packed_as_it_looks() -> None:
    image = photo_with_detail(8, 6)
    image[:, 0] = 255
    mirrored = PackPhoto()({"img": image[:, ::-1]})["inputs"]
    assert np.array_equal(mirrored.permute(1, 2, 0).numpy(), image[:, ::-1])
