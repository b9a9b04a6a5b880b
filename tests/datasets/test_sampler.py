from collections import Counter

import pytest
from mmengine.dataset import BaseDataset, RepeatDataset

from mmmask.datasets import sampler as module
from mmmask.datasets.sampler import CyclingSampler, EpochSampler
from mmmask.errors import InputError


def draws(size: int, *, epoch: int = 0, seed: int = 1, **options) -> list:
    sampler = EpochSampler(range(size), seed=seed, **options)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_a_wrapped_dataset_which_takes_no_seeds_is_refused() -> None:
    with pytest.raises(InputError, match="as an unwrapped MaskFaceDataset does; got RepeatDataset"):
        EpochSampler(RepeatDataset(BaseDataset(lazy_init=True), times=2, lazy_init=True))


def test_every_photo_is_drawn_once_an_epoch() -> None:
    assert sorted(draw.row for draw in draws(23)) == list(range(23))


def test_times_draws_every_photo_so_often_each_with_a_seed_of_its_own() -> None:
    drawn = draws(7, times=3)
    assert [sorted(draw.row for draw in drawn[start : start + 7]) for start in (0, 7, 14)] == [
        list(range(7))
    ] * 3
    assert [draw.repeat for draw in drawn] == [0] * 7 + [1] * 7 + [2] * 7
    assert len({draw.seed for draw in drawn}) == len(drawn) == 21


def test_times_below_one_is_refused() -> None:
    with pytest.raises(InputError, match=r"^sampler\.times must be at least 1; got 0$"):
        EpochSampler(range(3), times=0)


def test_order_and_seeds_follow_seed_and_epoch() -> None:
    assert draws(50, epoch=3) == draws(50, epoch=3)
    assert draws(50, epoch=3) != draws(50, epoch=4)
    assert draws(50, epoch=3) != draws(50, epoch=3, seed=2)
    assert len({draw.seed for draw in draws(50)}) == 50


def test_without_shuffling_the_order_is_the_datasets() -> None:
    assert [draw.row for draw in draws(7, shuffle=False)] == list(range(7))


@pytest.mark.parametrize("size", [12, 13])
def test_processes_share_out_the_single_process_epoch(monkeypatch, size: int) -> None:
    alone = draws(size)
    shares = []
    for rank in range(4):
        monkeypatch.setattr(module, "get_dist_info", lambda rank=rank: (rank, 4))
        shares.append(draws(size))
    assert {len(share) for share in shares} == {-(-size // 4)}
    merged = [draw for step in zip(*shares, strict=True) for draw in step]
    assert [draw.row for draw in merged[:size]] == [draw.row for draw in alone]
    assert merged[:size] == alone


def rows_of(sampler, epoch):
    sampler.set_epoch(epoch)
    return [draw.row for draw in sampler]


@pytest.mark.parametrize("photos", [1, 4, 10, 23])
def test_passes_go_on_over_the_end_of_an_epoch(photos):
    sampler = CyclingSampler(range(10), photos=photos, seed=3)
    drawn = [row for epoch in range(30) for row in rows_of(sampler, epoch)]
    assert len(drawn) == 30 * photos
    for start in range(0, len(drawn) - 9, 10):
        assert sorted(drawn[start : start + 10]) == list(range(10))


def test_an_epoch_depends_on_seed_and_epoch_alone():
    one, other = (CyclingSampler(range(10), photos=7, seed=3) for _ in range(2))
    list(one)
    one.set_epoch(5)
    other.set_epoch(5)
    assert list(one) == list(other)
    assert list(one) != list(CyclingSampler(range(10), photos=7, seed=4))


def test_processes_share_the_order_of_one_out():
    whole = CyclingSampler(range(10), photos=8, seed=3)
    parts = [CyclingSampler(range(10), photos=4, seed=3) for _ in range(2)]
    for rank, part in enumerate(parts):
        part.rank, part.world_size = rank, 2
    for epoch in range(4):
        for sampler in (whole, *parts):
            sampler.set_epoch(epoch)
        assert list(whole)[::2] == list(parts[0])
        assert list(whole)[1::2] == list(parts[1])


def test_every_photo_is_seen_equally_often_up_to_once():
    sampler = CyclingSampler(range(10), photos=7, seed=0)
    seen = Counter(row for epoch in range(9) for row in rows_of(sampler, epoch))
    assert max(seen.values()) - min(seen.values()) <= 1
