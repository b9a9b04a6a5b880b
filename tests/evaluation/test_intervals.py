import time

import numpy as np
import pytest
from sklearn.metrics import f1_score

from mmmask.evaluation.intervals import (
    Interval,
    counts_by_person,
    macro_f1_interval,
    macro_f1_of_draws,
    paired_difference,
    resample_people,
)


def predictions(people=40, photos=7, seed=0, right=0.6):
    """Labels of one gender and age a person, and predictions of which a share is right."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), photos)
    truth = random.integers(0, 6, people)[person] + 6 * random.integers(0, 3, len(person))
    wrong = random.integers(0, 18, len(person))
    return person, truth, np.where(random.random(len(person)) < right, truth, wrong)


def macro_f1(truth, predicted):
    return f1_score(truth, predicted, labels=range(18), average="macro", zero_division=0)


def test_each_resample_scores_like_the_drawn_photos_laid_side_by_side():
    person, truth, predicted = predictions()
    draws = resample_people(40, 25, seed=3)
    scores = macro_f1_of_draws(draws, counts_by_person(person, truth, predicted))
    for drawn, score in zip(draws.astype(int), scores, strict=True):
        rows = np.concatenate(
            [np.flatnonzero(person == who) for who in np.repeat(np.arange(40), drawn)]
        )
        assert score == pytest.approx(macro_f1(truth[rows], predicted[rows]))


def test_a_resample_has_as_many_people_as_there_are():
    draws = resample_people(40, 500)
    assert (draws.sum(axis=1) == 40).all()
    assert draws.mean() == 1
    # Left out by a resample: (1 - 1 / 40)^40 of the people.
    assert (draws == 0).mean() == pytest.approx(0.363, abs=0.01)


def test_the_value_is_the_score_itself_and_lies_between_the_bounds():
    person, truth, predicted = predictions()
    interval = macro_f1_interval(person, truth, [predicted])
    assert interval.value == pytest.approx(macro_f1(truth, predicted))
    assert interval.low < interval.value < interval.high


def test_the_bounds_are_the_quantiles_of_a_loop_over_people():
    person, truth, predicted = predictions(people=12)
    found = macro_f1_interval(person, truth, [predicted], resamples=2000, level=0.8)
    random = np.random.default_rng(9)
    scores = []
    for _ in range(2000):
        rows = np.concatenate([np.flatnonzero(person == who) for who in random.integers(0, 12, 12)])
        scores.append(macro_f1(truth[rows], predicted[rows]))
    expected = np.quantile(scores, [0.1, 0.9])
    np.testing.assert_allclose([found.low, found.high], expected, atol=0.01)


def test_the_seeds_of_a_model_are_averaged():
    person, truth, one = predictions()
    other = predictions(right=0.9)[2]
    found = macro_f1_interval(person, truth, [one, other])
    assert found.value == pytest.approx((macro_f1(truth, one) + macro_f1(truth, other)) / 2)


def test_a_model_does_not_differ_from_itself():
    person, truth, predicted = predictions()
    assert paired_difference(person, truth, [predicted], [predicted]) == Interval(0, 0, 0)


def test_the_difference_changes_its_sign_with_the_order():
    person, truth, one = predictions()
    other = predictions(right=0.9)[2]
    ahead, behind = (
        paired_difference(person, truth, [a], [b]) for a, b in ((other, one), (one, other))
    )
    assert ahead.value == pytest.approx(-behind.value)
    assert (ahead.low, ahead.high) == pytest.approx((-behind.high, -behind.low))


def test_a_pair_is_surer_than_two_apart():
    """A small change of a model on many people: both are hard on the same people."""
    person, truth, baseline = predictions(people=100, right=0.5)
    better = baseline.copy()
    fixed = np.random.default_rng(1).choice(len(truth), 40, replace=False)
    better[fixed] = truth[fixed]
    paired = paired_difference(person, truth, [better], [baseline])
    alone = macro_f1_interval(person, truth, [better])
    assert paired.excludes(0)
    assert paired.high - paired.low < (alone.high - alone.low) / 2


def test_names_and_order_of_the_people_do_not_matter():
    person, truth, predicted = predictions()
    shuffle = np.random.default_rng(2).permutation(len(truth))
    names = np.array([f"{who:03d}_male" for who in person])
    one = macro_f1_interval(person, truth, [predicted])
    other = macro_f1_interval(names[shuffle], truth[shuffle], [predicted[shuffle]])
    assert one == other


def test_a_thousand_resamples_of_four_thousand_photos_take_about_a_second():
    person, truth, predicted = predictions(people=570)
    start = time.process_time()
    macro_f1_interval(person, truth, [predicted])
    assert time.process_time() - start < 2
