import numpy as np
import pytest
from scipy.stats import t as student_t

from mmmask.evaluation.jackknife import Interval, Jackknife


def test_trainings_add_the_covariance_over_people_and_their_own_variance():
    random = np.random.default_rng(0)
    people = random.normal(size=50)
    pseudo = people + 0.5 * random.normal(size=(4, 50))
    found = Jackknife(random.normal(size=4), pseudo)
    covariance = np.cov(pseudo) / 50
    shared = covariance[~np.eye(4, dtype=bool)].mean()
    trainings = found.values.var(ddof=1) / 4
    moves = (pseudo - pseudo.mean(axis=1, keepdims=True)).mean(axis=0)
    squares = (moves**2).sum()
    freedom = min(2 * squares**2 / ((moves**4).sum() - squares**2 / 50), 49)
    total = shared + trainings
    together = total**2 / (shared**2 / freedom + trainings**2 / 3)
    half = student_t.ppf(0.975, together) * np.sqrt(total)
    difference = found.difference()
    assert difference.high - difference.low == pytest.approx(2 * half)
    assert difference.value == pytest.approx(found.values.mean())


@pytest.mark.parametrize("models", [1, 4])
def test_a_detectable_difference_is_shown_in_80_percent_of_samples(models):
    random = np.random.default_rng(1)
    shown, sizes = [], []
    for _ in range(1500):
        pseudo = random.normal(size=30) + random.normal(size=(models, 30))
        found = Jackknife(pseudo.mean(axis=1), pseudo).difference()
        sizes.append(found.detectable)
        shown.append(found.low)
    assert np.mean(np.array(shown) + np.mean(sizes) > 0) == pytest.approx(0.8, abs=0.04)


def test_an_interval_reads_as_value_and_bounds():
    assert str(Interval(0.5531, 0.5062, 0.597)) == "0.553 [0.506, 0.597]"
