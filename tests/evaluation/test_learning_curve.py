"""Curves through scores of fewer people, and where they lead."""

import numpy as np
import pytest

from mmmask.evaluation.learning_curve import extrapolated, fit_curve

SIZES = np.array([0.125, 0.25, 0.5, 0.75, 1.0])


@pytest.mark.parametrize(("a", "b", "c"), [(0.7, 0.1, 0.5), (0.9, 0.3, 0.2), (0.6, 0.02, 1.0)])
def test_a_curve_is_found_again(a, b, c) -> None:
    scores = a - b * SIZES**-c
    found = [float(value[0]) for value in fit_curve(SIZES, scores[None])]
    np.testing.assert_allclose(found, (a, b, c), atol=1e-6)


def test_scores_that_fall_with_more_people_promise_no_gain() -> None:
    a, b, _ = fit_curve(SIZES, np.array([[0.60, 0.59, 0.58, 0.57, 0.56]]))
    assert (a[0], b[0]) == (pytest.approx(0.58), 0)


def test_no_curve_leads_above_one() -> None:
    a, b, _ = fit_curve(SIZES, np.array([[0.1, 0.3, 0.5, 0.7, 0.95]]))
    assert a[0] <= 1 and b[0] > 0


def simulated(people: int, shares, trainings: int = 3):
    """Return people and answers of two classes; fewer are wrong with larger shares."""
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(people), 4)
    truth = random.integers(18, size=people)[person]
    models = []
    for share in shares:
        wrong = 0.3 + 0.1 * share**-0.5
        each = [random.random(len(truth)) < wrong for _ in range(trainings)]
        models.append([np.where(error, (truth + 1) % 18, truth) for error in each])
    return person, truth, models


def test_the_interval_holds_the_score_of_more_people_and_narrows_with_more() -> None:
    expected = 1 - (0.3 + 0.1 * 1.25**-0.5)
    widths = []
    for people in (100, 1600):
        person, truth, models = simulated(people, SIZES)
        score, gain = extrapolated(person, truth, models, SIZES, 1.25, resamples=200)
        assert score.low < expected < score.high
        assert gain.low <= gain.value <= gain.high
        widths.append(score.high - score.low)
    assert widths[1] < widths[0]


def test_the_same_people_again_bring_nothing() -> None:
    _, gain = extrapolated(*simulated(50, SIZES), SIZES, 1.0, resamples=50)
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)
