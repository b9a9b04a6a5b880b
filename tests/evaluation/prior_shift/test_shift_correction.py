from dataclasses import replace

import numpy as np
import pytest

from mmmask.evaluation.decision import decide, expected_macro_f1
from mmmask.evaluation.prior_shift.correction import choose, surprise, weigh
from mmmask.evaluation.prior_shift.shift import estimate_shift, known_shift, learn
from mmmask.evaluation.scores import macro_f1
from mmmask.labels import ATTRIBUTES, marginals
from tests.simulated_people import SHIFTED, TRAINING, simulate_people

RESAMPLES = 30


def evidence_of(people=400, **options):
    labels, p, person = simulate_people(people, **options)
    return learn(p, labels, person)


@pytest.fixture(scope="module")
def evidence():
    return evidence_of()


@pytest.fixture(scope="module")
def shifted(evidence):
    """Labels, probabilities and estimated shift of people with many old and many men."""
    labels, p, _ = simulate_people(300, SHIFTED, seed=1)
    return labels, p, estimate_shift(evidence, [p], resamples=RESAMPLES)


def ages(shares):
    return marginals(np.atleast_2d(shares))["age"]


def chosen(shift, p, *args):
    return choose(shift, p.argmax(axis=1), *args)


def gain(labels, p, choice):
    return macro_f1(labels, choice.answers) - macro_f1(labels, p.argmax(axis=1))


@pytest.mark.parametrize("rule", ["macro-f1", "argmax"])
def test_a_planted_shift_is_found_and_corrected(evidence, rule) -> None:
    labels, p, _ = simulate_people(500, SHIFTED, seed=1)
    shift = estimate_shift(evidence, [p], resamples=RESAMPLES)
    true, old = (labels % 3 == 2).mean(), ages(shift.shares)[0, 2]
    assert true > 0.25
    assert abs(old - true) < 0.05
    low, high = np.quantile(ages(shift.plausible)[:, 2], [0.025, 0.975])
    assert low < true < high
    choice = chosen(shift, p, rule)
    assert choice.corrects
    assert choice.reason == ""
    truth = known_shift(evidence, [p], np.bincount(labels, minlength=18) / len(labels))
    best = macro_f1(labels, decide(truth.corrected(), rule)) - macro_f1(labels, p.argmax(axis=1))
    assert gain(labels, p, choice) > 0.5 * best > 0.005


def test_without_a_shift_the_photos_are_left_alone(evidence) -> None:
    for seed in range(2, 6):
        _, p, _ = simulate_people(300, seed=seed)
        shift = estimate_shift(evidence, [p], resamples=RESAMPLES)
        np.testing.assert_allclose(ages(shift.shares)[0], TRAINING.sum(axis=0), atol=0.05)
        choice = chosen(shift, p, "argmax")
        assert not choice.corrects
        assert choice.gain < 0.01
        moved = shift.corrected().argmax(axis=1)
        assert (moved == evidence.calibration(p).argmax(axis=1)).mean() > 0.94


def test_more_people_and_more_photos_make_the_expected_gain_surer(shifted) -> None:
    _, p, _ = shifted

    def spread(people, photos):
        found = []
        for seed in range(10, 13):
            evidence = evidence_of(people, seed=seed)
            shift = estimate_shift(evidence, [p[:photos]], resamples=RESAMPLES)
            found.append(chosen(shift, p[:photos]).spread)
        return np.mean(found)

    assert spread(60, 2100) > 1.2 * spread(400, 2100)
    assert spread(400, 420) > 1.2 * spread(400, 2100)


def test_a_correction_is_made_for_more_than_caution_times_its_spread(shifted) -> None:
    _, p, shift = shifted
    choice = chosen(shift, p)
    turn = choice.gain / choice.spread
    assert replace(choice, caution=0.99 * turn).corrects
    alone = replace(choice, caution=1.01 * turn)
    assert not alone.corrects
    assert f"gives up an expected gain of {choice.gain:+.3f}" in alone.reason
    assert replace(alone, known=True).corrects


def test_the_gain_is_expected_by_each_world_and_made_knowing_none() -> None:
    random = np.random.default_rng(0)
    after, *worlds = random.dirichlet(np.full(18, 0.3), (4, 200))
    before = random.integers(0, 18, 200)
    answers, gains = weigh(before, after, iter(worlds), "macro-f1")
    np.testing.assert_array_equal(answers, decide(after))
    for world, found in zip(worlds, gains, strict=True):
        expected = expected_macro_f1(world, decide(after)) - expected_macro_f1(world, before)
        assert found == pytest.approx(expected)


def test_the_order_of_the_photos_is_no_evidence(evidence, shifted) -> None:
    _, p, shift = shifted
    again = estimate_shift(evidence, [p[::-1]], resamples=2)
    np.testing.assert_allclose(again.shares, shift.shares, atol=1e-4)


def test_the_same_seed_expects_the_same(evidence, shifted) -> None:
    _, p, _ = shifted
    one, other, third = (
        chosen(estimate_shift(evidence, [p], resamples=10, seed=seed), p) for seed in (3, 3, 4)
    )
    assert one.gain == other.gain != third.gain


def test_several_models_alike_are_pooled_and_averaged(evidence, shifted) -> None:
    _, p, shift = shifted
    twice = estimate_shift(evidence, [p, p], resamples=2)
    np.testing.assert_allclose(twice.shares, shift.shares, atol=1e-4)
    one, two = (replace(shift, models=given).corrected() for given in ([p], [p, p]))
    np.testing.assert_allclose(one, two, atol=1e-6)
    np.testing.assert_allclose(one.sum(axis=1), 1)


def test_people_who_are_not_there_change_nothing(evidence, shifted) -> None:
    _, p, _ = shifted
    known = evidence.person < 300
    parts = (evidence.probabilities[known], evidence.labels[known], evidence.person[known])
    some = learn(*parts)
    draws = np.random.default_rng(0).poisson(1, (3, 400)).astype(float)
    one, other = (
        estimate_shift(some, [p], draws=given).plausible for given in (draws, draws[:, :300])
    )
    np.testing.assert_array_equal(one, other)
    assert some.people_in(700) == 100


def test_other_shares_are_no_surprise_and_other_photos_are(evidence, shifted) -> None:
    _, p, shift = shifted
    assert all(abs(away) < 4 for _, _, away in surprise(shift).values())
    blurred = p**0.4
    blurred /= blurred.sum(axis=1, keepdims=True)
    choice = chosen(estimate_shift(evidence, [blurred], resamples=RESAMPLES), blurred, "argmax", 0)
    assert min(away for _, _, away in choice.surprise.values()) < -5
    assert not choice.corrects
    assert "more than the shares differs: the model is" in choice.reason


def test_the_table_tells_the_planted_shift_with_its_interval(shifted) -> None:
    labels, p, shift = shifted
    found = shift.table(p.argmax(axis=1))
    assert found.groupby("of", sort=False).size().to_dict() == {
        "class": 18, "mask": 3, "gender": 2, "age": 3,
    }  # fmt: skip
    rows = found.set_index(["of", "value"])
    true = {"male": (labels // 3 % 2 == 0).mean(), ">=60": (labels % 3 == 2).mean()}
    for key, truth in zip([("gender", "male"), ("age", ">=60")], true.values(), strict=True):
        assert rows.loc[key, "low"] - 0.01 < truth < rows.loc[key, "high"] + 0.01
        assert rows.loc[key, "low"] <= rows.loc[key, "share"] <= rows.loc[key, "high"]
    for of in ("class", *ATTRIBUTES):
        part = found[found["of"] == of]
        for column in ("out_of_fold", "predicted", "share"):
            assert part[column].sum() == pytest.approx(1)
