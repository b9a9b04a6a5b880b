"""Batches and weights that hold the sources in stated shares."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mmmask.datasets import sampler as module
from mmmask.datasets.imbalance import BalancedSampler
from mmmask.datasets.mask_faces import MaskFaceDataset
from mmmask.datasets.mixture import Mixture, with_mixture_weights
from mmmask.datasets.sampler import CyclingSampler, EpochSampler, PersonSampler
from mmmask.errors import InputError

SIZES = {"masks": 60, "ages": 25, "mine": 5}
WEIGHTS = {"masks": 1.0, "ages": 2.0, "mine": 1.0}
SHARES = {"masks": 0.25, "ages": 0.5, "mine": 0.25}


class Photos:
    """As much of a dataset as the sampler looks at."""

    def __init__(self, weights: dict[str, float] | None = WEIGHTS) -> None:
        source = np.repeat([*SIZES], [*SIZES.values()])
        images = [f"{number}.jpg" for number in range(len(source))]
        self.samples = pd.DataFrame({"image": images, "source": source})
        self.source_weights = weights

    def __len__(self) -> int:
        return len(self.samples)

    def labels(self) -> np.ndarray:
        return np.arange(len(self)) % 18

    def people(self) -> np.ndarray:
        return np.arange(len(self))


def epoch_of(epoch: int = 0, *, seed: int = 1, weights: dict[str, float] | None = WEIGHTS) -> list:
    sampler = EpochSampler(Photos(weights), seed=seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def sources(draws) -> list[str]:
    return Photos().samples["source"].iloc[[draw.row for draw in draws]].tolist()


def test_each_batch_has_the_shares_and_an_epoch_as_many_photos() -> None:
    drawn = [name for epoch in range(3) for name in sources(epoch_of(epoch))]
    assert len(drawn) == 3 * 90
    for start in range(0, len(drawn) - 7, 8):
        assert Counter(drawn[start : start + 8]) == {"ages": 4, "masks": 2, "mine": 2}, start


@pytest.mark.parametrize("size", [1, 7, 32])
def test_odd_shares_are_right_from_the_first_photo_on(size: int) -> None:
    weights = {"masks": 0.61, "ages": 0.38, "mine": 0.01}
    drawn = [name for epoch in range(40) for name in sources(epoch_of(epoch, weights=weights))]
    for end in range(size, len(drawn), size):
        counts = Counter(drawn[:end])
        assert all(abs(counts[name] - share * end) < 1 for name, share in weights.items())


def test_each_source_comes_whole_before_it_comes_again() -> None:
    drawn = [draw.row for epoch in range(8) for draw in epoch_of(epoch)]
    for first, size in ((0, 60), (60, 25), (85, 5)):
        mine = [row for row in drawn if first <= row < first + size]
        whole = len(mine) // size * size
        assert whole >= 2 * size
        passes = [mine[start : start + size] for start in range(0, whole, size)]
        assert all(sorted(one) == list(range(first, first + size)) for one in passes)
        assert passes[0] != passes[1]


def test_order_and_seeds_follow_seed_and_epoch() -> None:
    assert epoch_of(3) == epoch_of(3)
    assert epoch_of(3) != epoch_of(4)
    assert epoch_of(3) != epoch_of(3, seed=2)


@pytest.mark.parametrize("processes", [2, 3, 4])
def test_each_process_has_the_shares_and_together_they_draw_the_epoch(
    monkeypatch, processes: int
) -> None:
    alone = epoch_of(2)
    whole = []
    for rank in range(processes):
        monkeypatch.setattr(module, "get_dist_info", lambda rank=rank: (rank, processes))
        mine = epoch_of(2)
        whole += mine
        assert len(mine) == -(-90 // processes)
        for end in range(8, len(mine), 8):
            counts = Counter(sources(mine[:end]))
            assert all(abs(counts[name] - share * end) <= 2 for name, share in SHARES.items())
    more = len(whole) - 90
    assert sum((Counter(whole) - Counter(alone)).values()) == more  # to fill the last step


def test_without_weights_or_shuffling_nothing_changes() -> None:
    plain = EpochSampler(range(90), seed=1)
    assert epoch_of(weights=None) == list(plain)
    in_order = EpochSampler(Photos(), seed=1, shuffle=False)
    assert [draw.row for draw in in_order] == list(range(90))


def test_a_source_of_weight_0_never_comes() -> None:
    assert Counter(sources(epoch_of(weights={**WEIGHTS, "ages": 0}))) == {"masks": 45, "mine": 45}


@pytest.mark.parametrize(
    "build",
    [
        lambda data: BalancedSampler(data, seed=1),
        lambda data: PersonSampler(data, seed=1),
        lambda data: CyclingSampler(data, photos=8, seed=1),
    ],
)
def test_samplers_with_frequencies_of_their_own_refuse_a_mixture(build) -> None:
    build(Photos(None))
    with pytest.raises(InputError, match=r"leave out the weights of data\.table, or use Ep"):
        build(Photos())


def test_the_dataset_states_its_mixture_for_training_alone(tmp_path) -> None:
    tables = []
    for name, photos, weight in (("many", 40, 1.0), ("few", 10, 3.0)):
        images = [f"{name}{number}.jpg" for number in range(photos)]
        for image in images:
            (tmp_path / image).touch()
        table = pd.DataFrame({"image": images, "label": 0, "fold": np.arange(photos) % 2})
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        tables.append({"table": str(tmp_path / f"{name}.csv"), "weight": weight})
    train, val = (
        MaskFaceDataset(str(tmp_path), split=split, table=tables, folds=2)
        for split in ("train", "val")
    )
    drawn = [train.samples["source"][draw.row] for draw in EpochSampler(train, seed=0)]
    assert len(drawn) == 25
    assert Counter(drawn[:24]) == {"many": 6, "few": 18}
    assert len({draw.row for draw in EpochSampler(val, seed=0)}) == 25


def test_weights_give_each_source_its_share_of_the_sum() -> None:
    samples = Photos().samples.assign(weight=np.float32(2))
    samples.loc[0, "weight"] = np.nan
    mixed = with_mixture_weights(samples, WEIGHTS)["weight"]
    assert mixed[0] == pytest.approx(0.25 * 90 / 60)
    assert mixed[1] == pytest.approx(2 * 0.25 * 90 / 60)
    sums = Mixture(samples, WEIGHTS).weights().reshape(-1)
    shares = pd.Series(sums).groupby(samples["source"]).sum() / 90
    assert shares.to_dict() == pytest.approx(SHARES)
    assert with_mixture_weights(samples, None) is samples


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"masks": 1, "ages": 1}, "85.jpg is of the source mine, which has no weight"),
        ({**WEIGHTS, "more": 2}, "the source more has a weight of 2 and no photo to learn from"),
        ({**WEIGHTS, "mine": -1}, "must be numbers of at least 0 and not all 0; got"),
        (dict.fromkeys(WEIGHTS, 0), "must be numbers of at least 0 and not all 0; got"),
    ],
)
def test_weights_that_do_not_go_with_the_photos_are_refused(weights, message) -> None:
    with pytest.raises(InputError, match=message):
        Mixture(Photos().samples, weights)


def test_photos_without_a_source_are_refused() -> None:
    data = SimpleNamespace(samples=pd.DataFrame({"image": ["a.jpg"]}))
    with pytest.raises(InputError, match=r"a.jpg is of the source None, which has no weight"):
        Mixture(data.samples, WEIGHTS)
