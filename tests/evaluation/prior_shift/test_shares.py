import numpy as np
import pytest
from abstention.label_shift import EMImbalanceAdapter, PriorShiftAdapterFunc
from hypothesis import given, settings
from hypothesis import strategies as st

from mmmask.evaluation.calibration import fit_calibration
from mmmask.evaluation.prior_shift.shares import estimate_shares, reweight, with_margins
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


def test_pulled_without_end_the_estimate_stays_with_training(calibrated) -> None:
    _, known, _, p = calibrated
    source = known.mean(axis=0)
    np.testing.assert_allclose(estimate_shares(p, source, pull=1e9), source, atol=1e-4)


def test_a_weight_stands_for_repetition(calibrated) -> None:
    _, known, _, p = calibrated
    weight = np.random.default_rng(0).integers(0, 3, len(p))
    rows = np.repeat(np.arange(len(p)), weight)
    one, other = (
        estimate_shares(values, known.mean(axis=0), weight=weights, pull=30)
        for values, weights in ((p, weight), (p[rows], None))
    )
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_planted_shift_is_found(calibrated) -> None:
    _, known, labels, p = calibrated
    true = marginals(shares_of(labels)[None])
    found = marginals(estimate_shares(p, known.mean(axis=0))[None])
    predicted = marginals(p.mean(axis=0)[None])
    for name in ("gender", "age"):
        off = np.abs(found[name] - true[name]).max()
        assert off < 0.04
        assert off < 0.5 * np.abs(predicted[name] - true[name]).max()


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


def test_training_shares_are_the_competitions() -> None:
    assert TRAINING.sum(axis=0)[2] == pytest.approx(0.09)
    assert SHIFTED.sum(axis=0)[2] == pytest.approx(0.31)
    assert SHIFTED.sum(axis=1)[0] == pytest.approx(0.61)
