import pickle
import random
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader
from torchvision.transforms.v2 import functional

import mmmask.register  # noqa: F401
from mmmask.datasets.augmentations.seeded_albumentations import SeededAlbumentations
from mmmask.datasets.batching import stack_photos
from mmmask.datasets.mask_faces import MaskFaceDataset
from mmmask.datasets.sampler import Draw, EpochSampler
from mmmask.errors import InputError

NOISE = {"type": "GaussNoise", "p": 0.5}
ROTATE = {"type": "Rotate", "limit": 30, "border_mode": cv2.BORDER_REFLECT_101, "p": 0.5}
OTHERS = [
    {"type": "OneOf", "transforms": [{"type": "CLAHE"}, {"type": "GaussianBlur"}], "p": 0.5},
    {"type": "RandomGridShuffle", "grid": (3, 3)},
    {"type": "CoarseDropout"},
]


@pytest.fixture(autouse=True)
def albumentations():
    return pytest.importorskip("albumentations")


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)


def augment(transform: SeededAlbumentations, photo: np.ndarray, seed: int) -> np.ndarray:
    np.random.seed(seed)  # noqa: NPY002 - as the dataset does
    return transform({"img": photo})["img"]


def test_the_seed_of_the_photo_decides(photo) -> None:
    transform = SeededAlbumentations([ROTATE, NOISE, *OTHERS])
    first = augment(transform, photo, 3)
    augment(transform, photo, 4)
    np.random.default_rng()  # neither former calls nor other generators matter
    random.seed(99)
    torch.manual_seed(99)
    assert np.array_equal(augment(transform, photo, 3), first)
    assert np.array_equal(augment(SeededAlbumentations([ROTATE, NOISE, *OTHERS]), photo, 3), first)
    assert not np.array_equal(augment(transform, photo, 5), first)


def test_a_copy_for_another_process_draws_the_same(photo) -> None:
    transform = SeededAlbumentations([ROTATE, NOISE, *OTHERS])
    copy = pickle.loads(pickle.dumps(transform))
    assert np.array_equal(augment(copy, photo, 3), augment(transform, photo, 3))


def test_two_transforms_of_probability_one_half_come_independently(photo) -> None:
    fill = {"min_height": 1, "min_width": 1, "border_mode": cv2.BORDER_CONSTANT, "p": 0.5}
    transform = SeededAlbumentations(
        [
            {"type": "PadIfNeeded", **fill, "min_height": 41},
            {"type": "PadIfNeeded", **fill, "min_width": 31},
        ]
    )
    shapes = [augment(transform, photo, seed).shape[:2] for seed in range(400)]
    counts = [shapes.count(shape) for shape in [(40, 30), (41, 30), (40, 31), (41, 31)]]
    assert sum(counts) == 400
    assert min(counts) > 65  # 100 on average; six standard deviations would be 48


def test_transforms_see_rgb(photo) -> None:
    grey = {"type": "ToGray", "p": 1.0}
    result = augment(SeededAlbumentations([grey]), photo, 0)
    expected = cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY)
    assert np.abs(result - expected[..., None].astype(int)).max() <= 1


@pytest.mark.parametrize("hue", [-0.1, 0.05, 0.5])
def test_hue_turns_as_in_torchvision_under_numpy_2(hue: float) -> None:
    # Of strong colours; in grey ones the 180 hues of 8 bits round.
    colours = np.array([[[200, 30, 40], [20, 190, 60], [60, 80, 220], [180, 170, 20]]], np.uint8)
    jitter = {"type": "ColorJitter", "brightness": (1, 1), "contrast": (1, 1)}
    jitter |= {"saturation": (1, 1), "hue": (hue, hue), "p": 1.0}
    result = augment(SeededAlbumentations([jitter]), colours[..., ::-1], 0)[..., ::-1]
    expected = functional.adjust_hue(torch.from_numpy(colours).permute(2, 0, 1), hue)
    assert np.abs(result - expected.permute(1, 2, 0).numpy().astype(int)).max() <= 6


def test_rotation_reflects_at_the_border() -> None:
    photo = np.full((40, 30, 3), 90, dtype=np.uint8)
    rotated = augment(SeededAlbumentations([{**ROTATE, "p": 1.0}]), photo, 1)
    assert (rotated == 90).all()
    assert rotated.shape == photo.shape


def test_neither_workers_nor_a_resumed_epoch_change_photos(make_layout) -> None:
    init_default_scope("mmpretrain")
    dataset = MaskFaceDataset(
        str(make_layout([(f"{n:06d}", "male", 20 + n) for n in range(5)])),
        split="train",
        pipeline=[
            {"type": "LoadPhoto"},
            {"type": "SeededAlbumentations", "transforms": [ROTATE, NOISE, *OTHERS]},
            {"type": "PackPhoto"},
        ],
    )

    def epoch(workers: int, number: int) -> torch.Tensor:
        sampler = EpochSampler(dataset, seed=5)
        sampler.set_epoch(number)
        loader = DataLoader(
            dataset, batch_size=4, sampler=sampler, collate_fn=stack_photos, num_workers=workers
        )
        return torch.cat([batch["inputs"] for batch in loader])

    second = epoch(0, 2)
    assert torch.equal(epoch(2, 2), second)
    assert not torch.equal(epoch(0, 1), second)
    assert torch.equal(dataset[Draw(3, 7)]["inputs"], dataset[Draw(3, 7)]["inputs"])


@pytest.mark.parametrize(
    ("transforms", "sentence"),
    [
        ([{"type": "Rotat"}], "type must be a transform of albumentations .*; got 'Rotat'"),
        ([{"type": "OneOf", "transforms": [{"type": "X"}]}], "got 'X'"),
        ([{"type": "Rotate", "p": 3}], "Rotate: "),
        (
            [{"type": "OneOf", "transforms": [{"type": "Rotate", "limt": 3}]}],
            "'limt' are not valid",
        ),
    ],
)
def test_what_albumentations_does_not_know_is_refused(transforms, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        SeededAlbumentations(transforms)


def test_without_albumentations_the_message_tells_how_to_install_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "albumentations", None)
    with pytest.raises(InputError, match=r"pip install --no-deps -r requirements/albumentations"):
        SeededAlbumentations([ROTATE])
