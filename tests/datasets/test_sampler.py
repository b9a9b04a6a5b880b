import pytest

from mmmask.datasets import sampler as module
from mmmask.datasets.sampler import EpochSampler


def draws(size: int, *, epoch: int = 0, seed: int = 1, **options) -> list:
    sampler = EpochSampler(range(size), seed=seed, **options)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_every_photo_is_drawn_once_an_epoch() -> None:
    assert sorted(draw.row for draw in draws(23)) == list(range(23))


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
