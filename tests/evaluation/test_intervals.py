import time

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from mmmask.evaluation.intervals import (
    Interval,
    counts_by_person,
    macro_f1_interval,
    macro_f1_of_draws,
    paired_difference,
    percentile_interval,
    resample_people,
    resampled_scores,
    score_intervals,
    units_to_draw,
)
from mmmask.labels import decode


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
    (scores,) = resampled_scores(person, truth, [predicted], resamples=2000)
    found = percentile_interval(scores[0], scores[1:], level=0.8)
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
    assert paired.shown
    assert paired.high - paired.low < (alone.high - alone.low) / 2


def test_names_and_order_of_the_people_do_not_matter():
    person, truth, predicted = predictions()
    shuffle = np.random.default_rng(2).permutation(len(truth))
    names = np.array([f"{who:03d}_male" for who in person])
    one = macro_f1_interval(person, truth, [predicted])
    other = macro_f1_interval(names[shuffle], truth[shuffle], [predicted[shuffle]])
    assert one == other


def test_all_scores_and_their_bounds_are_those_of_a_loop_over_the_drawn_people():
    person, truth, predicted = predictions(people=12)
    found = score_intervals(person, truth, predicted)
    parts, others = decode(truth), decode(predicted)
    right = {f"{name}_accuracy": parts[name] == others[name] for name in parts}
    right["accuracy"] = truth == predicted
    loop = {name: [] for name in ("macro_f1", *right)}
    for drawn in resample_people(12).astype(int):
        rows = np.concatenate(
            [np.flatnonzero(person == who) for who in np.repeat(np.arange(12), drawn)]
        )
        loop["macro_f1"].append(macro_f1(truth[rows], predicted[rows]))
        for name, hits in right.items():
            loop[name].append(hits[rows].mean())
    assert found.keys() == loop.keys()
    for name, values in loop.items():
        expected = np.quantile(values, [0.025, 0.975])
        np.testing.assert_allclose([found[name].low, found[name].high], expected, err_msg=name)
    assert found["macro_f1"].value == pytest.approx(macro_f1(truth, predicted))
    assert found["age_accuracy"].value == pytest.approx(right["age_accuracy"].mean())


def test_a_score_of_one_attribute_is_the_mean_over_its_values_alone():
    person, truth, predicted = (values % 3 for values in predictions())
    found = score_intervals(person, truth, predicted, "age")
    assert found.keys() == {"macro_f1", "accuracy"}
    assert found["macro_f1"].value == pytest.approx(f1_score(truth, predicted, average="macro"))
    interval = macro_f1_interval(person, truth, [predicted], classes=3)
    assert (interval.low, interval.high) == (found["macro_f1"].low, found["macro_f1"].high)
    assert paired_difference(person, truth, [truth], [predicted], classes=3).value == (
        pytest.approx(1 - interval.value)
    )


def test_people_are_drawn_where_all_are_known_and_photos_elsewhere():
    known = pd.DataFrame({"person": ["a", "a", "b"]})
    units, kind = units_to_draw(known)
    assert (list(units), kind) == (["a", "a", "b"], "people")
    for unknown in (["", "", ""], ["a", "", "b"], ["a", None, "b"]):
        units, kind = units_to_draw(pd.DataFrame({"person": unknown}))
        assert (list(units), kind) == ([0, 1, 2], "photos")
    assert units_to_draw(known.drop(columns="person"))[1] == "photos"


def test_groups_of_many_people_have_nearly_the_same_bounds(monkeypatch):
    person, truth, predicted = predictions(people=2000, photos=2)
    each = macro_f1_interval(person, truth, [predicted])
    monkeypatch.setattr("mmmask.evaluation.intervals.GROUPS", 500)
    groups = macro_f1_interval(person, truth, [predicted])
    assert groups.value == pytest.approx(each.value)
    width = each.high - each.low
    assert abs(groups.low - each.low) < width / 5
    assert abs(groups.high - each.high) < width / 5


def test_an_interval_reads_as_value_and_bounds():
    assert str(Interval(0.5531, 0.5062, 0.597)) == "0.553 [0.506, 0.597]"


def test_a_thousand_resamples_of_the_competitions_people_take_less_than_a_second_or_two():
    person, truth, predicted = predictions(people=2700)
    start = time.process_time()
    score_intervals(person, truth, predicted)
    assert time.process_time() - start < 2
