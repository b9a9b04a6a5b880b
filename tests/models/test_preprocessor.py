import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.models import ClsDataPreprocessor
from mmpretrain.structures import DataSample

import mmmask.models.batch_augments.half_face_cutmix  # noqa: F401 - registers
from mmmask.models.preprocessor import FacePreprocessor, normalized
from mmmask.structures import SampleBatch, stacked

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@pytest.fixture
def photos() -> torch.Tensor:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 4, 3), dtype=np.uint8)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def batch_of(photos: torch.Tensor) -> dict:
    batch = SampleBatch()
    batch.gt_label = torch.tensor([0, 3, 7, 12, 17, 3])
    return {"inputs": photos, "data_samples": batch}


def test_a_stacked_batch_gets_the_numbers_of_mmpretrains_preprocessor(photos) -> None:
    ours = FacePreprocessor(mean=MEAN, std=STD)(batch_of(photos))["inputs"]
    theirs = ClsDataPreprocessor(mean=MEAN, std=STD, to_rgb=True)(
        {"inputs": list(photos), "data_samples": [DataSample() for _ in photos]}
    )["inputs"]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    assert ours.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("training", [False, True])
def test_a_list_of_photos_is_augmented_and_mixed_like_a_batch(photos, training) -> None:
    init_default_scope("mmpretrain")
    preprocessor = FacePreprocessor(
        mean=MEAN,
        std=STD,
        device_augment={"rotate": 20, "contrast": 0.2},
        batch_augments={"augments": [{"type": "Mixup", "alpha": 1.0}]},
    )
    batch = batch_of(photos)
    batch["data_samples"].age = torch.tensor([20, 33, 41, 52, 60, -1])
    batch["data_samples"].weight = torch.tensor([1.0, 0.5, 0.0, 2.0, 1.0, 0.25])
    single = {
        "inputs": list(photos),
        "data_samples": [photo.clone() for photo in batch["data_samples"]],
    }
    done = []
    for data in (batch, single):
        np.random.seed(3)  # noqa: NPY002 - MMPretrain draws from it
        torch.manual_seed(3)
        done.append(preprocessor(data, training))
    torch.testing.assert_close(done[1]["inputs"], done[0]["inputs"])
    for name in ("gt_label", "gt_score", "age_score", "weight"):
        one, other = (stacked(data["data_samples"], name) for data in done)
        torch.testing.assert_close(one, other)
        assert (one is not None) == (training or name in ("gt_label", "weight"))


def test_mixup_makes_soft_labels_in_training_only(photos) -> None:
    init_default_scope("mmpretrain")
    preprocessor = FacePreprocessor(
        mean=MEAN, std=STD, batch_augments={"augments": [{"type": "Mixup", "alpha": 1.0}]}
    )
    batch = batch_of(photos)
    batch["data_samples"].person = torch.arange(6)
    trained = preprocessor(batch, training=True)["data_samples"]
    assert "person" not in trained  # a mixed photo shows two
    assert trained.gt_score.shape == (6, 18)
    torch.testing.assert_close(trained.gt_score.sum(dim=1), torch.ones(6))
    assert "gt_score" not in preprocessor(batch_of(photos), training=False)["data_samples"]


def test_the_table_on_a_cpu_holds_the_numbers_of_the_formula() -> None:
    values = torch.arange(256, dtype=torch.uint8).repeat_interleave(3).view(1, 16, 16, 3)
    photos = values.permute(0, 3, 1, 2)  # channels last in memory
    mean, std = (torch.tensor(part).view(3, 1, 1) for part in (MEAN, STD))
    expected = photos.flip(1).float().sub(mean).div(std)
    assert torch.equal(normalized(photos, mean, std), expected)
    contiguous = photos.contiguous()  # no table for this layout
    assert torch.equal(normalized(contiguous, mean, std), expected)


def test_a_slice_of_a_batch_is_normalised_as_the_whole(photos) -> None:
    mean, std = (torch.tensor(part).view(3, 1, 1) for part in (MEAN, STD))
    whole = normalized(photos, mean, std)
    assert torch.equal(normalized(photos[1:3], mean, std), whole[1:3])


@pytest.mark.parametrize("kind", ["Mixup", "CutMix"])
def test_mixed_photos_carry_the_mean_of_their_weighted_losses(photos, kind) -> None:
    init_default_scope("mmpretrain")
    preprocessor = FacePreprocessor(
        mean=MEAN, std=STD, batch_augments={"augments": [{"type": kind, "alpha": 1.0}]}
    )
    weight = torch.tensor([1.0, 0.5, 0.0, 2.0, 1.0, 0.25])
    data = batch_of(photos)
    label = data["data_samples"].gt_label
    data["data_samples"].weight = weight
    np.random.seed(1)  # noqa: NPY002 - MMPretrain's augments draw lambda from it
    torch.manual_seed(1)
    mixed = preprocessor(data, training=True)["data_samples"]
    # The same draws on the bare labels and on the weights tell lambda and the partners.
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    rows, _ = preprocessor.batch_augments(photos.float(), torch.eye(6))[::-1]  # (6, 6) shares
    logits = torch.randn(6, 18)
    losses = torch.nn.functional.cross_entropy(
        logits[:, None].expand(6, 6, 18).reshape(36, 18), label.repeat(6), reduction="none"
    ).reshape(6, 6)
    expected = (rows * weight * losses).sum(dim=1)
    ours = mixed.weight * torch.nn.functional.cross_entropy(
        logits, mixed.gt_score, reduction="none"
    )
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(mixed.weight, rows @ weight, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(mixed.gt_score.sum(dim=1), torch.ones(6))


def test_two_photos_of_weight_0_mix_to_a_finite_target_of_weight_0(photos) -> None:
    init_default_scope("mmpretrain")
    preprocessor = FacePreprocessor(
        mean=MEAN, std=STD, batch_augments={"augments": [{"type": "Mixup", "alpha": 1.0}]}
    )
    data = batch_of(photos)
    data["data_samples"].weight = torch.zeros(6)
    mixed = preprocessor(data, training=True)["data_samples"]
    assert mixed.gt_score.isfinite().all()
    assert mixed.weight.max() < 1e-9


def test_half_faces_keep_hard_labels_and_average_weights(photos) -> None:
    init_default_scope("mmpretrain")
    preprocessor = FacePreprocessor(
        mean=MEAN, std=STD, batch_augments={"augments": [{"type": "HalfFaceCutMix"}]}
    )
    data = batch_of(photos)  # photos 1 and 5 share class 3
    data["data_samples"].weight = torch.tensor([1.0, 0.5, 0.0, 2.0, 1.0, 0.25])
    mixed = preprocessor(data, training=True)["data_samples"]
    assert mixed.gt_score.argmax(dim=1).tolist() == [0, 3, 7, 12, 17, 3]
    torch.testing.assert_close(mixed.gt_score.max(dim=1).values, torch.ones(6))
    torch.testing.assert_close(mixed.weight, torch.tensor([1.0, 0.375, 0.0, 2.0, 1.0, 0.375]))


@pytest.mark.parametrize("kind", ["Mixup", "CutMix"])
def test_ages_are_mixed_by_the_shares_of_the_labels(photos, kind) -> None:
    init_default_scope("mmpretrain")
    preprocessor = FacePreprocessor(
        mean=MEAN, std=STD, batch_augments={"augments": [{"type": kind, "alpha": 1.0}]}
    )
    data = batch_of(photos)
    ages = torch.tensor([20, 33, 41, 52, 60, -1])  # the labels of rows 1 and 5 are the same
    data["data_samples"].age = ages
    np.random.seed(3)  # noqa: NPY002 - MMPretrain draws from it
    torch.manual_seed(3)
    mixed = preprocessor(data, training=True)["data_samples"]
    assert mixed.gt_score.shape == (6, 18)
    assert mixed.age_score.shape == (6, 121)
    assert (mixed.gt_score.count_nonzero(dim=1) > 1).any()
    for label, age in ((0, 20), (7, 41), (12, 52), (17, 60)):
        torch.testing.assert_close(mixed.age_score[:, age], mixed.gt_score[:, label])
    known = mixed.age_score[:, 33]
    assert (known <= mixed.gt_score[:, 3]).all()
    torch.testing.assert_close(1 - mixed.age_score.sum(1), mixed.gt_score[:, 3] - known)


def test_soft_labels_and_ages_of_a_teacher_are_mixed_as_hard_ones_are(photos) -> None:
    init_default_scope("mmpretrain")
    preprocessor = FacePreprocessor(
        mean=MEAN, std=STD, batch_augments={"augments": [{"type": "Mixup", "alpha": 1.0}]}
    )
    random = np.random.default_rng(0)
    soft = torch.from_numpy(random.dirichlet(np.ones(18), 6)).float()
    years = torch.from_numpy(random.dirichlet(np.ones(121), 6)).float()
    data = batch_of(photos)
    data["data_samples"].gt_score, data["data_samples"].age_score = soft, years
    np.random.seed(3)  # noqa: NPY002 - MMPretrain draws from it
    torch.manual_seed(3)
    mixed = preprocessor(data, training=True)["data_samples"]
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    rows, _ = preprocessor.batch_augments(photos.float(), torch.eye(6))[::-1]  # (6, 6) shares
    torch.testing.assert_close(mixed.gt_score, rows @ soft)
    torch.testing.assert_close(mixed.age_score, rows @ years)
    assert (rows.count_nonzero(dim=1) > 1).any()


def test_half_faces_are_joined_by_class_however_soft_the_label_is(photos) -> None:
    init_default_scope("mmpretrain")
    preprocessor = FacePreprocessor(
        mean=MEAN, std=STD, batch_augments={"augments": [{"type": "HalfFaceCutMix"}]}
    )
    data = batch_of(photos)
    soft = torch.full((6, 18), 0.94 / 17)
    soft[range(6), [0, 0, 7, 7, 9, 9]] = 0.06
    data["data_samples"].gt_score = soft
    data["data_samples"].age = torch.tensor([20, 30, 30, 40, 40, 20])  # of other pairs
    data["data_samples"].age_score = torch.eye(121)[[20, 30, 30, 40, 40, 20]]
    mixed = preprocessor(data, training=True)["data_samples"]
    torch.testing.assert_close(mixed.gt_score, soft)
    torch.testing.assert_close(mixed.age_score.max(dim=1).values, torch.full((6,), 0.5))
