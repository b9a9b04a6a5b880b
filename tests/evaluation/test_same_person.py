import numpy as np
import pytest

import mmmask.evaluation.same_person as module
from mmmask.errors import InputError
from mmmask.evaluation.same_person import Likeness, chunks, directions, grouped

NOBODY = -1


def likeness(values, threshold: float = 0.5) -> Likeness:
    """Photos whose hashes are all far apart, and whose features are these."""
    values = np.asarray(values, dtype=np.float32)
    bits = np.sign(np.random.default_rng(0).normal(size=(len(values), 64))).astype(np.float32)
    return Likeness(bits, directions(values, np.zeros(values.shape[1]), [(0, 2)]), threshold)


def at(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)])


def sets(groups: np.ndarray) -> list[list[int]]:
    return [np.flatnonzero(groups == group).tolist() for group in np.unique(groups)]


def run(photos: Likeness, given=None):
    given = [NOBODY] * len(photos.bits) if given is None else given
    return grouped(photos, np.array(given), chunks(len(given)))


def test_photos_that_are_alike_are_one_person() -> None:
    assert sets(run(likeness(at(0, 90, 5, 180, 95, 270))).groups) == [[0, 2], [1, 4], [3], [5]]


def test_a_chain_does_not_become_one_person() -> None:
    degrees = np.arange(0, 180, 15)  # 0.03 from one to the next, 2 from end to end
    photos = likeness(at(*degrees), threshold=0.1)
    found = sets(run(photos).groups)
    everything = np.arange(len(degrees))
    distance = photos.between(everything, everything)
    assert (distance[everything[:-1], everything[1:]] < 0.5).all()  # a chain it is
    assert 4 <= len(found) <= 6
    assert all(distance[np.ix_(group, group)].max() <= 2 for group in found)


def test_given_people_are_kept_and_two_who_look_like_one_are_the_first_doubt() -> None:
    # On average, 0 and 4 are far from everybody, and they are one person even so.
    found = run(likeness(at(0, 2, 91, 90, 180)), [3, 8, NOBODY, 5, 3])
    assert sets(found.groups) == [[0, 4], [1], [2, 3]]
    assert "given" not in found.doubts["kind"].to_numpy()
    found = run(likeness(at(0, 2, 4, 90, 150)), [3, 8, NOBODY, 5, 5])
    assert sorted(sets(found.groups)) in ([[0], [1, 2], [3, 4]], [[0, 2], [1], [3, 4]])
    first = found.doubts.iloc[0]
    assert first["kind"] == "given"
    assert {first["one"], first["other"]} < {0, 1, 2}


def test_a_photo_saved_twice_is_of_the_given_person_whose_others_are_unlike() -> None:
    photos = likeness(at(0, 180, 90, 270, 45))
    photos.bits[2] = photos.bits[0]  # of what 0 shows, and its features are far from those of 0
    assert sets(run(photos, [3, 3, NOBODY, NOBODY, NOBODY]).groups) == [[0, 1, 2], [3], [4]]
    photos.bits[3] = photos.bits[0]
    found = run(photos, [3, 3, NOBODY, 8, NOBODY])  # whose photo is it?
    assert found.groups[0] == found.groups[1] != found.groups[3]
    assert found.doubts["kind"].iloc[0] == "given"


def test_groups_near_the_threshold_are_doubts_the_nearest_first() -> None:
    apart, joined = np.degrees(np.arccos([1 - 0.54, 1 - 0.49]))
    photos = likeness([*at(0, apart), *-at(10, 10 + joined)])
    found = run(photos).doubts
    assert found[["kind", "one", "other"]].to_numpy().tolist() == [
        ["joined", 2, 3],
        ["apart", 0, 1],
    ]
    np.testing.assert_allclose(found["distance"], [0.98, 1.08], atol=1e-5)
    assert photos.in_words(0.98) == "0.490"


def test_groups_are_those_of_all_photos_at_once_whatever_the_chunks(monkeypatch) -> None:
    from scipy.cluster.hierarchy import fcluster, linkage

    values = np.random.default_rng(1).normal(size=(60, 2))
    photos = likeness(values, threshold=0.05)
    everything = np.arange(60)
    distance = photos.between(everything, everything).astype(np.float64)
    tree = linkage(distance[np.triu_indices(60, 1)], "average")
    expected = fcluster(tree, 1, "distance")
    for chunk in (7, 64):
        monkeypatch.setattr(module, "_CHUNK", chunk)
        assert sorted(sets(run(photos).groups)) == sorted(sets(expected))


def test_near_duplicates_are_one_person_whatever_their_features() -> None:
    photos = likeness(at(0, 180, 90))
    photos.bits[1] = photos.bits[0]
    photos.bits[1, :2] *= -1
    assert sets(run(photos).groups) == [[0, 1], [2]]
    photos.bits[1, 2] *= -1  # three bits
    assert len(sets(run(photos).groups)) == 3


def test_without_features_the_threshold_is_in_bits() -> None:
    bits = likeness(at(0, 0)).bits
    bits[1] = bits[0]
    bits[1, :5] *= -1
    assert len(sets(run(Likeness(bits, None, 4)).groups)) == 2
    photos = Likeness(bits, None, 5)
    assert len(sets(run(photos).groups)) == 1
    assert photos.in_words(photos.between(np.array([0]), np.array([1]))[0, 0]) == "5.0 bits"


def test_sets_of_columns_count_alike() -> None:
    values = np.array([[100, 0, 1, 0], [0, 100, 1, 0]])
    both = directions(values, np.zeros(4), [(0, 2), (2, 4)])
    np.testing.assert_allclose(both @ both.T, [[1, 0.5], [0.5, 1]], atol=1e-6)
    one = directions(values, np.zeros(4), [(0, 4)])
    np.testing.assert_allclose((one @ one.T)[0, 1], 0, atol=1e-3)


def test_too_many_photos_that_hang_together_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_TOGETHER", 3)
    with pytest.raises(InputError, match=r"4 of 5 photos are joined .* 3 may be; lower --alike"):
        run(likeness(at(0, 1, 2, 3, 180)))
