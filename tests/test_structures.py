import pytest
import torch
from mmpretrain.structures import DataSample

from mmmask.errors import InputError
from mmmask.structures import SampleBatch, stack_ages


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
