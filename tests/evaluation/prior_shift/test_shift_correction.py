from dataclasses import replace

import numpy as np
import pytest

from mmmask.evaluation.decision import decide
from mmmask.evaluation.prior_shift.correction import Choice, choose, corrected, surprise
from mmmask.evaluation.prior_shift.estimates import METHODS, estimates
from mmmask.evaluation.prior_shift.shift import estimate_shift, known_shift, learn
from mmmask.evaluation.scores import macro_f1
from mmmask.labels import ATTRIBUTES, marginals
from tests.simulated_people import SHIFTED, TRAINING, simulate_people

RESAMPLES = 30


def evidence_of(people=400, **options):
    labels, p, person = simulate_people(people, **options)
    return learn(p, labels, person, person % 5)


@pytest.fixture(scope="module")
def evidence():
    return evidence_of()


@pytest.fixture(scope="module")
def shifted(evidence):
    """Labels, probabilities and estimated shift of people with many old and many men."""
    labels, p, _ = simulate_people(300, SHIFTED, seed=1)
    return labels, p, estimate_shift(evidence, [p], resamples=RESAMPLES)


@pytest.fixture(scope="module")
def unshifted(evidence):
    labels, p, _ = simulate_people(300, seed=2)
    return labels, p, estimate_shift(evidence, [p], resamples=RESAMPLES)


def ages(shares):
    return marginals(np.atleast_2d(shares))["age"]


def gain(labels, p, choice: Choice):
    if choice.chosen is None:
        return 0.0
    values = corrected(replace(choice.shift, models=[p]), choice.chosen.strength)
    return macro_f1(labels, decide(values, choice.rule)) - macro_f1(labels, p.argmax(axis=1))


@pytest.mark.parametrize("rule", ["macro-f1", "argmax"])
def test_a_planted_shift_is_found_and_corrected(evidence, rule) -> None:
    labels, p, _ = simulate_people(500, SHIFTED, seed=1)
    shift = estimate_shift(evidence, [p], resamples=RESAMPLES)
    true, old = (labels % 3 == 2).mean(), ages(shift.shares)[0, 2]
    assert true > 0.25
    assert abs(old - true) < 0.05
    low, high = np.quantile(ages(shift.plausible)[:, 2], [0.025, 0.975])
    assert low < true < high
    choice = choose(shift, rule)
    assert choice.chosen is not None
    assert choice.chosen.strength > 0
    found = gain(labels, p, choice)
    truth = known_shift(evidence, [p], np.bincount(labels, minlength=18) / len(labels))
    best = macro_f1(labels, decide(corrected(truth, 1), rule))
    best -= macro_f1(labels, p.argmax(axis=1))
    assert found > 0.5 * best > 0.005


def test_without_a_shift_next_to_nothing_changes(evidence, unshifted) -> None:
    labels, p, shift = unshifted
    np.testing.assert_allclose(ages(shift.shares)[0], TRAINING.sum(axis=0), atol=0.05)
    choice = choose(shift, "argmax")
    assert abs(gain(labels, p, choice)) < 0.01
    moved = corrected(shift, 1).argmax(axis=1)
    assert (moved == evidence.calibration(p).argmax(axis=1)).mean() > 0.94


@pytest.mark.parametrize("rule", ["macro-f1", "argmax"])
def test_weak_evidence_abstains_or_gains_all_the_same(rule) -> None:
    """Thirty people, of whom two are old, and a model that hardly tells ages apart."""
    abstained = 0
    for seed in range(4):
        weak = evidence_of(30, skill=0.7, seed=seed)
        labels, p, _ = simulate_people(300, SHIFTED, seed=100 + seed, skill=0.7)
        few = [p[:280]]  # of 40 people; on all it shows what a correction is worth
        shift = estimate_shift(weak, few, resamples=RESAMPLES)
        choice = choose(shift, rule)
        if choice.chosen is None:
            abstained += 1
            assert all(option.low <= 0 for option in choice.options)
        else:
            assert gain(labels, p, choice) > -0.005
    assert abstained >= 2


def test_more_evidence_and_more_photos_narrow_the_interval(evidence, shifted) -> None:
    def width(shift):
        low, high = np.quantile(ages(shift.plausible)[:, 2], [0.1, 0.9])
        return high - low

    _, p, shift = shifted
    fewer_photos = estimate_shift(evidence, [p[:420]], resamples=RESAMPLES)
    fewer_people = estimate_shift(evidence_of(60), [p], resamples=RESAMPLES)
    assert width(fewer_photos) > 1.3 * width(shift)
    assert width(fewer_people) > 1.1 * width(shift)


def test_photos_are_as_many_people_as_out_of_fold_people_have_photos(shifted) -> None:
    assert (shifted[2].tests.sum(axis=1) == 300).all()


def test_the_order_of_the_photos_is_no_evidence(evidence, shifted) -> None:
    _, p, shift = shifted
    again = estimate_shift(evidence, [p[::-1]], resamples=2)
    np.testing.assert_allclose(again.shares, shift.shares, atol=1e-4)


def test_the_same_seed_chooses_the_same(evidence, shifted) -> None:
    _, p, _ = shifted
    one, other = (choose(estimate_shift(evidence, [p], resamples=10, seed=3)) for _ in range(2))
    assert one.options[1].gain == other.options[1].gain
    third = choose(estimate_shift(evidence, [p], resamples=10, seed=4))
    assert one.options[1].gain != third.options[1].gain


def test_the_expected_score_is_that_of_the_test_set(evidence, shifted) -> None:
    labels, p, shift = shifted
    before = choose(shift).before
    assert before.mean() == pytest.approx(macro_f1(labels, p.argmax(axis=1)), abs=0.04)
    low, high = np.quantile(before, [0.025, 0.975])
    assert low < macro_f1(labels, p.argmax(axis=1)) < high


def test_several_models_alike_are_pooled_and_averaged(evidence, shifted) -> None:
    _, p, shift = shifted
    twice = estimate_shift(evidence, [p, p], resamples=2)
    np.testing.assert_allclose(twice.shares, shift.shares, atol=1e-4)
    one, two = (corrected(replace(shift, models=given), 1) for given in ([p], [p, p]))
    np.testing.assert_allclose(one, two, atol=1e-6)
    np.testing.assert_allclose(one.sum(axis=1), 1)


def test_other_shares_are_no_surprise_and_other_photos_are(evidence, shifted) -> None:
    _, p, shift = shifted
    assert all(abs(away) < 4 for _, _, away in surprise(shift).values())
    blurred = p**0.4
    blurred /= blurred.sum(axis=1, keepdims=True)
    shift = estimate_shift(evidence, [blurred], resamples=RESAMPLES)
    found = surprise(shift)
    assert min(away for _, _, away in found.values()) < -5


def test_all_estimators_find_the_planted_shift_with_intervals(evidence, shifted) -> None:
    labels, _, shift = shifted
    found = estimates(shift)
    assert found.groupby("of", sort=False).size().to_dict() == {
        "class": 18, "mask": 3, "gender": 2, "age": 3,
    }  # fmt: skip
    rows = found.set_index(["of", "value"])
    true = {"male": (labels // 3 % 2 == 0).mean(), ">=60": (labels % 3 == 2).mean()}
    for key, truth in zip([("gender", "male"), ("age", ">=60")], true.values(), strict=True):
        for method in ("share", *METHODS):
            bounds = ("low", "high") if method == "share" else (f"{method}_low", f"{method}_high")
            low, high = (rows.loc[key, bound] for bound in bounds)
            assert low <= rows.loc[key, method] <= high
            assert low - 0.01 < truth < high + 0.01
    for of in ("class", *ATTRIBUTES):
        part = found[found["of"] == of]
        for column in ("out_of_fold", "predicted", "share", *METHODS):
            assert part[column].sum() == pytest.approx(1)
