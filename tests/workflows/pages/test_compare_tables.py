from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.errors import InputError
from mmmask.evaluation.intervals import paired_difference
from mmmask.evaluation.scores import macro_f1
from mmmask.labels import CLASSES, decode
from mmmask.reports.pages.comparison import pairs, right
from mmmask.tables import (
    ATTRIBUTE_PREDICTIONS,
    PREDICTIONS,
    PROBABILITIES,
    read_predictions,
    write_table,
)
from mmmask.workflows.pages.compare import compare, compared
from tests.made_ages import certain

PHOTOS = 60


def table(seed: int, *, folder: str = "train/images/p") -> pd.DataFrame:
    random = np.random.default_rng(seed)
    values = random.dirichlet(np.full(18, 0.2), PHOTOS)
    frame = pd.DataFrame(values, columns=list(PROBABILITIES))
    frame.insert(0, "image", [f"{folder}{k // 6}/{k}.jpg" for k in range(PHOTOS)])
    frame["label"] = pd.array(np.random.default_rng(9).integers(0, 18, PHOTOS), dtype="Int8")
    frame["person"] = [f"p{k // 6}" for k in range(PHOTOS)]
    return frame


def write(path: Path, frame: pd.DataFrame, **stated) -> Path:
    made = {"tta": ["hflip"], "old_from": 60, "config_hash": "a" * 64}
    write_table(path, frame, PREDICTIONS, {**made, **stated})
    return path


@pytest.fixture
def paths(tmp_path) -> tuple[Path, Path]:
    shuffled = table(1).sample(frac=1, random_state=0)
    return write(tmp_path / "a.parquet", table(0)), write(tmp_path / "b.parquet", shuffled)


def answers(frame: pd.DataFrame) -> np.ndarray:
    return frame[list(PROBABILITIES)].to_numpy().argmax(axis=1)


def test_rows_are_matched_by_photo_and_figures_are_those_of_a_loop(paths) -> None:
    comparison = compared(*paths)
    a, b, truth = answers(table(0)), answers(table(1)), table(0)["label"].to_numpy(dtype=int)
    assert comparison.photos["a"].tolist() == a.tolist()
    assert comparison.photos["b"].tolist() == b.tolist()
    assert comparison.agreement["overall"] == np.mean([x == y for x, y in zip(a, b, strict=True)])
    same_age = [decode(x)["age"] == decode(y)["age"] for x, y in zip(a, b, strict=True)]
    assert comparison.agreement["age"] == np.mean(same_age)
    for row, distance in enumerate(comparison.photos["distance"]):
        one, other = (table(k)[list(PROBABILITIES)].iloc[row].to_numpy() for k in (0, 1))
        assert distance == pytest.approx(1 - np.minimum(one, other).sum(), abs=1e-5)
    who = [
        "A" if x == t else "B" if y == t else "neither"
        for x, y, t in zip(a, b, truth, strict=True)
        if x != y
    ]
    assert right(comparison).tolist() == who
    counted = pairs(comparison)
    assert counted["photos"].sum() == len(who)
    assert counted["A"].sum() == who.count("A")
    first = counted.iloc[0]
    assert first["photos"] == sum((a == first["a"]) & (b == first["b"]))


def test_the_difference_is_paired_over_people(paths) -> None:
    comparison = compared(*paths)
    a, b, truth = answers(table(0)), answers(table(1)), table(0)["label"].to_numpy(dtype=int)
    pair = comparison.scores["18 classes"]
    assert pair.a.value == pytest.approx(macro_f1(truth, a))
    assert pair.difference == paired_difference(table(0)["person"], truth, [b], [a])
    assert pair.difference.value == pytest.approx(pair.b.value - pair.a.value)
    assert "10 people" in comparison.how
    assert comparison.made_by["config_hash"] == ("aaaaaaaaaaaa",) * 2
    assert comparison.made_by["tta"] == ("hflip", "hflip")
    assert "chosen" not in comparison.made_by


def test_people_who_chose_a_model_are_told_of_beside_what_made_it(tmp_path) -> None:
    chosen = {"by": "macro_f1", "epochs": [12], "flattery": 0.024}
    a = write(tmp_path / "a.parquet", table(0), split="val", chosen=chosen)
    b = write(tmp_path / "b.parquet", table(1), split="val", chosen=None)
    sentence, none = compared(a, b).made_by["chosen"]
    assert sentence.endswith("on others expect a macro F1 about 0.024 lower")
    assert none == ""


def test_a_submission_meets_predictions_by_file_name(tmp_path) -> None:
    frame = table(0, folder="eval/images/").drop(columns=["label", "person"])
    frame["image"] = [f"eval/images/{k}.jpg" for k in range(PHOTOS)]
    predictions = write(tmp_path / "a.parquet", frame)
    submission = tmp_path / "b.csv"
    names = [f"{k}.jpg" for k in range(PHOTOS)][::-1]
    pd.DataFrame({"ImageID": names[:50], "ans": 4}).to_csv(submission, index=False)
    for order in ((predictions, submission), (submission, predictions)):
        comparison = compared(*order)
        alone = (10, 0) if order[0] == predictions else (0, 10)
        assert comparison.alone == alone
        assert (comparison.scores, comparison.how) == ({}, "")
        assert set(comparison.photos["image"]) == {f"eval/images/{name}" for name in names[:50]}
        assert (comparison.photos["a" if order[0] == submission else "b"] == 4).all()
    labels = tmp_path / "labels.csv"
    pd.DataFrame({"ImageID": names, "ans": 4}).to_csv(labels, index=False)
    labelled = compared(predictions, submission, labels)
    assert labelled.scores["18 classes"].b.value == pytest.approx(1 / 18)
    assert "photos, too narrow" in labelled.how


def test_equal_predictions_differ_nowhere(paths, tmp_path, capsys) -> None:
    comparison = compare(paths[0], paths[0], tmp_path / "page.html")
    assert comparison.differing.empty
    assert comparison.agreement == dict.fromkeys(("overall", "mask", "gender", "age"), 1.0)
    assert "Nowhere: all photos have the same class." in (tmp_path / "page.html").read_text()
    assert "100.0 %" in capsys.readouterr().out


def test_the_terminal_tells_agreement_commonest_pair_and_scores(paths, tmp_path, capsys) -> None:
    comparison = compare(*paths, tmp_path / "page.html")
    out = capsys.readouterr().out
    assert f"{100 * comparison.agreement['gender']:.1f} %" in out
    assert CLASSES[pairs(comparison)["a"][0]] in out
    assert f"{comparison.scores['age'].difference.value:+.3f}" in out
    assert "10 people" in out
    assert "shown from 0." in out
    assert "other seeds" in out
    assert "(1 person)" in out


def test_the_terminal_warns_of_people_that_a_calibration_knows(paths, tmp_path, capsys) -> None:
    fitted = {"path": "c.json", "split": "oof", "data_fingerprint": "f"}
    stated = {"split": "oof", "data_fingerprint": "f", "calibration": fitted}
    told = tmp_path / "told.parquet"
    write_table(told, read_predictions(paths[1]), PREDICTIONS, stated)
    compare(paths[0], told, tmp_path / "page.html")
    words = "calibrated by c.json, fitted on these very people"
    assert f"warning: B: {words}" in capsys.readouterr().out
    assert words in (tmp_path / "page.html").read_text()


def test_models_of_years_are_compared_by_their_ages(paths, tmp_path, capsys) -> None:
    true = np.arange(20, 20 + PHOTOS)
    one = pd.concat([table(0), certain(true + 4)], axis=1).assign(age=true)
    other = pd.concat([table(1), certain(true - 7)], axis=1)  # it does not know the true ages
    a, b = write(tmp_path / "one.parquet", one), write(tmp_path / "other.csv", other[::-1])
    compare(a, b, tmp_path / "page.html")
    out, page = capsys.readouterr().out, (tmp_path / "page.html").read_text()
    assert "A: age in years: MAE 4.0 [4.0, 4.0], within 5 years 100 % [100, 100], bias +4.0" in out
    assert "B: age in years: MAE 7.0 [7.0, 7.0], within 5 years 0 % [0, 0], bias -7.0" in out
    assert "B - A: MAE +3.0 [+3.0, +3.0] years" in out
    for words in (
        "7.0 [7.0, 7.0]",
        "+3.0 [+3.0, +3.0]",
        "-100.0\u00a0% [-100.0, -100.0]",
        "-11.0 [",
    ):
        assert words in page
    compare(a, paths[1], tmp_path / "page.html")
    assert "B: age in years" not in capsys.readouterr().out
    assert "Ages in years" in (tmp_path / "page.html").read_text()
    compare(*paths, tmp_path / "page.html")
    assert "age in years" not in capsys.readouterr().out
    assert "Ages in years" not in (tmp_path / "page.html").read_text()
    with pytest.raises(InputError, match="have different true ages of the same photos"):
        compared(a, write(tmp_path / "c.parquet", one.assign(age=true + 1)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(image="x/" + t["image"]), "no photo in common"),
        (lambda t: t.assign(image=t["image"].iloc[0]), "appears twice"),
        (lambda t: pd.concat([t, *[t[:1].assign(image="new.jpg")] * 2]), "new.jpg appears twice"),
        (lambda t: t.assign(label=(t["label"] + 1) % 18), "different true classes"),
    ],
)
def test_tables_that_do_not_fit_are_refused(change, message, paths, tmp_path) -> None:
    other = write(tmp_path / "c.parquet", change(table(1)))
    with pytest.raises(InputError, match=message):
        compare(paths[0], other, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_data_root_that_is_not_there_is_refused_of_equal_tables_too(paths, tmp_path) -> None:
    with pytest.raises(InputError, match="/nope: no such folder; --data-root"):
        compare(paths[0], paths[0], tmp_path / "page.html", data_root=tmp_path / "nope")
    assert not (tmp_path / "page.html").exists()


def test_a_model_of_one_attribute_and_a_wrong_data_root_are_refused(paths, tmp_path) -> None:
    gender = pd.DataFrame({"image": table(0)["image"], "gender_0": 0.5, "gender_1": 0.5})
    write_table(tmp_path / "gender.parquet", gender, ATTRIBUTE_PREDICTIONS["gender"])
    with pytest.raises(InputError, match=r"gender\.parquet: .* needs the 18 classes; got gender"):
        compared(paths[0], tmp_path / "gender.parquet")
    with pytest.raises(InputError, match=r"none of the \d+ photos is there"):
        compare(*paths, tmp_path / "page.html", data_root=tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.jpg,18\n", "ans must be"),
        ("a.jpg,1\na.jpg,2\n", "a.jpg appears twice"),
        (",1\n", "empty"),
    ],
)
def test_a_bad_submission_is_refused(rows, message, paths, tmp_path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("ImageID,ans\n" + rows)
    with pytest.raises(InputError, match=message):
        compared(paths[0], path)
