import pytest
import torch
from mmpretrain.structures import DataSample

from mmmask.errors import InputError
from mmmask.structures import SampleBatch, stack_ages


def test_an_unmixed_photo_has_all_of_its_age_and_an_unknown_age_nothing() -> None:
    batch = SampleBatch()
    batch.age = torch.tensor([18, -1, 60])
    shares = stack_ages([batch])
    assert shares.shape == (3, 121)
    assert shares.sum(dim=1).tolist() == [1, 0, 1]
    assert shares.argmax(dim=1)[[0, 2]].tolist() == [18, 60]


def test_single_samples_give_the_same_shares() -> None:
    batch = SampleBatch()
    batch.age = torch.tensor([18, -1])
    samples = [DataSample(), DataSample()]
    for sample, age in zip(samples, (18, -1), strict=True):
        sample.age = age
    torch.testing.assert_close(stack_ages(samples), stack_ages([batch]))


def test_photos_mixed_without_their_ages_are_refused() -> None:
    batch = SampleBatch()
    batch.age = torch.tensor([18, 20])
    batch.gt_score = torch.full((2, 18), 1 / 18)
    with pytest.raises(InputError, match="got mixed photos with unmixed ages"):
        stack_ages([batch])


@pytest.mark.parametrize(("attribute", "labels"), [(None, [2, 11]), ("gender", [0, 1])])
def test_a_batch_falls_into_the_photos_that_metrics_of_mmpretrain_read(attribute, labels) -> None:
    batch = SampleBatch()
    batch.sample_idx, batch.gt_label = torch.tensor([7, 3]), torch.tensor([2, 11])
    batch.weight = torch.tensor([0.5, 2.0])
    classes = 18 if attribute is None else 2
    batch.pred_score = torch.eye(classes)[[1, 0]]
    if attribute is not None:
        batch.set_metainfo({"attribute": attribute})
    photos = [photo.to_dict() for photo in batch.photos()]
    assert [photo["sample_idx"] for photo in photos] == [7, 3]
    assert [photo["gt_label"].tolist() for photo in photos] == [[label] for label in labels]
    assert [photo["pred_label"].tolist() for photo in photos] == [[1], [0]]
    assert [photo["weight"].tolist() for photo in photos] == [[0.5], [2.0]]
    assert torch.equal(torch.stack([photo["pred_score"] for photo in photos]), batch.pred_score)
    assert {photo.get("attribute") for photo in photos} == {attribute}
