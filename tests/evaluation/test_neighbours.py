import sys

import numpy as np
import pytest

from mmmask.errors import InputError
from mmmask.evaluation import neighbours
from mmmask.evaluation.neighbours import MANY, nearest, people_map


def made(people=40, photos=5, size=12, seed=0):
    """Return features, persons and groups of photos that lie near those of their person."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), photos)
    centres = random.normal(size=(people, size))
    features = centres[person] + 0.3 * random.normal(size=(len(person), size))
    scales = random.uniform(0.01, 100, size)
    group = np.tile(np.arange(photos) % 2, people)
    return (features * scales + 7).astype(np.float32), [f"p{k}" for k in person], group


def by_hand(features, person, row, group, most):
    """Return rows of other people in the group of a photo, by cosine, one of each person."""
    members = [k for k in range(len(features)) if group[k] == group[row]]
    x = features.astype(np.float64)
    x = (x - x[members].mean(axis=0)) / x[members].std(axis=0)
    cosine = {
        k: x[k] @ x[row] / np.linalg.norm(x[k]) / np.linalg.norm(x[row])
        for k in members
        if person[k] != person[row]
    }
    first: dict[str, int] = {}
    for k in sorted(cosine, key=lambda k: -cosine[k]):
        first.setdefault(person[k], k)
    return list(first.values())[:most]


@pytest.mark.parametrize("blocks", [(1024, 4096), (7, 11)])
@pytest.mark.parametrize("grouped", [True, False])
def test_the_nearest_are_those_of_a_loop_over_all_other_people(blocks, grouped, monkeypatch):
    monkeypatch.setattr(neighbours, "_WANTED", blocks[0])
    monkeypatch.setattr(neighbours, "_OTHERS", blocks[1])
    features, person, group = made()
    order = np.random.default_rng(2).permutation(len(features))  # people are not in a row
    features, group, person = features[order], group[order], [person[k] for k in order]
    wanted = np.random.default_rng(1).permutation(len(features))[:60]
    found = nearest(features, person, wanted, group=group if grouped else None, most=4)
    same = group if grouped else np.zeros(len(group))
    expected = [by_hand(features, person, row, same, 4) for row in wanted]
    assert found.tolist() == expected


def test_a_photo_of_the_same_person_is_never_near_though_it_is_the_same_photo():
    features, person, _ = made(people=9)
    features[1::5] = features[0::5]
    found = nearest(features, person, np.arange(len(features)))
    who = np.array(person)
    assert (who[found] != who[:, None]).all()


def test_five_photos_are_of_five_people():
    features, person, _ = made(people=9)
    found = nearest(features, person, np.arange(len(features)))
    assert all(len({person[k] for k in row}) == 5 for row in found)


def test_where_there_are_too_few_other_people_places_stay_empty():
    features, person, group = made(people=3, photos=2)
    found = nearest(features, person, [0, 3], group=group, most=5)
    assert (found[:, 2:] == -1).all()
    assert sorted(found[0, :2]) == [2, 4]
    assert sorted(found[1, :2]) == [1, 5]
    assert (nearest(features, ["one"] * 6, [0]) == -1).all()


def test_a_feature_that_is_the_same_in_all_photos_changes_nothing():
    features, person, _ = made()
    more = np.concatenate([features, np.full((len(features), 3), 5.3, np.float32)], axis=1)
    wanted = np.arange(20)
    assert (nearest(more, person, wanted) == nearest(features, person, wanted)).all()


@pytest.mark.parametrize("people", [1, 2, MANY - 1, MANY, 90])
def test_the_map_has_a_place_for_each_and_is_the_same_again(people):
    features = made(people=people, photos=1)[0]
    places = people_map(features)
    assert places.shape == (people, 2)
    assert np.isfinite(places).all()
    assert places.min() == 0
    assert places.max() == (1 if people > 1 else 0)
    assert (people_map(features) == places).all()


@pytest.mark.parametrize("people", [20, 60])
def test_people_who_look_alike_are_near_in_the_map(people):
    features = made(people=people, photos=1)[0]
    side = np.arange(people) % 2
    features[side == 1, :6] += 10 * features[:, :6].std(axis=0)
    places = people_map(features)
    apart = np.linalg.norm(places[:, None] - places, axis=-1)
    np.fill_diagonal(apart, np.inf)
    assert (side[apart.argmin(axis=1)] == side).mean() > 0.95


def test_without_scikit_learn_the_map_is_refused_in_one_sentence_and_few_need_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert len(people_map(made(people=5, photos=1)[0])) == 5
    with pytest.raises(InputError, match="the map of the people needs sklearn: pip install scikit"):
        people_map(made(people=MANY, photos=1)[0])
