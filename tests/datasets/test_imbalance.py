import numpy as np
import pytest
import torch

from mmmask.class_weights import effective_number
from mmmask.datasets import sampler as sampler_module
from mmmask.datasets.imbalance import (
    BalancedSampler,
    MinoritySampler,
    UnderSampler,
    groups_of,
    systematic_draws,
)
from mmmask.datasets.sampler import EpochSampler, earlier_draws
from mmmask.errors import InputError
from mmmask.labels import decode

COUNTS = np.array([50, 40, 8, 70, 81, 11, 10, 8, 2, 14, 16, 2, 10, 8, 2, 14, 16, 3])


class Photos:
    """A dataset of which samplers need the labels alone."""

    def __init__(self, counts: np.ndarray = COUNTS) -> None:
        self._labels = np.random.default_rng(0).permutation(np.repeat(np.arange(18), counts))

    def labels(self) -> np.ndarray:
        return self._labels

    def __len__(self) -> int:
        return len(self._labels)


def rows(sampler: EpochSampler, epoch: int = 0) -> np.ndarray:
    sampler.set_epoch(epoch)
    return np.array([draw.row for draw in sampler])


SAMPLERS = [
    (BalancedSampler, {"by": "class"}),
    (BalancedSampler, {"by": "age", "rule": "effective_number"}),
    (UnderSampler, {"by": "age"}),
    (MinoritySampler, {"times": 3}),
]


@pytest.mark.parametrize("by", ["class", "mask", "gender", "age"])
def test_each_group_is_drawn_alike_often(by: str) -> None:
    photos = Photos()
    groups = groups_of(photos, by)
    drawn = rows(BalancedSampler(photos, by=by, seed=0))
    assert len(drawn) == len(photos)
    counts = np.bincount(groups[drawn])
    assert np.abs(counts - len(photos) / len(counts)).max() < 1


def test_each_photo_is_drawn_its_expected_number_of_times_rounded_down_or_up() -> None:
    photos = Photos()
    labels = photos.labels()
    expected = (len(photos) / 18 / COUNTS)[labels]
    times = np.bincount(rows(BalancedSampler(photos, seed=3)), minlength=len(photos))
    assert ((times == np.floor(expected)) | (times == np.ceil(expected))).all()


def test_over_epochs_the_frequencies_are_the_expected_ones() -> None:
    photos = Photos()
    sampler = BalancedSampler(photos, rule="effective_number", seed=1)
    weights = effective_number(torch.from_numpy(COUNTS).double()).numpy()[photos.labels()]
    expected = len(photos) * weights / weights.sum()
    epochs = 2000
    times = np.zeros(len(photos))
    for epoch in range(epochs):
        times += np.bincount(rows(sampler, epoch), minlength=len(photos))
    deviation = np.sqrt(0.25 / epochs)  # of the mean of a count that is one of two neighbours
    np.testing.assert_allclose(times / epochs, expected, atol=5 * deviation)


def test_systematic_draws_of_whole_numbers_are_exact() -> None:
    expected = np.array([2.0, 0.0, 1.0, 3.0])
    drawn = systematic_draws(expected, np.zeros(4, dtype=np.int64), np.random.default_rng(0))
    assert np.bincount(drawn, minlength=4).tolist() == [2, 0, 1, 3]


def test_absent_classes_are_never_drawn_and_upset_nothing() -> None:
    counts = COUNTS.copy()
    counts[[8, 17]] = 0
    drawn = rows(BalancedSampler(photos := Photos(counts), seed=0))
    per_class = np.bincount(photos.labels()[drawn], minlength=18)
    assert (per_class[[8, 17]] == 0).all()
    assert np.abs(per_class[counts > 0] - len(photos) / 16).max() < 1


@pytest.mark.parametrize("most", [None, 20, 1000])
def test_undersampling_draws_at_most_so_many_of_a_group_and_none_twice(most) -> None:
    photos = Photos()
    sampler = UnderSampler(photos, by="age", most=most, seed=0)
    drawn = rows(sampler)
    counts = np.bincount(decode(photos.labels())["age"])
    kept = np.bincount(decode(photos.labels()[drawn])["age"])
    assert kept.tolist() == np.minimum(counts, most or counts.min()).tolist()
    assert len(set(drawn)) == len(drawn) == len(sampler)
    assert set(rows(sampler, 1)) != set(drawn) or most == 1000


@pytest.mark.parametrize("times", [1, 2, 5])
def test_the_minority_is_drawn_so_many_times_and_the_others_once(times: int) -> None:
    photos = Photos()
    sampler = MinoritySampler(photos, attribute="age", value=">=60", times=times, seed=0)
    counts = np.bincount(drawn := rows(sampler), minlength=len(photos))
    assert counts.tolist() == np.where(photos.labels() % 3 == 2, times, 1).tolist()
    assert len(drawn) == len(sampler)


def test_each_draw_knows_how_often_its_photo_came_before() -> None:
    assert earlier_draws(np.array([4, 7, 4, 4, 7, 1])).tolist() == [0, 0, 1, 2, 1, 0]
    assert earlier_draws(np.array([], dtype=np.int64)).tolist() == []


@pytest.mark.parametrize(("kind", "options"), SAMPLERS)
def test_an_epoch_follows_seed_and_number_alone(kind, options) -> None:
    def draws(seed: int, epoch: int) -> list:
        sampler = kind(Photos(), seed=seed, **options)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert draws(1, 3) == draws(1, 3)
    assert draws(1, 3) != draws(1, 4)
    assert draws(1, 3) != draws(2, 3)


@pytest.mark.parametrize(("kind", "options"), SAMPLERS)
def test_processes_share_out_the_single_process_epoch(monkeypatch, kind, options) -> None:
    alone = list(kind(Photos(), seed=1, **options))
    shares = []
    for rank in range(4):
        monkeypatch.setattr(sampler_module, "get_dist_info", lambda rank=rank: (rank, 4))
        shares.append(list(kind(Photos(), seed=1, **options)))
    assert {len(share) for share in shares} == {-(-len(alone) // 4)}
    merged = [draw for step in zip(*shares, strict=True) for draw in step]
    assert merged[: len(alone)] == alone


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        (BalancedSampler, {"by": "race"}, "by must be one of class, mask, gender, age; got 'race'"),
        (BalancedSampler, {"rule": "x"}, "rule must be one of one_minus_share, .*; got 'x'"),
        (UnderSampler, {"most": 0}, "most must be at least 1 photo per group; got 0"),
        (MinoritySampler, {"value": "60"}, "mask: wear, .*; got 'age' and '60'"),
        (MinoritySampler, {"times": 0}, "times must be at least 1; got 0"),
    ],
)
def test_wrong_options_are_refused(kind, options, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        kind(Photos(), **options)


def test_a_dataset_without_labels_is_refused() -> None:
    with pytest.raises(InputError, match=r"must have `labels\(\)`.*got range"):
        BalancedSampler(range(9))


class PartlyKnown(Photos):
    """Half of the photos know gender and age, and half of these the mask."""

    def labels(self) -> np.ndarray:
        return np.where(np.arange(len(self)) % 4 == 1, self._labels, -1)

    def fits(self) -> np.ndarray:
        same = self._labels[:, None] % 6 == np.arange(18) % 6
        whole = self._labels[:, None] == np.arange(18)
        number = np.arange(len(self))[:, None]
        return np.where(number % 4 == 1, whole, same | (number % 2 == 0))


@pytest.mark.parametrize(("by", "step"), [("gender", 2), ("class", 4)])
def test_photos_of_an_unknown_group_are_drawn_once(by, step) -> None:
    photos = PartlyKnown()
    groups = groups_of(photos, by)
    known = np.arange(len(photos)) % step == 1
    truth = photos._labels if by == "class" else decode(photos._labels)[by]
    assert groups.tolist() == np.where(known, truth, -1).tolist()
    for sampler in (BalancedSampler(photos, by=by, seed=0), UnderSampler(photos, by=by, seed=0)):
        drawn = rows(sampler)
        assert len(drawn) == len(sampler)
        assert sorted(drawn[~known[drawn]]) == np.flatnonzero(~known).tolist()
        counts = np.bincount(groups[drawn[known[drawn]]])
        counts = counts[counts > 0]
        assert counts.max() - counts.min() <= 1
    twice = rows(MinoritySampler(photos, attribute="gender", value="female", times=2, seed=0))
    women = groups_of(photos, "gender") == 1
    assert np.bincount(twice).tolist() == (1 + women).tolist()
