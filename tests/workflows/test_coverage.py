import numpy as np
import pandas as pd
import pytest

from mmmask.errors import InputError
from mmmask.evaluation.intervals import macro_f1_of_counts
from mmmask.tables import PREDICTIONS, write_table
from mmmask.workflows.coverage import SimulatedPeople, TablePeople, measure
from tests.simulated_people import simulate_people, table_of


def table(folder, seed=0):
    """Write predictions of 80 people."""
    path = folder / "oof.parquet"
    folder.mkdir()
    write_table(path, table_of(*simulate_people(80, seed=seed)), PREDICTIONS)
    return path


def test_a_study_has_one_row_for_each_size_question_and_method(tmp_path) -> None:
    pair = [table(tmp_path / "a"), table(tmp_path / "b")]
    found = measure(pair, sets=3, sizes=(20, 40), seed=1)
    per_size = found.groupby("people").size()
    assert per_size[20] == per_size[40] == 3 * (3 + 2) + 4 * (1 + 2)
    assert (found["covered"] + found["above"] + found["below"]).to_numpy() == pytest.approx(1)
    pd.testing.assert_frame_equal(found, measure(pair, sets=3, sizes=(20, 40), seed=1))
    assert not found.equals(measure(pair, sets=3, sizes=(20, 40), seed=2))


def test_the_people_of_a_table_are_drawn_with_all_their_photos(tmp_path) -> None:
    people = TablePeople([table(tmp_path / "a")])
    sample = people.draw(np.random.default_rng(0), 30)
    truths = sample.counts[0][:, 1].sum(axis=1)
    assert (truths == 14).all()  # seven photos, in truth and in prediction
    assert sample.people.sum() == 30 * 3  # each in the three states of the mask
    many = people.draw(np.random.default_rng(0), 20_000)
    score = macro_f1_of_counts(many.counts[0].sum(axis=0))
    assert score == pytest.approx(people.truth[0], abs=0.01)


def test_a_table_without_people_is_no_population(tmp_path) -> None:
    path = tmp_path / "p.parquet"
    write_table(path, table_of(*simulate_people(20)).drop(columns="person"), PREDICTIONS)
    with pytest.raises(InputError, match=r"p\.parquet: must .* name every photo's person"):
        TablePeople([path])


def test_trainings_scatter_as_told() -> None:
    calm, wild = SimulatedPeople(0.07, 6, 0.0), SimulatedPeople(0.07, 6, 0.5)
    assert calm.of_trainings.std() == 0
    assert 0.015 < wild.of_trainings.std() < 0.05


@pytest.mark.slow
def test_intervals_and_verdicts_hold_what_they_promise(tmp_path) -> None:
    """Bounds leave three standard errors of 400 samples to what is promised."""
    found = measure(sets=400, sizes=(60, 140), seed=3).set_index(["of", "method", "people"])
    scores = found.loc["macro F1"]
    least = {60: 0.89, 140: 0.92}
    for people, share in least.items():
        assert scores.loc[("jackknife", people), "covered"].min() >= share
        bootstrap = scores.loc[("percentile bootstrap", people), "covered"]
        assert bootstrap.max() < scores.loc[("jackknife", people), "covered"].min()
    pairs = found.loc[("two models", "jackknife")]
    assert (1 - pairs["covered"]).max() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    of_three = found[found.index.get_level_values("of").str.contains("3 trainings")]
    trained = of_three.xs("jackknife", level="method")
    assert (1 - trained["covered"]).max() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    assert trained["power"].between(0.68, 0.92).all()
