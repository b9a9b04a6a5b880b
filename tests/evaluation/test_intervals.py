import time

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student_t
from sklearn.metrics import f1_score

from mmmask.evaluation.intervals import (
    counts_by_person,
    jackknife,
    macro_f1_interval,
    macro_f1_of_draws,
    mean_intervals,
    paired_difference,
    resample_people,
    score_intervals,
    units_to_draw,
)
from mmmask.evaluation.jackknife import Difference
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


def pseudo_values(score, person):
    """Return the pseudo-values of a score of rows, by a loop over the people."""
    people = np.unique(person)
    value = score(np.arange(len(person)))
    without = np.array([score(np.flatnonzero(person != who)) for who in people])
    return len(people) * value - (len(people) - 1) * without


def t_interval(pseudo):
    """Return centre and half width by the formulas, from the pseudo-values of one model."""
    count, moves = len(pseudo), pseudo - pseudo.mean()
    squares = (moves**2).sum()
    freedom = 2 * squares**2 / ((moves**4).sum() - squares**2 / count)
    error = np.sqrt(pseudo.var(ddof=1) / count)
    return pseudo.mean(), student_t.ppf(0.975, min(freedom, count - 1)) * error


def test_the_pseudo_values_are_those_of_a_loop_over_the_people_left_out():
    person, truth, predicted = predictions()
    found = jackknife(person, truth, [predicted])
    expected = pseudo_values(lambda rows: macro_f1(truth[rows], predicted[rows]), person)
    np.testing.assert_allclose(found.pseudo[0], expected, atol=1e-10)
    assert found.values[0] == pytest.approx(macro_f1(truth, predicted))


def test_the_bounds_are_students_t_around_the_mean_of_the_pseudo_values():
    person, truth, predicted = predictions(people=100)
    found = macro_f1_interval(person, truth, [predicted])
    loop = pseudo_values(lambda rows: macro_f1(truth[rows], predicted[rows]), person)
    centre, half = t_interval(loop)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))
    assert found.value == pytest.approx(macro_f1(truth, predicted))
    assert found.low < found.value < found.high


def test_a_class_without_any_right_answer_lifts_the_upper_bound():
    person, truth, predicted = predictions(people=100)
    lost = np.where(truth == 5, 4, predicted)
    found = macro_f1_interval(person, truth, [np.where(lost == 5, 4, lost)])
    again = np.where(lost == 5, 4, lost)
    centre, half = t_interval(
        pseudo_values(lambda rows: macro_f1(truth[rows], again[rows]), person)
    )
    people = len(np.unique(person[truth == 5]))
    open_ = (1 - 0.025 ** (1 / (people + 1))) / 18
    assert found.low == pytest.approx(centre - half)
    assert found.high == pytest.approx(centre + np.hypot(half, open_))


def test_answers_that_are_all_right_are_not_sure_to_be_right_on_others():
    person, truth, _ = predictions(people=59)
    found = score_intervals(person, truth, truth)
    assert found["accuracy"].value == found["macro_f1"].value == found["accuracy"].high == 1
    assert found["accuracy"].low == pytest.approx(0.025 ** (1 / 60))
    assert found["macro_f1"].low < 0.95
    wrong = score_intervals(person, truth, (truth + 1) % 18)["accuracy"]
    assert (wrong.value, wrong.low) == (0, 0)
    assert wrong.high == pytest.approx(1 - 0.025 ** (1 / 60))


def test_one_person_has_no_interval_and_shows_nothing():
    person, truth, predicted = predictions(people=1)
    alone = macro_f1_interval(person, truth, [predicted])
    assert np.isnan(alone.low)
    assert str(alone) == f"{alone.value:.3f}"
    difference = paired_difference(person, truth, [truth], [predicted])
    assert (difference.shown, difference.verdict) == (False, "not shown")


def test_a_draw_scores_like_the_drawn_photos_laid_side_by_side():
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


def test_the_seeds_of_a_model_are_averaged():
    person, truth, one = predictions()
    other = predictions(right=0.9)[2]
    found = macro_f1_interval(person, truth, [one, other])
    assert found.value == pytest.approx((macro_f1(truth, one) + macro_f1(truth, other)) / 2)


def test_a_model_does_not_differ_from_itself():
    person, truth, predicted = predictions()
    found = paired_difference(person, truth, [predicted], [predicted])
    assert found == Difference(0, 0, 0, 0)


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
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


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


def test_all_scores_and_their_bounds_are_those_of_a_loop_over_the_people_left_out():
    person, truth, predicted = predictions(people=30)
    found = score_intervals(person, truth, predicted)
    parts, others = decode(truth), decode(predicted)
    right = {f"{name}_accuracy": parts[name] == others[name] for name in parts}
    right["accuracy"] = truth == predicted
    assert found.keys() == {"macro_f1", *right}
    for name, hits in right.items():
        centre, half = t_interval(pseudo_values(lambda rows, hits=hits: hits[rows].mean(), person))
        bounds = (found[name].low, found[name].high)
        assert bounds == pytest.approx((centre - half, centre + half)), name
        assert found[name].value == pytest.approx(hits.mean())
    alone = macro_f1_interval(person, truth, [predicted])
    assert found["macro_f1"] == alone


def test_a_mean_weighs_each_photo_alike():
    person = np.repeat([0, 1, 2, 3, 4, 5], [1, 2, 3, 1, 2, 3])
    errors = np.random.default_rng(0).normal(size=len(person))
    found = mean_intervals(person, {"error": errors})["error"]
    centre, half = t_interval(pseudo_values(lambda rows: errors[rows].mean(), person))
    assert found.value == pytest.approx(errors.mean())
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))


def test_a_million_photos_take_a_few_seconds():
    person, truth, predicted = predictions(people=143_000)
    start = time.process_time()
    score_intervals(person, truth, predicted)
    assert time.process_time() - start < 6


def test_each_score_and_its_interval_rest_on_the_photos_that_know_it() -> None:
    person, truth, predicted = predictions()
    knows_all, knows_gender = person % 4 == 0, person % 4 <= 1
    values = {name: np.where(knows_all, value, -1) for name, value in decode(truth).items()}
    values["gender"] = np.where(knows_gender, decode(truth)["gender"], -1)
    found = score_intervals(person, np.where(knows_all, truth, -1), predicted, values=values)
    some, more = (
        score_intervals(person[rows], truth[rows], predicted[rows])
        for rows in (knows_all, knows_gender)
    )
    assert found == some | {"gender_accuracy": more["gender_accuracy"]}
