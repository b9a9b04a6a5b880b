import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon

from mmmask.evaluation.disagreement import disagreement
from mmmask.labels import marginals
from mmmask.tables import PROBABILITIES


def predictions(people=30, photos=2, seed=0):
    values = np.random.default_rng(seed).dirichlet(np.full(18, 0.3), people * photos)
    table = pd.DataFrame(values.astype(np.float32), columns=list(PROBABILITIES))
    return table.assign(person=np.repeat([f"p{k}" for k in range(people)], photos))


def test_of_two_photos_it_is_the_squared_distance_of_scipy():
    table = predictions()
    found = disagreement(table)
    parts = marginals(table[list(PROBABILITIES)].to_numpy(dtype=np.float64))
    for person, row in found.iterrows():
        first, second = np.flatnonzero(table["person"] == person)
        for name in ("gender", "age"):
            expected = jensenshannon(parts[name][first], parts[name][second], base=2) ** 2
            assert row[f"{name}_bits"] == pytest.approx(expected, abs=1e-6)
        assert row["bits"] == pytest.approx(row["gender_bits"] + row["age_bits"])


def test_it_lists_who_has_different_answers_strongest_first():
    table = predictions(photos=3)
    answer = table[list(PROBABILITIES)].to_numpy().argmax(axis=1)
    gender = pd.Series(answer // 3 % 2).groupby(table["person"]).nunique() > 1
    age = pd.Series(answer % 3).groupby(table["person"]).nunique() > 1
    found = disagreement(table)
    assert set(found.index) == {*gender.index[gender | age]}
    assert found["gender"].to_dict() == gender[found.index].to_dict()
    assert found["age"].to_dict() == age[found.index].to_dict()
    assert (np.diff(found["bits"]) <= 0).all()


def test_photos_that_say_the_same_however_unsure_do_not_disagree():
    table = predictions(people=5, photos=1)
    again = pd.concat([table, table], ignore_index=True)
    assert disagreement(again).empty


def test_masks_differ_between_photos_and_do_not_count():
    table = pd.DataFrame({f"mask_{k}": np.eye(3)[:, k] for k in range(3)})
    assert disagreement(table.assign(person="p")).empty
    table = pd.DataFrame({"gender_0": [1.0, 0.0], "gender_1": [0.0, 1.0], "person": "p"})
    found = disagreement(table)
    assert found.loc["p", "bits"] == pytest.approx(1)  # sure of both: one bit
    assert "age" not in found
