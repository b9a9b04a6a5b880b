import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from mmmask.evaluation.intervals import paired_difference
from mmmask.tables import PREDICTIONS, PROBABILITIES, write_table
from tests.made_ages import certain

from .conftest import tool

PEOPLE = 40


def predictions(right: float, seed: int = 0, folder: str = "train") -> pd.DataFrame:
    """Predict seven photos of each person, of which a share is right."""
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(PEOPLE), 7)
    truth = random.integers(0, 18, len(person))
    hit = np.random.default_rng(seed).random(len(person)) < right
    predicted = np.where(hit, truth, (truth + 1) % 18)
    table = pd.DataFrame(np.eye(18)[predicted], columns=list(PROBABILITIES))
    table.insert(0, "image", [f"{folder}/images/{row}.jpg" for row in range(len(person))])
    return table.assign(label=truth, person=person.astype(str))


def labels(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return table["label"].to_numpy(), table[list(PROBABILITIES)].to_numpy().argmax(axis=1)


@pytest.fixture
def tables(tmp_path) -> dict[str, pd.DataFrame]:
    found = {"a": predictions(0.5), "b": predictions(0.7, 1), "c": predictions(0.5)}
    truth, predicted = labels(found["c"])  # c mends as many photos as it spoils
    mended, spoilt = np.flatnonzero(truth != predicted)[:9], np.flatnonzero(truth == predicted)[:9]
    for rows, classes in ((mended, truth[mended]), (spoilt, (truth[spoilt] + 1) % 18)):
        found["c"].loc[rows, list(PROBABILITIES)] = np.eye(18)[classes]
    for name, table in found.items():
        write_table(tmp_path / name / "oof.parquet", table.sample(frac=1), PREDICTIONS)
    return found


def test_two_tables_are_compared_on_the_same_people(tables, tmp_path) -> None:
    done = tool("score.py", *(tmp_path / name / "oof.parquet" for name in "abc"))
    assert done.returncode == 0, done.stderr
    truth, a = labels(tables["a"])
    assert f"{f1_score(truth, a, average='macro'):.3f} [" in done.stdout
    assert "280 photos, 95 % interval over 40 people" in done.stdout
    person = tables["a"]["person"]
    for name, shown in (("b", True), ("c", False)):
        other = labels(tables[name])[1]
        difference = paired_difference(person, truth, [other], [a])
        word = "better" if difference.value > 0 else "worse"
        line = next(line for line in done.stdout.splitlines() if line.startswith(f"{name} is "))
        assert line.startswith(f"{name} is {word} than a by {abs(difference.value):.3f} [")
        assert difference.shown == shown
        assert line.endswith(f"]: {difference.verdict}")


def test_one_table_is_told_by_class(tables, tmp_path) -> None:
    done = tool("score.py", tmp_path / "a" / "oof.parquet")
    assert done.returncode == 0, done.stderr
    score = f1_score(*labels(tables["a"]), average="macro")
    assert f"macro F1 {score:.3f} [" in done.stdout
    assert "female 30-59" in done.stdout


def test_submissions_are_scored_against_given_labels(tmp_path) -> None:
    table = predictions(0.6, folder="eval").drop(columns="person")
    truth, predicted = labels(table)
    names = table["image"].str.split("/").str[-1]
    for name, answers in (("labels", truth), ("old", predicted), ("new", truth)):
        pd.DataFrame({"ImageID": names, "ans": answers}).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    write_table(tmp_path / "preds.parquet", table.drop(columns="label"), PREDICTIONS)
    paths = [tmp_path / name for name in ("old.csv", "new.csv", "preds.parquet")]
    done = tool("score.py", *paths, "--labels", tmp_path / "labels.csv")
    assert done.returncode == 0, done.stderr
    assert "interval over 280 photos, too narrow: no column tells the person" in done.stdout
    assert "new.csv is better than old.csv by 0." in done.stdout
    assert "preds.parquet scores as old.csv does" in done.stdout


def test_ages_of_a_model_of_years_are_a_line_of_their_own(tables, tmp_path) -> None:
    a, b = (tmp_path / name / "oof.parquet" for name in "ab")
    true = np.full(len(tables["b"]), 40)
    table = pd.concat([tables["b"].assign(age=true), certain(true - 3)], axis=1)
    write_table(b, table, PREDICTIONS)
    words = "age in years: MAE 3.0 [3.0, 3.0], within 5 years 100 % [100, 100], bias -3.0"
    assert f"\n{words}" in tool("score.py", b).stdout
    compared = tool("score.py", a, b).stdout
    assert f"\nb: {words}" in compared
    assert "a: age in years" not in compared


def test_tables_of_other_photos_are_refused(tables, tmp_path, refused) -> None:
    a, b = tmp_path / "a" / "oof.parquet", tmp_path / "b" / "oof.parquet"
    write_table(b, tables["b"].iloc[1:], PREDICTIONS)
    line = refused("score.py", a, b)
    assert f"{a} and {b} have different photos, 1 are in one alone" in line


def test_tables_of_models_that_learned_from_the_test_set_are_marked(tables, tmp_path) -> None:
    a, b = (tmp_path / name / "oof.parquet" for name in "ab")
    stated = {"members": [{"provenance": {"pseudo_labels": {"from_test_set": 7}}}]}
    write_table(b, tables["b"], PREDICTIONS, stated)
    sentence = "trained on photos of the test set (7 with labels that a model gave them)"
    assert f"warning: {sentence}" in tool("score.py", b).stdout
    compared = tool("score.py", a, b).stdout
    assert f"warning: b: {sentence}" in compared
    assert "warning: a" not in compared
