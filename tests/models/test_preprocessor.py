import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.models import ClsDataPreprocessor
from mmpretrain.structures import DataSample

from mmmask.models.preprocessor import FacePreprocessor
from mmmask.structures import SampleBatch

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@pytest.fixture
def photos() -> torch.Tensor:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 4, 3), dtype=np.uint8)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def batch_of(photos: torch.Tensor) -> dict:
    batch = SampleBatch()
    batch.gt_label = torch.tensor([0, 3, 7, 12, 17, 3])
    return {"inputs": photos, "data_samples": [batch]}


def test_a_stacked_batch_gets_the_numbers_of_mmpretrains_preprocessor(photos) -> None:
    ours = FacePreprocessor(mean=MEAN, std=STD)(batch_of(photos))["inputs"]
    theirs = ClsDataPreprocessor(mean=MEAN, std=STD, to_rgb=True)(
        {"inputs": list(photos), "data_samples": [DataSample() for _ in photos]}
    )["inputs"]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    assert ours.is_contiguous(memory_format=torch.channels_last)


def test_a_list_of_photos_takes_mmpretrains_path(photos) -> None:
    samples = [DataSample().set_gt_label(3) for _ in photos]
    data = FacePreprocessor(mean=MEAN, std=STD)({"inputs": list(photos), "data_samples": samples})
    assert data["inputs"].shape == photos.shape
    assert len(data["data_samples"]) == len(photos)


def test_mixup_makes_soft_labels_in_training_only(photos) -> None:
    init_default_scope("mmpretrain")
    preprocessor = FacePreprocessor(
        mean=MEAN, std=STD, batch_augments={"augments": [{"type": "Mixup", "alpha": 1.0}]}
    )
    trained = preprocessor(batch_of(photos), training=True)["data_samples"][0]
    assert trained.gt_score.shape == (6, 18)
    torch.testing.assert_close(trained.gt_score.sum(dim=1), torch.ones(6))
    assert "gt_score" not in preprocessor(batch_of(photos), training=False)["data_samples"][0]


@pytest.mark.parametrize("kind", ["Mixup", "CutMix"])
def test_ages_are_mixed_by_the_shares_of_the_labels(photos, kind) -> None:
    init_default_scope("mmpretrain")
    preprocessor = FacePreprocessor(
        mean=MEAN, std=STD, batch_augments={"augments": [{"type": kind, "alpha": 1.0}]}
    )
    data = batch_of(photos)
    ages = torch.tensor([20, 33, 41, 52, 60, -1])  # the labels of rows 1 and 5 are the same
    data["data_samples"][0].age = ages
    np.random.seed(3)  # noqa: NPY002 - MMPretrain draws from it
    torch.manual_seed(3)
    mixed = preprocessor(data, training=True)["data_samples"][0]
    assert mixed.gt_score.shape == (6, 18)
    assert mixed.age_score.shape == (6, 121)
    assert (mixed.gt_score.count_nonzero(dim=1) > 1).any()
    for label, age in ((0, 20), (7, 41), (12, 52), (17, 60)):
        torch.testing.assert_close(mixed.age_score[:, age], mixed.gt_score[:, label])
    known = mixed.age_score[:, 33]
    assert (known <= mixed.gt_score[:, 3]).all()
    torch.testing.assert_close(1 - mixed.age_score.sum(1), mixed.gt_score[:, 3] - known)
