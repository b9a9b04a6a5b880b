import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from scipy.stats import mode
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import VotingClassifier

from mmmask.evaluation.ensemble.voting import (
    BLOCK,
    agreement,
    agreement_by_attribute,
    by_order,
    count_votes,
    hard_vote,
    soft_vote,
    weighted,
)
from mmmask.labels import decode

votes_of = arrays(
    np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 6)), elements=st.integers(0, 17)
)


def tables(members: int = 4, photos: int = 50, classes: int = 18, seed: int = 0) -> list:
    random = np.random.default_rng(seed)
    return [
        softmax(2 * random.normal(size=(photos, classes)), axis=1).astype(np.float32)
        for _ in range(members)
    ]


class Told(DummyClassifier):
    """A classifier that answers what it is given, for scikit-learn's vote."""

    def __init__(self, table=None):
        self.table = table

    def fit(self, x, y):
        self.classes_ = np.arange(18)
        return self

    def predict(self, x):
        return self.table.argmax(axis=1)

    def predict_proba(self, x):
        return self.table


def scikit_learns(members: list, voting: str, weights=None) -> VotingClassifier:
    vote = VotingClassifier(
        [(str(k), Told(t)) for k, t in enumerate(members)], voting=voting, weights=weights
    )
    x = np.zeros((18, 1))
    vote.fit(x, np.arange(18))
    for fitted, table in zip(vote.estimators_, members, strict=True):
        fitted.table = table
    return vote


@pytest.mark.parametrize("weights", [None, [0.5, 0.1, 0.3, 0.1]])
def test_the_soft_vote_is_scikit_learns(weights) -> None:
    members = tables()
    expected = scikit_learns(members, "soft", weights).predict_proba(np.zeros((50, 1)))
    found = soft_vote(members, weights or [0.25] * 4)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_weights_of_photos_are_a_loop_over_photos() -> None:
    members = tables(3)
    weights = np.random.default_rng(1).dirichlet(np.ones(3), 50)
    found = soft_vote(iter(members), weights.T)
    for row in range(50):
        mean = sum(weights[row, m] * members[m][row].astype(np.float64) for m in range(3))
        np.testing.assert_allclose(found[row], mean)


def test_one_weight_alone_returns_its_member_exactly() -> None:
    members = tables(3)
    assert np.array_equal(soft_vote(members, [0.0, 1.0, 0.0]).astype(np.float32), members[1])


def test_the_order_of_the_members_does_not_matter_to_a_soft_vote() -> None:
    members, weights = tables(4), [0.4, 0.3, 0.2, 0.1]
    found = soft_vote(members, weights)
    turned = soft_vote(members[::-1], weights[::-1])
    np.testing.assert_allclose(found, turned, rtol=1e-12)


def test_blocks_of_rows_cover_every_photo_once() -> None:
    table = np.ones((BLOCK + 3, 2), np.float32)
    parts = [(rows, part) for rows, part in weighted(table, np.arange(BLOCK + 3.0))]
    assert len(parts) == 2
    assert np.array_equal(np.concatenate([part[:, 0] for _, part in parts]), np.arange(BLOCK + 3.0))


def test_a_vote_of_nobody_and_of_other_numbers_of_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one table"):
        soft_vote([], [])
    with pytest.raises(ValueError):
        soft_vote(tables(2), [1.0])


@settings(max_examples=50, deadline=None)
@given(answers=votes_of)
def test_a_hard_vote_without_preference_is_the_mode_of_scipy(answers) -> None:
    votes = count_votes(answers)
    assert votes.sum(axis=1).tolist() == [answers.shape[1]] * len(answers)
    expected = mode(answers, axis=1)  # of several, the smallest class
    found = hard_vote(votes, np.ones(votes.shape))
    assert np.array_equal(found.winners, expected.mode.ravel())
    ties = [(np.bincount(row) == np.bincount(row).max()).sum() > 1 for row in answers]
    assert found.tied.tolist() == ties


def test_a_hard_vote_is_scikit_learns() -> None:
    members = tables(5, photos=300, seed=2)
    answers = np.stack([table.argmax(axis=1) for table in members], axis=1)
    votes = count_votes(answers)
    expected = scikit_learns(members, "hard").predict(np.zeros((300, 1)))
    assert np.array_equal(hard_vote(votes, np.ones(votes.shape)).winners, expected)


@settings(max_examples=100, deadline=None)
@given(answers=votes_of, seed=st.integers(0, 99))
def test_a_tie_goes_to_the_preferred_class_of_those_with_most_votes(answers, seed) -> None:
    preference = np.random.default_rng(seed).random((len(answers), 18))
    found = hard_vote(count_votes(answers), preference).winners
    for row, winner in enumerate(found):
        counts = np.bincount(answers[row], minlength=18)
        best = [k for k in range(18) if counts[k] == counts.max()]
        assert winner == max(best, key=lambda k: preference[row, k])


@settings(max_examples=100, deadline=None)
@given(answers=votes_of)
def test_by_order_a_tie_goes_to_what_the_earliest_answers(answers) -> None:
    found = hard_vote(count_votes(answers), by_order(answers)).winners
    for row, winner in enumerate(found):
        counts = np.bincount(answers[row], minlength=18)
        first = next(k for k in answers[row] if counts[k] == counts.max())
        assert winner == first


@settings(max_examples=50, deadline=None)
@given(answers=votes_of)
def test_the_order_of_the_members_does_not_matter_to_a_hard_vote(answers) -> None:
    preference = np.random.default_rng(0).random((len(answers), 18))
    found = hard_vote(count_votes(answers), preference)
    turned = hard_vote(count_votes(answers[:, ::-1]), preference)
    assert np.array_equal(found.winners, turned.winners)


def test_agreement_is_the_share_of_equal_answers_of_two() -> None:
    answers = np.array([[0, 0, 1], [5, 5, 5], [17, 2, 17], [3, 4, 3]])
    expected = [[1, 0.5, 0.75], [0.5, 1, 0.25], [0.75, 0.25, 1]]
    assert agreement(answers).tolist() == expected


def test_agreement_of_an_attribute_is_that_of_its_part_of_the_class() -> None:
    answers = np.random.default_rng(0).integers(0, 18, (200, 3))
    for name, found in agreement_by_attribute(answers).items():
        for one in range(3):
            for other in range(3):
                parts = [decode(answers[:, k])[name] for k in (one, other)]
                assert found[one, other] == np.mean(parts[0] == parts[1])
