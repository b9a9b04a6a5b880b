import numpy as np
import pytest
from abstention.label_shift import BBSEImbalanceAdapter, EMImbalanceAdapter, PriorShiftAdapterFunc
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from mmmask.evaluation.calibration import fit_calibration
from mmmask.evaluation.intervals import confusion_by_person
from mmmask.evaluation.prior_shift.shares import (
    answers_by_class,
    estimate_shares,
    macro_f1_at,
    mean_answers,
    reweight,
    shares_behind,
    with_margins,
)
from mmmask.labels import marginals
from tests.simulated_people import SHIFTED, TRAINING, simulate_people


def shares_of(labels):
    return np.bincount(labels, minlength=18) / len(labels)


@pytest.fixture(scope="module")
def calibrated():
    """Calibrated probabilities of known people and of others with other shares, and labels."""
    truth, p, person = simulate_people(500)
    fitted = fit_calibration(p, truth, person=person)
    labels, given, _ = simulate_people(500, SHIFTED, seed=1)
    return truth, fitted(p).astype(float), labels, fitted(given).astype(float)


def dirichlet(seed, classes=18, concentration=1.0):
    return np.random.default_rng(seed).dirichlet(np.full(classes, concentration)) + 1e-6


@given(st.integers(0, 10**6), st.sampled_from([2, 3, 18]))
@settings(max_examples=50, deadline=None)
def test_reweighted_rows_sum_to_1_and_stay_where_the_shares_do(seed, classes) -> None:
    p = np.random.default_rng(seed).dirichlet(np.full(classes, 0.3), 30)
    source, target = (dirichlet(seed + k, classes) for k in (1, 2))
    moved = reweight(p, source, target)
    np.testing.assert_allclose(moved.sum(axis=1), 1)
    np.testing.assert_allclose(reweight(p, source, source), p, atol=1e-7)
    np.testing.assert_allclose(reweight(p, source, target, 0), p, atol=1e-7)
    half = reweight(reweight(p, source, target, 0.5), source, target, 0.5)
    np.testing.assert_allclose(half, moved, atol=1e-6)


def test_reweighting_equals_that_of_abstention(calibrated) -> None:
    p = calibrated[3]
    source, target = dirichlet(1), dirichlet(2)
    expected = PriorShiftAdapterFunc(target / source)(p)
    np.testing.assert_allclose(reweight(p, source, target), expected, atol=1e-6)


def test_the_estimate_equals_that_of_abstentions_em(calibrated) -> None:
    _, known, _, p = calibrated
    em = EMImbalanceAdapter(tolerance=1e-9, max_iterations=20_000)
    found = em(valid_posterior_probs=known, tofit_initial_posterior_probs=p)
    source = known.mean(axis=0)
    expected = found.multipliers * source
    np.testing.assert_allclose(estimate_shares(p, source), expected / expected.sum(), atol=2e-4)


def test_a_pull_gives_the_map_estimate_of_a_loop_of_em(calibrated) -> None:
    _, known, _, p = calibrated
    source, p = known.mean(axis=0), p[::5]
    weight = np.random.default_rng(0).integers(0, 3, len(p)).astype(float)
    shares = source.copy()
    for _ in range(1500):
        posterior = p * shares / source
        posterior /= posterior.sum(axis=1, keepdims=True)
        counts = weight @ posterior + 40 * source
        shares = counts / counts.sum()
    found = estimate_shares(p, source, weight=weight, pull=40)
    np.testing.assert_allclose(found, shares, atol=2e-4)


@pytest.mark.parametrize("family", ["attributes", "cells"])
def test_a_family_keeps_what_its_factors_cannot_move(calibrated, family) -> None:
    """At the maximum, the margins of a family are those of the mean corrected probabilities."""
    _, known, _, p = calibrated
    source = known.mean(axis=0)
    shares = estimate_shares(p, source, family=family)
    mean = reweight(p, source, shares).mean(axis=0)
    factor = (shares / source).reshape(3, 2, 3)
    for name, margin in marginals(shares[None]).items():
        np.testing.assert_allclose(margin, marginals(mean[None])[name], atol=1e-3)
    if family == "attributes":
        odds = factor[:, 0] / factor[:, 1]
        np.testing.assert_allclose(odds, np.broadcast_to(odds[:1, :1], odds.shape), rtol=1e-6)
    else:
        cells = mean.reshape(3, 2, 3).sum(axis=0)
        np.testing.assert_allclose(shares.reshape(3, 2, 3).sum(axis=0), cells, atol=1e-3)


def test_pulled_without_end_the_estimate_is_what_it_is_pulled_to(calibrated) -> None:
    _, known, _, p = calibrated
    source, toward = known.mean(axis=0), dirichlet(3)
    toward /= toward.sum()
    found = estimate_shares(p, source, toward=toward, pull=1e9)
    np.testing.assert_allclose(found, toward, atol=1e-4)


def test_a_planted_shift_is_found(calibrated) -> None:
    _, known, labels, p = calibrated
    true = marginals(shares_of(labels)[None])
    found = marginals(estimate_shares(p, known.mean(axis=0), family="attributes")[None])
    predicted = marginals(p.mean(axis=0)[None])
    for name in ("gender", "age"):
        off = np.abs(found[name] - true[name]).max()
        assert off < 0.04
        assert off < 0.5 * np.abs(predicted[name] - true[name]).max()


@pytest.mark.parametrize("hard", [True, False])
def test_bbse_equals_that_of_abstention_where_no_share_is_0(calibrated, hard) -> None:
    truth, known, _, p = calibrated
    ages, given_ages = (marginals(one)["age"] for one in (known, p))
    labels = np.eye(3)[truth % 3]
    expected = BBSEImbalanceAdapter(soft=not hard)(labels, given_ages, ages).multipliers
    expected = expected * labels.mean(axis=0)
    confusion = answers_by_class(ages, truth % 3, hard)
    found = shares_behind(mean_answers(given_ages, hard), confusion)
    assert expected.min() > 0.05
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-4)


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_shares_behind_any_answers_are_shares(seed) -> None:
    random = np.random.default_rng(seed)
    confusion = random.dirichlet(np.ones(18), 18).T
    shares = shares_behind(random.dirichlet(np.full(18, 0.2)), confusion)
    assert shares.min() >= 0
    assert shares.sum() == pytest.approx(1)


def test_answers_to_a_class_that_nobody_has_are_taken_for_right() -> None:
    confusion = answers_by_class(np.array([[0.6, 0.4, 0], [0.2, 0.8, 0]]), np.array([0, 1]), False)
    np.testing.assert_allclose(confusion, [[0.6, 0.2, 0], [0.4, 0.8, 0], [0, 0, 1]])


def test_weights_stand_for_repetition(calibrated) -> None:
    truth, known, _, p = calibrated
    weight = np.random.default_rng(0).integers(0, 3, len(p))
    rows = np.repeat(np.arange(len(p)), weight)
    source = known.mean(axis=0)
    for hard in (True, False):
        np.testing.assert_allclose(
            answers_by_class(known, truth, hard, weight),
            answers_by_class(known[rows], truth[rows], hard),
        )
        np.testing.assert_allclose(mean_answers(p, hard, weight), mean_answers(p[rows], hard))
    one = estimate_shares(p, source, family="attributes", weight=weight)
    np.testing.assert_allclose(
        one, estimate_shares(p[rows], source, family="attributes"), atol=1e-4
    )


def test_given_margins_are_reached_and_the_odds_kept() -> None:
    source = dirichlet(4)
    source /= source.sum()
    margins = {"gender": np.array([0.61, 0.39]), "age": np.array([0.42, 0.27, 0.31])}
    found = with_margins(source, margins)
    for name, expected in margins.items():
        np.testing.assert_allclose(marginals(found[None])[name][0], expected, atol=1e-9)
    odds = (found / source).reshape(3, 2, 3)
    np.testing.assert_allclose(odds[0], odds[2], rtol=1e-9)
    one = odds[:, 0] / odds[:, 1]
    np.testing.assert_allclose(one, np.broadcast_to(one[:1, :1], one.shape), rtol=1e-6)


def test_macro_f1_at_its_own_shares_is_macro_f1() -> None:
    labels, p, person = simulate_people(80)
    decided = p.argmax(axis=1)
    confusion = confusion_by_person(person, labels, decided)
    found = macro_f1_at(shares_of(labels)[None], confusion, np.ones((1, 80)))
    expected = f1_score(labels, decided, labels=range(18), average="macro", zero_division=0)
    assert found[0] == pytest.approx(expected)


def test_macro_f1_at_other_shares_is_that_of_photos_repeated() -> None:
    labels, p, person = simulate_people(80)
    decided = p.argmax(axis=1)
    times = np.random.default_rng(0).integers(1, 5, 18)
    rows = np.repeat(np.arange(len(labels)), times[labels])
    confusion = confusion_by_person(person, labels, decided)
    found = macro_f1_at(shares_of(labels[rows])[None], confusion, np.ones((1, 80)))
    expected = f1_score(
        labels[rows], decided[rows], labels=range(18), average="macro", zero_division=0
    )
    assert found[0] == pytest.approx(expected)


def test_validation_reweighted_to_the_test_shares_foretells_the_test_score() -> None:
    many_old = np.array([[0.05, 0.05, 0.4], [0.05, 0.05, 0.4]])
    labels, p, person = simulate_people(900)
    tested, q, _ = simulate_people(900, many_old, seed=1)
    confusion = confusion_by_person(person, labels, p.argmax(axis=1))
    foretold = macro_f1_at(shares_of(tested)[None], confusion, np.ones((1, 900)))[0]
    scores = [
        f1_score(y, r.argmax(axis=1), labels=range(18), average="macro", zero_division=0)
        for y, r in ((labels, p), (tested, q))
    ]
    assert abs(scores[1] - scores[0]) > 0.04
    assert foretold == pytest.approx(scores[1], abs=0.02)


def test_shares_of_a_family_need_18_classes() -> None:
    with pytest.raises(ValueError, match="family must be one of"):
        estimate_shares(np.full((4, 3), 1 / 3), np.full(3, 1 / 3), family="attributes")
    with pytest.raises(ValueError, match="got 'pairs'"):
        estimate_shares(np.full((4, 18), 1 / 18), np.full(18, 1 / 18), family="pairs")


def test_training_shares_are_the_competitions() -> None:
    assert TRAINING.sum(axis=0)[2] == pytest.approx(0.09)
    assert SHIFTED.sum(axis=0)[2] == pytest.approx(0.31)
    assert SHIFTED.sum(axis=1)[0] == pytest.approx(0.61)
