"""Heads that learn from batches in which labels and ages are partly known."""

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

import mmmask.register  # noqa: F401 - registers them
from mmmask.labels import encode, fitting_classes
from mmmask.models.preprocessor import FacePreprocessor
from mmmask.structures import SampleBatch, stacked

MEAN, STD = (120.0, 110.0, 100.0), (60.0, 61.0, 62.0)
#: Of each photo: mask, gender, first and last year; the last one is known in full.
PHOTOS = [
    (0, -1, 0, 120),
    (-1, 1, 25, 35),  # which the age cut divides
    (-1, -1, 60, 120),
    (2, 0, 20, 29),
    (1, 1, 0, 120),
    (2, 0, 45, 45),
]
WEIGHT = torch.tensor([1.0, 0.5, 2.0, 1.5, 1.0, 0.25])
HEADS = {
    "linear": {"type": "MaskLinearHead"},
    "arcface": {"type": "MaskArcFaceHead"},
    "decomposed": {"type": "DecomposedHead"},
    "years": {"type": "DecomposedHead", "age": {"type": "CoralAge"}},
    "gender": {"type": "AttributeHead", "attribute": "gender"},
    "age_years": {"type": "AgeHead", "age": {"type": "RegressionAge"}},
}


def head_of(name, **options):
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    return MODELS.build({**HEADS[name], "in_channels": 8, **options})


def batch_of(rows=range(6), weight=None):
    mask, gender, first, last = (np.array(column) for column in zip(*PHOTOS, strict=True))
    fits = torch.from_numpy(fitting_classes(mask, gender, first, last))
    rows = torch.tensor(list(rows))
    batch = SampleBatch()
    batch.gt_label = torch.where(fits.sum(1) == 1, fits.int().argmax(1), -1)[rows]
    batch.fits = fits[rows]
    batch.age = torch.from_numpy(np.where(first == last, first, -1))[rows]
    batch.age_span = torch.from_numpy(np.stack([first, last], axis=1))[rows]
    if weight is not None:
        batch.weight = weight
    return batch


def feats(photos=6):
    generator = torch.Generator().manual_seed(1)
    return (torch.randn(photos, 8, generator=generator),)


def total(head, features, batch):
    return sum(head.loss(features, batch).values())


def test_each_classifier_learns_from_the_photos_that_know_its_attribute() -> None:
    head, (features,) = head_of("decomposed"), feats()
    losses = head.loss((features,), batch_of(weight=WEIGHT))
    for name, known in (("mask", [0, 3, 4, 5]), ("gender", [1, 3, 4, 5]), ("age", [2, 3, 5])):
        p = head.attribute_logits((features,))[name].softmax(1)
        value = {
            "mask": [0, -1, -1, 2, 1, 2],
            "gender": [-1, 1, -1, 0, 1, 0],
            "age": [-1, -1, 2, 0, -1, 1],
        }[name]
        total, norm = 0.0, WEIGHT[known].sum()
        for row in known:
            total = total - WEIGHT[row] * p[row, value[row]].log()
        if name == "age":  # young or middle-aged
            total, norm = total - WEIGHT[1] * p[1, :2].sum().log(), norm + WEIGHT[1]
        torch.testing.assert_close(losses[f"loss_{name}"], total / norm)


def test_an_attribute_that_no_photo_of_the_batch_knows_has_no_gradient() -> None:
    head = head_of("decomposed")
    total(head, (feats()[0][[0, 2]],), batch_of([0, 2])).backward()
    assert (head.classifiers["gender"].weight.grad == 0).all()
    assert (head.classifiers["mask"].weight.grad != 0).any()
    assert (head.classifiers["age"].weight.grad != 0).any()


@pytest.mark.parametrize("row", range(len(PHOTOS)))
def test_the_three_losses_add_up_to_the_joint_probability_of_what_is_known(row) -> None:
    head, features = head_of("decomposed"), (feats()[0][[row]],)
    batch = batch_of([row])
    joint = head(features)[batch.fits].logsumexp(0)
    torch.testing.assert_close(total(head, features, batch), -joint)


@pytest.mark.parametrize("name", HEADS)
def test_a_list_of_photos_has_the_loss_of_their_batch(name) -> None:
    head, batch = head_of(name), batch_of(weight=WEIGHT)
    photos = [photo.clone() for photo in batch]
    torch.testing.assert_close(total(head, feats(), photos), total(head, feats(), batch))


@pytest.mark.parametrize("name", HEADS)
def test_known_photos_as_sets_have_the_loss_of_known_photos(name) -> None:
    head, (features,) = head_of(name), feats(4)
    known = SampleBatch()
    known.gt_label = torch.from_numpy(encode([0, 1, 2, 0], [0, 1, 1, 0], [0, 1, 2, 1]))
    known.age = torch.tensor([20, 44, 60, 31])
    sets = SampleBatch(**dict(known.items()))
    sets.fits = torch.eye(18).bool()[known.gt_label]
    sets.age_span = torch.stack([known.age, known.age], dim=1)
    values = [total(head, (features,), batch) for batch in (known, sets)]
    torch.testing.assert_close(values[1], values[0])


def mixed_by(kind, batch):
    init_default_scope("mmpretrain")
    augment = {"type": kind} if kind == "HalfFaceCutMix" else {"type": kind, "alpha": 1.0}
    preprocessor = FacePreprocessor(mean=MEAN, std=STD, batch_augments={"augments": [augment]})
    np.random.seed(3)  # noqa: NPY002 - MMPretrain draws from it
    torch.manual_seed(3)
    photos = torch.randint(0, 255, (len(PHOTOS), 3, 8, 8)).byte()
    plain = preprocessor({"inputs": photos, "data_samples": None})["inputs"]
    torch.manual_seed(4)
    done = preprocessor({"inputs": photos, "data_samples": batch}, training=True)
    return plain, done


@pytest.mark.parametrize("kind", ["Mixup", "CutMix"])
@pytest.mark.parametrize("name", HEADS)
def test_the_loss_of_mixed_photos_is_the_mix_of_the_losses(name, kind) -> None:
    head = head_of(name)
    plain, done = mixed_by(kind, batch_of(weight=WEIGHT))
    shares = done["data_samples"].shares
    torch.testing.assert_close(shares.sum(1), torch.ones(6))
    assert (shares.count_nonzero(dim=1) == 2).any()
    if kind == "Mixup":  # the photos tell how much of each is in them
        expected = torch.einsum("ij,jchw->ichw", shares, plain)
        torch.testing.assert_close(done["inputs"], expected, rtol=1e-4, atol=1e-4)
    mixed, shown = torch.arange(36) // 6, torch.arange(36) % 6
    weight = (shares * WEIGHT).flatten()
    expected = total(head, (feats()[0][mixed],), batch_of(shown, weight=weight))
    torch.testing.assert_close(total(head, feats(), done["data_samples"]), expected)


def test_mixed_photos_that_are_all_known_have_the_loss_of_soft_labels() -> None:
    known = SampleBatch()
    known.gt_label, known.weight = torch.tensor([0, 3, 7, 12, 17, 3]), WEIGHT
    sets = SampleBatch(**dict(known.items()))
    sets.fits = torch.eye(18).bool()[known.gt_label]
    head = head_of("linear", loss={"type": "SoftmaxFocalLoss", "denominator": "samples"})
    values = [total(head, feats(), mixed_by("Mixup", b)[1]["data_samples"]) for b in (known, sets)]
    torch.testing.assert_close(values[1], values[0])


def test_half_faces_leave_a_photo_whole_that_several_classes_fit() -> None:
    batch = batch_of()
    batch.fits[[3, 5]] = batch.fits[[5]]  # two photos of one class
    shares = mixed_by("HalfFaceCutMix", batch)[1]["data_samples"].shares
    expected = torch.eye(6)
    expected[[3, 3, 5, 5], [3, 5, 3, 5]] = 0.5
    torch.testing.assert_close(shares, expected)


@pytest.mark.parametrize("name", HEADS)
def test_mixed_photos_of_weight_0_have_a_finite_loss(name) -> None:
    samples = mixed_by("Mixup", batch_of(weight=torch.zeros(6)))[1]["data_samples"]
    assert total(head_of(name), feats(), samples) == 0


def test_a_list_of_photos_is_mixed_like_a_batch() -> None:
    batch = batch_of(weight=WEIGHT)
    photos = [photo.clone() for photo in batch]
    done = [mixed_by("Mixup", samples)[1]["data_samples"] for samples in (batch, photos)]
    torch.testing.assert_close(stacked(done[1], "shares"), done[0].shares)
    head = head_of("years")
    torch.testing.assert_close(total(head, feats(), done[1]), total(head, feats(), done[0]))
