"""Three models by attribute, trained, tested and composed as a user would."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.evaluation.scores import macro_f1
from mmmask.labels import group_probabilities, marginals
from mmmask.tables import (
    PREDICTIONS,
    attribute_of,
    prediction_columns,
    probabilities,
    read_predictions,
    read_table,
    write_table,
    years_of,
)

from .conftest import tool, train

MODELS = {"mask": "mask", "gender": "gender", "age": "age_dldl"}


@pytest.fixture(scope="module")
def tables(drawn, tmp_path_factory) -> dict[str, Path]:
    """Predictions of a model of each attribute, trained for an epoch on photos of 64x48."""
    folder = tmp_path_factory.mktemp("attributes")
    paths = {}
    for attribute, name in MODELS.items():
        config = f"configs/mobilenet_v2_{name}.py"
        options = ("preprocessing.size=(64,48)", "train_cfg.max_epochs=1")
        done = tool(*train(folder / name, drawn, config=config, options=options))
        assert done.returncode == 0, done.stderr
        (best,) = (folder / name).glob("best_macro_f1_*.pth")
        paths[attribute] = folder / f"{attribute}.parquet"
        done = tool(
            *("test.py", folder / name / Path(config).name, best, "--data-root", drawn, "--tta"),
            *("--labels", drawn / "eval_labels.csv", "--out", paths[attribute]),
        )
        assert done.returncode == 0, done.stderr
        assert f"{attribute}, 42 photos" in done.stdout
    return paths


@pytest.fixture(scope="module")
def composed(tables, drawn, tmp_path_factory):
    out = tmp_path_factory.mktemp("composed")
    done = tool(
        *("ensemble.py", *tables.values(), "--compose", "--out", out / "preds.parquet"),
        *("--submission", out / "submission.csv", "--data-root", drawn),
    )
    assert done.returncode == 0, done.stderr
    return out, done.stdout


@pytest.fixture
def variant(tables, tmp_path):
    """Return a function that writes a changed copy of an attribute's predictions."""

    def variant(attribute: str, change=lambda table: table, **provenance) -> Path:
        table = read_predictions(tables[attribute])
        stated = {**table.attrs["provenance"], **provenance}
        path = tmp_path / f"other_{attribute}.parquet"
        write_table(path, change(table), prediction_columns(attribute)[0], stated)
        return path

    return variant


def test_each_table_is_about_its_attribute_and_only_age_has_years(tables) -> None:
    for attribute, path in tables.items():
        table = read_predictions(path)
        assert attribute_of(table) == attribute
        np.testing.assert_allclose(probabilities(table).sum(axis=1), 1, rtol=1e-5)
        assert (years_of(table) is not None) == (attribute == "age")
        stated = table.attrs["provenance"]["old_from"]
        assert stated == (60 if attribute == "age" else None)


def test_the_age_groups_in_the_table_are_sums_of_its_years(tables) -> None:
    table = read_predictions(tables["age"])
    np.testing.assert_allclose(
        group_probabilities(years_of(table)), probabilities(table), rtol=1e-4, atol=1e-6
    )


def test_the_composed_table_has_the_three_models_as_marginals(tables, composed) -> None:
    joint = read_table(composed[0] / "preds.parquet", PREDICTIONS)
    for name, marginal in marginals(probabilities(joint)).items():
        expected = probabilities(read_predictions(tables[name]))
        np.testing.assert_allclose(marginal, expected, rtol=1e-4, atol=1e-6)
    assert years_of(joint) is not None
    parts = joint.attrs["provenance"]["composed_of"]
    assert [part["attribute"] for part in parts] == ["mask", "gender", "age"]
    assert all(len(part["hash"]) == 64 for part in parts)


def test_the_submission_and_the_score_are_those_of_the_composed_table(drawn, composed) -> None:
    out, text = composed
    joint = read_table(out / "preds.parquet", PREDICTIONS)
    predicted = probabilities(joint).argmax(axis=1)
    submission = pd.read_csv(out / "submission.csv").set_index("ImageID")["ans"]
    assert submission.index.tolist() == pd.read_csv(drawn / "eval/info.csv")["ImageID"].tolist()
    names = joint["image"].str.split("/").str[-1]
    assert submission.loc[names].tolist() == predicted.tolist()
    assert f"{macro_f1(joint['label'].to_numpy(dtype=np.int64), predicted):.3f}" in text


def test_the_order_of_files_and_rows_does_not_matter(tables, composed, variant, tmp_path) -> None:
    shuffled = variant("gender", lambda table: table.sample(frac=1, random_state=0))
    out = tmp_path / "preds.parquet"
    done = tool("ensemble.py", tables["age"], shuffled, tables["mask"], "--compose", "--out", out)
    assert done.returncode == 0, done.stderr
    one, other = (
        read_table(path, PREDICTIONS).set_index("image")
        for path in (composed[0] / "preds.parquet", out)
    )
    pd.testing.assert_frame_equal(one, other.loc[one.index], check_like=True)


def test_the_age_cut_moves_when_composing(tables, composed, tmp_path) -> None:
    out = tmp_path / "preds.parquet"
    done = tool("ensemble.py", *tables.values(), "--compose", "--out", out, "--old-from", 50)
    assert done.returncode == 0, done.stderr
    moved = read_table(out, PREDICTIONS)
    assert moved.attrs["provenance"]["old_from"] == 50
    ages = marginals(probabilities(moved))["age"]
    expected = group_probabilities(years_of(moved), (30, 50))
    np.testing.assert_allclose(ages, expected, rtol=1e-4, atol=1e-6)


def test_the_age_cut_moves_at_test(tables, drawn, tmp_path) -> None:
    work_dir, out = tables["age"].parent / "age_dldl", tmp_path / "moved.parquet"
    (best,) = work_dir.glob("best_*.pth")
    done = tool(
        *("test.py", work_dir / "mobilenet_v2_age_dldl.py", best, "--data-root", drawn, "--tta"),
        *("--old-from", 50, "--out", out),
    )
    assert done.returncode == 0, done.stderr
    moved = read_predictions(out)
    assert moved.attrs["provenance"]["old_from"] == 50
    np.testing.assert_allclose(years_of(moved), years_of(read_predictions(tables["age"])))
    np.testing.assert_allclose(
        probabilities(moved), group_probabilities(years_of(moved), (30, 50)), rtol=1e-4, atol=1e-6
    )


def test_a_model_without_years_has_no_cut_to_move(tables, run, refused) -> None:
    line = refused("test.py", run.config, run.best, "--data-root", run.data, "--old-from", 58)
    assert "--old-from 58 needs a model of years" in line


def test_a_model_of_one_attribute_writes_no_submission(tables, drawn, refused, tmp_path) -> None:
    work_dir = tables["mask"].parent / "mask"
    (best,) = work_dir.glob("best_*.pth")
    line = refused(
        *("test.py", work_dir / "mobilenet_v2_mask.py", best, "--data-root", drawn),
        *("--submission", tmp_path / "submission.csv"),
    )
    assert "--submission needs the 18 classes" in line
    assert "predicts mask alone" in line


def test_anything_but_one_table_of_each_attribute_is_refused(tables, composed, refused) -> None:
    line = refused("ensemble.py", tables["mask"], tables["age"], "--compose")
    assert "needs predictions of mask, gender and age, at least one each and nothing" in line
    joint = composed[0] / "preds.parquet"
    assert "(18 classes)" in refused(
        "ensemble.py", tables["mask"], tables["age"], joint, "--compose"
    )


def test_other_photos_are_refused(tables, variant, refused) -> None:
    fewer = variant("age", lambda table: table.iloc[:-1])
    line = refused("ensemble.py", tables["mask"], tables["gender"], fewer, "--compose")
    assert "have different photos, 1 are in one alone" in line


def test_a_photo_that_is_there_twice_is_refused(tables, variant, refused) -> None:
    twice = variant("age", lambda table: pd.concat([table, table.iloc[:1]]))
    line = refused("ensemble.py", tables["mask"], tables["gender"], twice, "--compose")
    assert "appears twice" in line


@pytest.mark.parametrize(
    ("provenance", "sentence"),
    [
        ({"data_fingerprint": "another"}, "different photos or labels (data fingerprint)"),
        ({"split": "val"}, "are of different splits: eval and val"),
    ],
)
def test_predictions_of_other_data_are_refused(
    tables, variant, refused, provenance, sentence
) -> None:
    other = variant("age", **provenance)
    line = refused("ensemble.py", tables["mask"], tables["gender"], other, "--compose")
    assert sentence in line


def test_different_age_cuts_are_refused(tables, variant, refused) -> None:
    other = variant("mask", old_from=58)
    line = refused("ensemble.py", other, tables["gender"], tables["age"], "--compose")
    assert "have different age cuts (old_from): 58 and 60" in line


def test_different_true_classes_are_refused(tables, variant, refused) -> None:
    other = variant("age", lambda table: table.assign(label=0))
    line = refused("ensemble.py", tables["mask"], tables["gender"], other, "--compose")
    assert "have different true classes of the same photos" in line


def test_a_cut_that_the_age_table_cannot_move_to_is_refused(tables, variant, refused) -> None:
    groups = variant("age", lambda table: table.drop(columns=table.filter(like="year_").columns))
    line = refused(
        *("ensemble.py", tables["mask"], tables["gender"], groups, "--compose", "--old-from", 58)
    )
    assert "--old-from 58 needs predictions of years; it has no columns year_*" in line
