from itertools import groupby

import numpy as np
import pytest

from mmmask.datasets import sampler as module
from mmmask.datasets.sampler import Draw, PersonSampler
from mmmask.errors import InputError


class Photos:
    """A dataset of which the sampler needs the people alone."""

    def __init__(self, people: np.ndarray) -> None:
        self._people = people

    def people(self) -> np.ndarray:
        return self._people

    def __len__(self) -> int:
        return len(self._people)


def photos_of(*counts: int) -> Photos:
    """Return photos in mixed order; person k has ``counts[k]`` of them."""
    return Photos(np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts)))


def draws(dataset: Photos, *, epoch: int = 0, seed: int = 1, **options) -> list[Draw]:
    sampler = PersonSampler(dataset, seed=seed, **options)
    sampler.set_epoch(epoch)
    return list(sampler)


def people_of(photos: Photos, drawn: list[Draw]) -> list[int]:
    return [int(photos.people()[draw.row]) for draw in drawn]


@pytest.mark.parametrize("size", [2, 4, 7])
def test_every_photo_is_drawn_once_an_epoch(size: int) -> None:
    photos = photos_of(7, 3, 1, 12, 4)
    assert sorted(draw.row for draw in draws(photos, photos=size)) == list(range(27))


def test_a_batch_of_32_holds_4_photos_of_8_people() -> None:
    photos = photos_of(*[4] * 80)
    people = people_of(photos, draws(photos))
    for start in range(0, 320, 32):
        counts = np.unique(people[start : start + 32], return_counts=True)[1]
        assert counts.tolist() == [4] * 8


def test_what_is_left_of_a_person_stands_together_too() -> None:
    photos = photos_of(*[7] * 200)
    people = people_of(photos, draws(photos, photos=4))
    lengths = [len(list(group)) for _, group in groupby(people)]
    assert {*lengths} <= {3, 4, 7}  # both groups of a person may meet
    assert lengths.count(7) < 10
    assert len(lengths) + lengths.count(7) == 400


def test_people_and_the_photos_of_a_group_are_shuffled() -> None:
    photos = photos_of(*[8] * 30)
    orders = [
        np.reshape([draw.row for draw in draws(photos, epoch=one)], (60, 4)) for one in (0, 1)
    ]
    first, second = (photos.people()[order[:, 0]].tolist() for order in orders)
    assert sorted(first) == sorted(second) == sorted([*range(30)] * 2)
    assert first not in (second, sorted(first))
    groups = [{frozenset(group) for group in order.tolist()} for order in orders]
    assert len(groups[0] & groups[1]) < 20  # of 60


def test_an_epoch_follows_seed_and_number_alone() -> None:
    photos = photos_of(7, 7, 7, 7)
    assert draws(photos, epoch=3) == draws(photos, epoch=3)
    assert draws(photos, epoch=3) != draws(photos, epoch=4)
    assert draws(photos, epoch=3) != draws(photos, epoch=3, seed=2)


def test_photos_of_unknown_people_are_drawn_one_by_one() -> None:
    photos = Photos(np.array([-1] * 30 + [*range(30)] * 2))
    people = people_of(photos, draws(photos, photos=2))
    stretches = [(person, len(list(group))) for person, group in groupby(people)]
    assert {length for person, length in stretches if person >= 0} == {2}
    assert {length % 2 for person, length in stretches if person < 0} == {0, 1}


def shares(photos: Photos, processes: int, monkeypatch) -> list[list[Draw]]:
    found = []
    for rank in range(processes):
        monkeypatch.setattr(module, "get_dist_info", lambda rank=rank: (rank, processes))
        found.append(draws(photos))
    return found


@pytest.mark.parametrize("counts", [[7] * 50, [3, 5, 1, 1, 9, 14, 2]])
@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_out_the_single_process_epoch(monkeypatch, counts, processes) -> None:
    photos = photos_of(*counts)
    alone = draws(photos)
    parts = shares(photos, processes, monkeypatch)
    assert {len(part) for part in parts} == {-(-len(alone) // processes)}
    together = [draw for part in parts for draw in part]
    assert {draw for draw in together if not draw.repeat} == {*alone}
    assert sum(draw.repeat for draw in together) == len(together) - len(alone) < processes


def test_no_group_is_cut_between_processes_but_the_last(monkeypatch) -> None:
    photos = photos_of(*[7] * 50)
    alone = [draw.row for draw in draws(photos)]
    owner = {
        draw.row: rank
        for rank, part in enumerate(shares(photos, 2, monkeypatch))
        for draw in part
        if not draw.repeat
    }
    groups = [[*group] for _, group in groupby(alone, key=lambda row: photos.people()[row])]
    cut = [index for index, group in enumerate(groups) if len({owner[row] for row in group}) > 1]
    assert cut in ([], [len(groups) - 1])


@pytest.mark.parametrize(
    ("photos", "options", "sentence"),
    [
        (photos_of(4, 4), {"photos": 1}, "photos must be at least 2 of a person; got 1"),
        (range(9), {}, r"the dataset must have `people\(\)`, as MaskFaceDataset has; got range"),
    ],
)
def test_wrong_options_are_refused(photos, options, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        PersonSampler(photos, **options)
