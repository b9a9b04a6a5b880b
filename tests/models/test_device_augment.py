import math

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import affine as torchvision_affine

from mmmask.errors import InputError
from mmmask.models.device_augment import DeviceAugment, affine


def smooth(height: int = 48, width: int = 36) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    wave = torch.sin(rows / 5) + torch.cos(columns / 7) + columns / 20
    return wave[None, None].repeat(1, 3, 1, 1)


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


@pytest.mark.parametrize("degrees", [-30.0, 10.0])
@pytest.mark.parametrize("scale", [0.9, 1.2])
@pytest.mark.parametrize("mirrored", [1.0, -1.0])
def test_it_is_torchvisions_affine_away_from_the_border(
    degrees: float, scale: float, mirrored: float
) -> None:
    photo = smooth()
    ours = affine(
        photo,
        angle=numbers(math.radians(degrees)),
        scale=numbers(scale),
        shift=torch.tensor([[2 / 36, -3 / 48]]),
        mirrored=numbers(mirrored),
    )
    theirs = torchvision_affine(
        photo.flip(-1) if mirrored < 0 else photo,
        angle=-degrees,  # clockwise there
        translate=[2, -3],
        scale=scale,
        shear=[0.0],
        interpolation=InterpolationMode.BILINEAR,
    )
    middle = (slice(None), slice(None), slice(16, 32), slice(13, 23))
    torch.testing.assert_close(ours[middle], theirs[middle], atol=1e-4, rtol=1e-4)


def test_nothing_to_do_leaves_the_photos() -> None:
    photos = torch.randn(5, 3, 8, 6)
    assert torch.equal(DeviceAugment(flip=0.0)(photos), photos)


def test_each_photo_is_mirrored_or_not_without_interpolation() -> None:
    torch.manual_seed(0)
    photos = torch.randn(400, 3, 8, 6)
    augmented = DeviceAugment(flip=0.25)(photos)
    mirrored = (augmented == photos.flip(-1)).flatten(1).all(1)
    same = (augmented == photos).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 60 < mirrored.sum() < 140  # 100 expected, standard deviation 9


def test_the_border_is_reflected_and_never_empty() -> None:
    torch.manual_seed(0)
    photos = torch.ones(20, 3, 16, 12)
    augmented = DeviceAugment(rotate=45, scale=(0.5, 0.6), shift=0.3)(photos)
    torch.testing.assert_close(augmented, photos)


def test_contrast_and_brightness_stay_in_their_range() -> None:
    torch.manual_seed(0)
    photos = torch.tensor([1.0, 3.0]).view(1, 1, 1, 2).expand(500, 3, 4, 2)
    augmented = DeviceAugment(flip=0.0, contrast=0.2, brightness=0.5)(photos)
    gain = (augmented[..., 1] - augmented[..., 0]) / 2
    offset = augmented[..., 0] - gain
    assert 0.8 <= gain.min() < 0.82
    assert 1.18 < gain.max() <= 1.2
    assert -0.5 <= offset.min() < -0.45
    assert 0.45 < offset.max() <= 0.5


def test_the_same_seed_gives_the_same_batch() -> None:
    photos = torch.randn(4, 3, 8, 6)
    augment = DeviceAugment(rotate=20, shift=0.1, contrast=0.1)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(augment(photos))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"flip": 1.5}, r"flip must be from 0 to 1; got 1\.5"),
        ({"rotate": -1}, "rotate must be from 0 to 180; got -1"),
        ({"scale": (1.2, 0.8)}, r"scale must be \(smallest, largest\)"),
        ({"brightness": 11}, "brightness must be from 0 to 10; got 11"),
    ],
)
def test_an_option_out_of_range_is_refused(options: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        DeviceAugment(**options)
