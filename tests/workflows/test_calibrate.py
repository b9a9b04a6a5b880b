import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from mmmask.errors import InputError
from mmmask.evaluation.calibrated_tables import (
    calibrated,
    held_out_parts,
    read_calibration,
    with_probabilities,
)
from mmmask.evaluation.calibration import reliability
from mmmask.labels import decode, encode, group_probabilities, marginals, product
from mmmask.reports.calibration_report import print_calibration
from mmmask.tables import (
    ATTRIBUTE_PREDICTIONS,
    PREDICTIONS,
    PROBABILITIES,
    YEARS,
    probabilities,
    read_predictions,
    write_table,
    year_columns,
    years_of,
)
from mmmask.workflows.calibrate import calibrate

STATED = {"old_from": 60, "preprocessing": {"size": [64, 48]}, "tta": [], "split": "oof"}


def predictions(people=80, seed=0, folds=4) -> pd.DataFrame:
    """Predictions of a model that is too sure of ages, with years."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), 7)
    years = np.zeros((len(person), 121))
    years[:, 18:80] = random.dirichlet(np.full(62, 0.05), len(person))
    age = np.minimum(random.random((len(person), 1)) > years.cumsum(axis=1), 1).sum(axis=1)
    years = years**3 / (years**3).sum(axis=1, keepdims=True)
    parts = {"age": group_probabilities(years)}
    values = {"age": np.digitize(age, (30, 60))}
    for name, classes in (("mask", 3), ("gender", 2)):
        p = softmax(3 * random.normal(size=(len(person), classes)), axis=1)
        values[name] = (p.cumsum(axis=1) < random.random((len(person), 1))).sum(axis=1)
        parts[name] = p
    table = pd.DataFrame(product(parts), columns=list(PROBABILITIES))
    table.insert(0, "image", [f"{row}.jpg" for row in range(len(person))])
    table = table.assign(label=encode(**values), person=person.astype(str), fold=person % folds)
    return pd.concat([table, year_columns(years)], axis=1)


@pytest.fixture
def written(tmp_path):
    """Return a function that writes predictions and returns their path."""

    def written(table=None, columns=PREDICTIONS, name="oof.parquet", **stated):
        path = tmp_path / name
        table = predictions() if table is None else table
        write_table(path, table, columns, {**STATED, **stated})
        return path

    return written


def test_ages_become_honest_and_the_measure_is_of_people_held_out(written, tmp_path) -> None:
    fitted, measured = calibrate(written(), tmp_path / "calibration.json")
    measured = measured.set_index("of")
    assert measured.index.tolist() == ["class", "mask", "gender", "age"]
    age = measured.loc["age"]
    assert age.ece_after < 0.5 * age.ece_before
    assert age.nll_after < age.nll_before
    assert age.nll_low < age.nll_after - age.nll_before < age.nll_high < 0
    table = predictions()
    truth = table["label"].to_numpy(dtype=int)
    before = reliability(
        marginals(probabilities(table))["age"], decode(truth)["age"], table["person"]
    )
    assert (age.ece_before, age.chance_before) == (before.ece, before.ece_by_chance)
    assert age.ece_before > 3 * age.chance_before
    # Measured on people that each fit has not seen, so never better than on its own people.
    own = fitted(probabilities(table))[np.arange(len(truth)), truth]
    assert -np.log(own).mean() < measured.loc["class", "nll_after"]


def test_the_file_tells_what_it_was_fitted_on_and_is_read_back(written, tmp_path) -> None:
    path = written(data_fingerprint="abc")
    fitted, _ = calibrate(path, tmp_path / "calibration.json")
    again = read_calibration(tmp_path / "calibration.json")
    assert again == fitted
    stated = again.provenance
    assert (stated["people"], stated["photos"], stated["data_fingerprint"]) == (80, 560, "abc")
    assert len(stated["input"]["hash"]) == 64
    assert {key: stated[key] for key in STATED} == STATED


def test_a_plot_shows_class_and_attributes(written, tmp_path) -> None:
    calibrate(written(), tmp_path / "c.json", plot=tmp_path / "reliability.png")
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")


def test_a_plot_of_another_kind_is_refused_before_anything_is_written(written, tmp_path) -> None:
    with pytest.raises(InputError, match=r"x\.gif: a picture must end in \.png"):
        calibrate(written, tmp_path / "c.json", plot=tmp_path / "x.gif")
    assert not (tmp_path / "c.json").exists()


def test_years_follow_the_calibrated_ages(written, tmp_path) -> None:
    path = written()
    calibrate(path, tmp_path / "c.json")
    table = calibrated(read_predictions(path), path, tmp_path / "c.json")
    ages = marginals(probabilities(table))["age"]
    np.testing.assert_allclose(group_probabilities(years_of(table)), ages, atol=2e-6)
    assert np.abs(ages - marginals(probabilities(read_predictions(path)))["age"]).max() > 0.05


def test_years_without_a_stated_cut_are_left_out() -> None:
    table = predictions()
    changed = with_probabilities(table, probabilities(table))
    assert not set(YEARS) & set(changed)
    np.testing.assert_array_equal(probabilities(changed), probabilities(table))


def test_a_model_of_one_attribute_is_calibrated(written, tmp_path) -> None:
    table = predictions()
    ages = pd.DataFrame(marginals(probabilities(table))["age"], columns=["age_0", "age_1", "age_2"])
    table = pd.concat([table[["image", "label", "person", "fold"]], ages], axis=1)
    path = written(table, ATTRIBUTE_PREDICTIONS["age"])
    _, measured = calibrate(path, tmp_path / "c.json")
    assert measured["of"].tolist() == ["age"]
    assert measured["ece_after"].item() < measured["ece_before"].item()
    joint = written(name="joint.parquet")
    with pytest.raises(InputError, match=r"joint.*predicts the 18 classes, but .* calibrates age"):
        calibrated(read_predictions(joint), joint, tmp_path / "c.json")


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        ({"preprocessing": {"size": [32, 24]}}, "were made with another preprocessing than those"),
        ({"old_from": 58}, r"have another age cut \(old_from\) than those .* 58 and 60"),
        ({"tta": ["flip"]}, r"were averaged over other views \(tta\)"),
        ({"ensemble_of": 2}, "combine another number of models than those .* 2 and 1"),
    ],
)
def test_predictions_that_it_does_not_belong_to_are_refused(
    written, tmp_path, stated, sentence
) -> None:
    calibrate(written(), tmp_path / "c.json")
    other = written(name="other.parquet", **stated)
    with pytest.raises(InputError, match=sentence):
        calibrated(read_predictions(other), other, tmp_path / "c.json")


def test_a_file_that_is_no_calibration_is_neither_read_nor_replaced(written, tmp_path) -> None:
    card = tmp_path / "card.json"
    card.write_text('{"sessions": []}')
    for work in (lambda: calibrate(written(), card), lambda: read_calibration(card)):
        with pytest.raises(InputError, match=r"card\.json: must be a calibration, which tools/cal"):
            work()
    assert card.read_text() == '{"sessions": []}'
    calibrate(written(), tmp_path / "c.json")
    calibrate(written(), tmp_path / "c.json")


def test_people_without_folds_are_dealt_into_five_parts() -> None:
    table = predictions().drop(columns="fold")
    parts = held_out_parts(table)
    assert set(parts) == set(range(5))
    assert pd.Series(parts).groupby(table["person"]).nunique().eq(1).all()
    assert (held_out_parts(table.assign(fold=3)) == parts).all()  # one fold is none


def test_photos_that_know_a_part_are_left_out_and_counted(written, tmp_path, capsys) -> None:
    whole = predictions()
    partly = whole.assign(label=whole["label"].astype("Int8"), fits=2 ** whole["label"])
    some = partly["person"].astype(int) % 3 == 0
    partly["fits"] = partly["fits"].mask(some, 2**6 - 1).astype("Int32")  # the mask is known
    partly.loc[some, "label"] = pd.NA
    fitted, measured = calibrate(written(partly), tmp_path / "partly.json")
    known = whole[~some].reset_index(drop=True)
    same, as_whole = calibrate(written(known, name="known.parquet"), tmp_path / "known.json")
    pd.testing.assert_frame_equal(measured, as_whole)
    assert fitted.provenance["people"] == same.provenance["people"]
    words = f"only the {len(known)} of 560 photos with known mask, gender and age together are used"
    assert fitted.provenance["left_out"] == words
    assert "left_out" not in same.provenance
    print_calibration(measured, fitted.provenance["people"], words)
    assert words in capsys.readouterr().out


def test_predictions_without_labels_are_refused(written, tmp_path) -> None:
    path = written(predictions().drop(columns="label"))
    with pytest.raises(InputError, match="label is missing for 560 of 560 photos"):
        calibrate(path, tmp_path / "c.json")
    assert not (tmp_path / "c.json").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{", "not readable JSON"), ("[]", "must be a JSON object; got list"), (None, "no such")],
)
def test_a_file_that_holds_no_calibration_is_refused(tmp_path, text, sentence) -> None:
    path = tmp_path / "c.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=rf"c\.json: {sentence}"):
        read_calibration(path)


def test_a_method_that_does_not_exist_is_refused(written, tmp_path) -> None:
    with pytest.raises(InputError, match="method must be one of attribute"):
        calibrate(written(), tmp_path / "c.json", "platt")
    assert not (tmp_path / "c.json").exists()


def test_the_same_input_gives_the_same_file(written, tmp_path) -> None:
    files = []
    for name in ("one.json", "two.json"):
        calibrate(written(), tmp_path / name)
        files.append(json.loads((tmp_path / name).read_text())["parameters"])
    assert files[0] == files[1]
