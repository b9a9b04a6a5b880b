import copy
import pickle

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.evaluation import Accuracy
from mmpretrain.structures import DataSample

from mmmask.errors import InputError
from mmmask.evaluation.metric import MaskFaceMetric
from mmmask.structures import SampleBatch, UncutPhoto, put, stack_ages, stacked


def predicted() -> SampleBatch:
    batch = SampleBatch(metainfo={"attribute": "mask"})
    batch.sample_idx = torch.tensor([7, 3])
    batch.img_path = ["a.jpg", "b.jpg"]
    batch.gt_label = torch.tensor([2, 0])
    batch.pred_score = torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])
    return batch


LOOKS = {
    "index": lambda batch: batch[1],
    "slice": lambda batch: batch[1:][0],
    "iteration": lambda batch: list(batch)[1],
    "new": lambda batch: batch[1].new(),
    "clone": lambda batch: batch[1].clone(),
    "pickle": lambda batch: pickle.loads(pickle.dumps(batch[1])),
    "deepcopy": lambda batch: copy.deepcopy(batch[1]),
    "cpu": lambda batch: batch[1].cpu(),
    "pickled batch": lambda batch: pickle.loads(pickle.dumps(batch))[1],
    "moved batch": lambda batch: batch.to("cpu")[1],
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_photo_of_a_batch_is_a_data_sample_of_mmpretrain(look) -> None:
    photo = LOOKS[look](predicted())
    assert photo.sample_idx == 3
    assert type(photo) is DataSample
    assert photo.metainfo == {"attribute": "mask", "sample_idx": 3, "img_path": "b.jpg"}
    assert {name: value.tolist() for name, value in photo.items()} == {
        "gt_label": [0],
        "pred_score": pytest.approx([0.5, 0.3, 0.2]),
        "pred_label": [0],
    }


def test_what_is_changed_in_photos_is_changed_in_the_batch() -> None:
    batch = predicted()
    assert len(batch) == 2
    for photo, score in zip(batch, torch.eye(3), strict=False):
        photo.set_gt_score(score)
        del photo.pred_label
    assert stacked(batch, "gt_score").tolist() == [[1, 0, 0], [0, 1, 0]]
    assert "pred_label" not in batch
    assert sorted(batch.keys()) == [
        "gt_label", "gt_score", "img_path", "num_classes", "pred_score", "sample_idx"
    ]  # fmt: skip
    assert batch.new()[1].num_classes == 3
    put(batch, "weight", torch.tensor([1.0, 0.5]))
    assert batch[1].weight.tolist() == [0.5]
    assert batch[1].gt_score.tolist() == [0, 1, 0]


def test_a_photo_is_cut_out_only_for_those_who_look_at_it() -> None:
    batch = predicted()
    photos = list(batch)
    assert sorted(photos[0].keys()) == ["gt_label", "pred_label", "pred_score"]
    Evaluator([MaskFaceMetric()]).process(batch)
    assert {type(photo) for photo in photos} == {UncutPhoto}
    metrics = [MaskFaceMetric(), Accuracy()]
    evaluator = Evaluator(metrics)
    evaluator.process(batch)
    assert len(metrics[0].results) == 1
    assert metrics[0].results[0]["row"].tolist() == [7, 3]
    assert metrics[1].compute_metrics(metrics[1].results) == {"top1": 100.0}


@pytest.mark.parametrize("values", [[torch.ones(1), torch.ones(2)], [torch.ones(2), torch.ones(1)]])
def test_photos_with_unequal_fields_cannot_be_stacked(values) -> None:
    samples = [DataSample(gt_label=value) for value in values]
    with pytest.raises(InputError, match="gt_label must have the same number of values"):
        stacked(samples, "gt_label")


def test_an_unmixed_photo_has_all_of_its_age_and_an_unknown_age_nothing() -> None:
    batch = SampleBatch()
    batch.age = torch.tensor([18, -1, 60])
    shares = stack_ages(batch)
    assert shares.shape == (3, 121)
    assert shares.sum(dim=1).tolist() == [1, 0, 1]
    assert shares.argmax(dim=1)[[0, 2]].tolist() == [18, 60]


def test_single_samples_give_the_same_shares() -> None:
    batch = SampleBatch()
    batch.age = torch.tensor([18, -1])
    samples = [DataSample(), DataSample()]
    for sample, age in zip(samples, (18, -1), strict=True):
        sample.age = age
    torch.testing.assert_close(stack_ages(samples), stack_ages(batch))


def test_photos_mixed_without_their_ages_are_refused() -> None:
    batch = SampleBatch()
    batch.age = torch.tensor([18, 20])
    batch.gt_score = torch.full((2, 18), 1 / 18)
    with pytest.raises(InputError, match="got mixed photos with unmixed ages"):
        stack_ages(batch)
