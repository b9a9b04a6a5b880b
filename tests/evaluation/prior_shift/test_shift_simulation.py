import numpy as np
import pandas as pd
import pytest
from abstention.calibration import TempScaling
from abstention.label_shift import EMImbalanceAdapter

from mmmask.evaluation.prior_shift.references import references
from mmmask.evaluation.prior_shift.shares import FLOOR
from mmmask.evaluation.prior_shift.simulation import (
    COMPETITION,
    KINDS,
    Population,
    draw_shifts,
    summary,
)
from mmmask.labels import marginals
from tests.simulated_people import simulate_people


@pytest.fixture(scope="module")
def known():
    return simulate_people(240)


@pytest.fixture(scope="module")
def simulated(known):
    labels, p, person = known
    people = Population(p, labels, person, resamples=10, references=references())
    return pd.DataFrame([people.simulate(drawn) for drawn in draw_shifts(labels, person, 3)])


def test_evidence_and_test_set_never_share_a_person(known) -> None:
    labels, _, person = known
    for drawn in draw_shifts(labels, person, 2 * len(KINDS)):
        shown = [set(person[test]) for _, test in drawn.parts]
        for (evidence, _), people in zip(drawn.parts, shown, strict=True):
            assert not set(person[evidence]) & people
            assert 150 < len(set(person[evidence])) < 170
        assert sum(map(len, shown)) == len(set.union(*shown))


def test_no_label_of_a_third_is_known_where_it_is_corrected(known) -> None:
    labels, _, person = known
    drawn = next(draw_shifts(labels, person, 1))
    for third, (_, own) in enumerate(drawn.parts):
        (_, first), *others = readings = drawn.readings(third)
        np.testing.assert_array_equal(first, own)
        for evidence, test in readings:
            assert len(evidence)
            assert not set(person[evidence]) & (set(person[own]) | set(person[test]))
        shown = np.concatenate([own, *(test for _, test in others)])
        np.testing.assert_array_equal(np.sort(shown), np.sort(drawn.test))


def test_other_labels_of_a_third_change_none_of_its_answers(known) -> None:
    labels, p, person = known
    drawn = next(draw_shifts(labels, person, 1))
    own = np.setdiff1d(np.arange(len(labels)), drawn.parts[0][0])
    wrong = labels.copy()
    wrong[own] = 2
    true = np.full(18, 1 / 18)
    one, other = (
        Population(p, of, person, 5, references=references()).answers(drawn.readings(0), true, {})
        for of in (labels, wrong)
    )
    assert one[1] == other[1]
    for name, answers in one[0].items():
        np.testing.assert_array_equal(answers, other[0][name], err_msg=name)


def test_a_test_set_has_the_shares_of_its_kind(known) -> None:
    labels, _, person = known
    base = marginals(np.bincount(labels, minlength=18)[None] / len(labels))
    for drawn in draw_shifts(labels, person, 3 * len(KINDS), seed=3):
        found = marginals(np.bincount(labels[drawn.test], minlength=18)[None] / len(drawn.test))
        if drawn.kind != "classes":  # photos of a person stay together, so masks do not move
            np.testing.assert_allclose(found["mask"], base["mask"], atol=1e-9)
        expected = {
            "none": base,
            "competition": {name: value[None] for name, value in COMPETITION.items()},
            "old": {"gender": base["gender"]},
        }.get(drawn.kind, {})
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, atol=0.15)


def test_the_same_seed_draws_the_same(known) -> None:
    labels, _, person = known
    one, other, third = (list(draw_shifts(labels, person, 4, seed=seed)) for seed in (1, 1, 2))
    for a, b, c in zip(one, other, third, strict=True):
        np.testing.assert_array_equal(a.test, b.test)
        assert len(a.test) != len(c.test) or (a.test != c.test).any()
    longer = list(draw_shifts(labels, person, 9, seed=1))
    np.testing.assert_array_equal(longer[3].test, one[3].test)


def test_each_shift_is_scored_by_all_on_the_same_test_set(known, simulated) -> None:
    assert simulated["kind"].tolist() == ["none", "competition", "old"]
    assert set(references()) >= {"em_uncalibrated", "em_18", "abstention_em", "abstention_bbse"}
    for name in references():
        assert simulated[f"gain_{name}_argmax"].notna().all()
    abstained = simulated["abstained_macro-f1"] == 1
    assert (simulated.loc[abstained, "gain_macro-f1"] == 0).all()
    assert (simulated["old_low"] <= simulated["old_high"]).all()


def test_naive_em_is_what_abstention_does_without_calibration(known) -> None:
    """em_18 and abstention's EM differ in their calibration alone, and little on good data."""
    labels, p, _ = known
    given = simulate_people(240, seed=8)[1]
    one, other = (
        np.multiply(*references()[name](p, labels, given)) for name in ("em_18", "abstention_em")
    )
    assert (one.argmax(axis=1) == other.argmax(axis=1)).mean() > 0.8


def test_a_reference_tells_what_its_package_would_answer(known) -> None:
    """Taking calibration and factors apart changes no answer of abstention."""
    labels, p, _ = known
    seen, given = (
        np.maximum(one, FLOOR).astype(np.float64) for one in (p, simulate_people(240, seed=8)[1])
    )
    adapter = EMImbalanceAdapter(calibrator_factory=TempScaling(bias_positions="all"))
    whole = adapter(
        valid_labels=np.eye(18)[labels],
        tofit_initial_posterior_probs=given,
        valid_posterior_probs=seen,
    )(given)
    apart = np.multiply(*references()["abstention_em"](p, labels, given))
    np.testing.assert_allclose(apart / apart.sum(axis=1, keepdims=True), whole, rtol=1e-6)


def test_the_summary_counts_each_kind_and_all(simulated) -> None:
    found = summary(simulated, "argmax").set_index("kind")
    assert found.index.tolist() == ["none", "competition", "old", "all"]
    assert found.loc["all", "shifts"] == 3
    assert found.loc["all", "gain"] == pytest.approx(simulated["gain_argmax"].mean())
    assert found.loc["none", "p5"] == pytest.approx(simulated["gain_argmax"][0])
    assert found.loc["all", "abstained"] == simulated["abstained_argmax"].mean()
