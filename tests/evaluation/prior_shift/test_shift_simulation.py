import numpy as np
import pandas as pd
import pytest

from mmmask.evaluation.calibrated_tables import PARTS
from mmmask.evaluation.prior_shift import simulation
from mmmask.evaluation.prior_shift.references import references
from mmmask.evaluation.prior_shift.simulation import COMPETITION, KINDS, Population, summary
from mmmask.labels import marginals
from tests.simulated_people import SHIFTED, simulate_people


def population_of(people, **options):
    labels, p, person = simulate_people(people, **options)
    return Population(p, labels, person)


@pytest.fixture(scope="module")
def population():
    return population_of(240)


@pytest.fixture(scope="module")
def simulated(population):
    drawn = [population.draw(150, number) for number in range(3)]
    return pd.DataFrame([population.simulate(one, resamples=10) for one in drawn])


def test_a_test_set_has_the_people_and_the_shares_of_its_kind(population) -> None:
    base = marginals(np.bincount(population.labels, minlength=18)[None] / len(population.labels))
    for number in range(3 * len(KINDS)):
        drawn = population.draw(300, number, seed=3)
        assert len(drawn.rows) == 300 * 7
        labels = population.labels[drawn.rows]
        found = marginals(np.bincount(labels, minlength=18)[None] / len(labels))
        if drawn.kind != "classes":  # photos of a person stay together, so masks do not move
            np.testing.assert_allclose(found["mask"], base["mask"], atol=1e-9)
        expected = {
            "none": base,
            "competition": {name: value[None] for name, value in COMPETITION.items()},
            "old": {"gender": base["gender"]},
        }.get(drawn.kind, {})
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, atol=0.12)


def test_nobody_is_drawn_twice_before_all_alike_are(population) -> None:
    drawn = population.draw(100, 0)
    assert drawn.kind == "none"
    times = np.bincount(population.person[drawn.rows], minlength=240) / 7
    cell = population.labels[population.person.searchsorted(np.arange(240))] % 6
    for value in range(6):
        alike = times[cell == value]
        assert alike.max() - alike.min() <= 1


def test_the_same_seed_draws_the_same(population) -> None:
    one, other, third = (population.draw(150, 4, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.rows, other.rows)
    assert len(one.rows) != len(third.rows) or (one.rows != third.rows).any()


def test_the_labels_of_a_part_change_nothing_where_it_is_corrected(population) -> None:
    drawn = population.draw(100, 1)

    class Dealt(Population):
        part = population.part

    wrong = population.labels.copy()
    wrong[population.part[population.person] == 2] = 2
    one, other = (
        Dealt(population.probabilities, labels, population.person).estimate(drawn, 2, 3, 0)
        for labels in (population.labels, wrong)
    )
    assert set(population.part) == set(range(PARTS))
    np.testing.assert_array_equal(one.corrected(), other.corrected())
    for a, b in zip(one.worlds(), other.worlds(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_each_shift_is_scored_by_all_on_the_same_test_set(simulated) -> None:
    assert simulated["kind"].tolist() == ["none", "competition", "old"]
    assert "em" in references()
    assert simulation.references_in(simulated) == [*references()]
    assert simulated.notna().all(axis=None)
    corrected = simulated["corrected"].astype(bool)
    assert (simulated["gain"] == simulated["always"].where(corrected, 0)).all()


@pytest.mark.parametrize("name", [*references()])
def test_a_reference_finds_the_planted_shares(name) -> None:
    labels, known, _ = simulate_people(500, too_sure=dict.fromkeys(("mask", "gender", "age"), 1))
    true, given, _ = simulate_people(
        300, SHIFTED, seed=8, too_sure=dict.fromkeys(("mask", "gender", "age"), 1)
    )
    given = given.astype(np.float64)
    found = references()[name](known.astype(np.float64), labels, given)
    shares = np.bincount(true, minlength=18) / len(true)
    assert found.sum() == pytest.approx(1)
    off, before = (np.abs(one - shares).sum() for one in (found, given.mean(axis=0)))
    assert off < 0.6 * before


@pytest.mark.slow
def test_much_of_the_gain_is_taken_little_is_lost_and_the_promise_is_kept() -> None:
    """On 42 test sets of 200 people that are drawn from 700."""
    population = population_of(700, seed=5)
    draws = [population.draw(200, number, seed=2) for number in range(42)]
    found = pd.DataFrame(
        [population.simulate(one, resamples=20, seed=number) for number, one in enumerate(draws)]
    )
    everything = summary(found).iloc[-1]
    assert everything["gain"] > 0.55 * everything["true"] > 0.02
    assert everything["p5"] > -0.012
    worth_it = found[found["true"] > 0.02]
    assert 1 - worth_it["corrected"].mean() < 1 / 3
    assert 0.75 < everything["realised"] / everything["promised"] < 1.6


def test_the_summary_counts_each_kind_and_all() -> None:
    simulated = pd.DataFrame(
        {
            "kind": ["none", "old", "old"],
            "uncorrected": 0.5,
            "corrected": [False, True, True],
            "gain": [0.0, 0.03, 0.01],
            "always": [-0.01, 0.03, 0.01],
            "promised": [0.001, 0.04, 0.02],
            "true": [0.0, 0.05, 0.03],
            "decision": [0.0, 0.01, 0.01],
        }
    )
    found = summary(simulated).set_index("kind")
    assert found.index.tolist() == ["none", "old", "all"]
    everything = found.loc["all"]
    assert everything["shifts"] == 3
    assert everything["gain"] == pytest.approx(0.04 / 3)
    assert everything["alone"] == pytest.approx(1 / 3)
    assert everything["given_up"] == -0.01
    assert everything["promised"] == pytest.approx(0.03)
    assert everything["realised"] == pytest.approx(0.02)
    assert np.isnan(found.loc["none", "promised"])
