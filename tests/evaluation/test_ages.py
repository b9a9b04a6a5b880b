import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error

from mmmask.evaluation.ages import Ages, age_errors
from mmmask.labels import NUM_YEARS, age_group
from tests.made_ages import table_of

PEOPLE = 30


@pytest.fixture
def table() -> pd.DataFrame:
    """Seven photos of each person, who is as often taken for older as for younger."""
    random = np.random.default_rng(0)
    person = np.repeat([f"p{k}" for k in range(PEOPLE)], 7)
    true = np.repeat(random.integers(18, 66, PEOPLE), 7)
    error = np.repeat(random.integers(-9, 10, PEOPLE), 7) + random.integers(-2, 3, len(true))
    return table_of(true.tolist(), true + error, person, np.repeat(np.arange(PEOPLE) % 2, 7))


def test_scores_are_those_of_hand_and_of_scikit_learn() -> None:
    true, predicted = [20, 30, 40, 50], [25, 24, 40, 61]  # errors 5, -6, 0, 11
    row = Ages.of(table_of(true, predicted, list("abcd"))).scores.iloc[0]
    assert row["age_mae"] == 5.5 == mean_absolute_error(true, predicted)
    assert row["age_within_5"] == 0.5
    assert row["age_bias"] == 2.5


def test_no_bound_is_a_value_that_a_score_cannot_have() -> None:
    true, predicted = [20, 30, 40, 50, 60, 70], [20, 30, 41, 52, 63, 99]  # one is far off
    row = Ages.of(table_of(true, predicted, list("abcdef"))).scores.iloc[0]
    assert row["age_mae_low"] == 0 < row["age_mae"] < row["age_mae_high"]
    assert row["age_within_5_low"] < row["age_within_5"] < row["age_within_5_high"] == 1
    assert row["age_bias_low"] < 0 < row["age_bias_high"]


def test_the_median_has_the_smallest_expected_absolute_error() -> None:
    years = np.random.default_rng(0).dirichlet(np.full(NUM_YEARS, 0.1), 20)
    ages = np.arange(NUM_YEARS)
    expected = years @ np.abs(ages[:, None] - ages)  # (N, answers)
    chosen = age_errors(years, np.zeros(20))
    np.testing.assert_allclose(expected[np.arange(20), chosen], expected.min(axis=1))


def test_bounds_are_the_quantiles_of_a_loop_over_drawn_people(table) -> None:
    row = Ages.of(table).scores.iloc[0]
    ages = Ages.of(table)
    by_person = pd.Series(ages.errors).abs().groupby(table["person"]).agg(["sum", "size"])
    random = np.random.default_rng(1)
    means = []
    for _ in range(3000):
        drawn = by_person.iloc[random.integers(0, PEOPLE, PEOPLE)]
        means.append(drawn["sum"].sum() / drawn["size"].sum())
    bounds = row[["age_mae_low", "age_mae_high"]].astype(float)
    np.testing.assert_allclose(bounds, np.quantile(means, [0.025, 0.975]), atol=0.12)


def test_biases_are_by_age_group_gender_and_five_years(table) -> None:
    ages = Ages.of(table)
    error = pd.Series(ages.predicted - table["age"].to_numpy(dtype=int))
    keys = {
        "age group": np.take(["<30", "30-59", ">=60"], age_group(ages.true)),
        "gender": np.repeat(np.take(["male", "female"], np.arange(PEOPLE) % 2), 7),
        "true age": [f"{age // 5 * 5}-{age // 5 * 5 + 4}" for age in ages.true],
    }
    for by, members in ages.slices.items():
        found = ages.by(members).set_index("slice")["age_bias"]
        expected = error.groupby(keys[by]).mean()
        np.testing.assert_allclose(found, expected.loc[found.index])
        assert len(found) == len(expected)


def test_photos_of_unknown_age_are_left_out_and_counted() -> None:
    ages = Ages.of(table_of([20, None, 40], [22, 90, 44], list("abb")))
    assert (len(ages.true), ages.photos) == (2, 3)
    assert ages.scores["age_mae"].item() == 3


def test_without_years_or_true_ages_there_is_nothing_to_score(table) -> None:
    years = [name for name in table if name.startswith("year_")]
    assert Ages.of(table.drop(columns=years)) is None
    assert Ages.of(table.drop(columns="age")) is None
    assert Ages.of(table.assign(age=pd.array([None] * len(table), dtype="Int16"))) is None


def test_without_people_photos_are_drawn_and_the_interval_is_narrower(table) -> None:
    people, photos = Ages.of(table), Ages.of(table.drop(columns="person"))
    assert (people.unit, photos.unit) == ("people", "photos")

    def width(ages: Ages) -> float:
        row = ages.scores.iloc[0]
        return row["age_bias_high"] - row["age_bias_low"]

    assert width(photos) < 0.6 * width(people)


def test_one_person_has_scores_and_no_interval() -> None:
    row = Ages.of(table_of([20] * 7, [23] * 7, ["a"] * 7)).scores.iloc[0]
    assert row["age_mae"] == row["age_bias"] == 3
    assert np.isnan(row["age_mae_low"]) and np.isnan(row["age_bias_high"])


def test_a_difference_is_paired(table) -> None:
    true = table["age"].to_numpy(dtype=int)
    one = Ages.of(table)
    worse = one.true + one.errors + np.where(one.errors < 0, -1, 1)  # by a year in each photo
    other = Ages.of(table_of(true.tolist(), worse, table["person"].to_numpy()))
    row = other.minus(one).iloc[0]
    assert row["age_mae"] == row["age_mae_low"] == row["age_mae_high"] == 1
