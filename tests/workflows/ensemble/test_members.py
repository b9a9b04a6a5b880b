import numpy as np
import pandas as pd
import pytest
from simulated_tables import attribute_alone, simulated, unlabelled, with_years

from mmmask.errors import InputError, MissingFileError
from mmmask.evaluation.calibrated_tables import calibrated
from mmmask.labels import group_probabilities, marginals
from mmmask.tables import PROBABILITIES, probabilities, read_predictions
from mmmask.workflows.calibrate import calibrate
from mmmask.workflows.ensemble.members import read_members
from tests.bad_predictions import FAULTS, refusal, spoilt


def test_rows_come_in_the_order_of_the_first_table(write) -> None:
    table = simulated()
    first = write("first.parquet", table)
    shuffled = write("shuffled.csv", table.sample(frac=1, random_state=0))
    members = read_members([first, shuffled])
    one, other = (member.probabilities() for member in members.each)
    np.testing.assert_allclose(one, other, rtol=1e-5)
    assert members.keys["image"].tolist() == table["image"].tolist()
    assert members.truth().tolist() == table["label"].tolist()
    assert np.array_equal(members.people(), np.unique(table["person"], return_inverse=True)[1])


def test_what_only_one_table_knows_is_known_of_all(write) -> None:
    table = simulated()
    bare = write("bare.parquet", table.drop(columns=["label", "person"]), data_fingerprint="bare")
    members = read_members([bare, write("full.parquet", table.assign(age=30))])
    assert members.labelled
    assert {"person", "age"} <= set(members.keys)
    assert not read_members([bare]).labelled


def test_folds_are_kept_where_all_tables_agree_on_them(write) -> None:
    table = simulated()
    folds = table.assign(fold=np.arange(len(table)) // 7 % 3)
    same = [write(f"{k}.parquet", folds) for k in range(2)]
    assert "fold" in read_members(same).keys
    other = write("other.parquet", table.assign(fold=0))
    assert "fold" not in read_members([*same, other]).keys
    assert "fold" not in read_members([*same, write("none.parquet", table)]).keys


def test_crop_size_and_views_may_differ(write) -> None:
    one = write("one.parquet", simulated(), preprocessing={"size": [96, 72]}, tta=[])
    smaller = {"preprocessing": {"size": [64, 48]}, "tta": ["flip"]}
    other = write("other.parquet", simulated(seed=1), **smaller)
    shared = read_members([one, other]).common()
    assert shared["preprocessing"] is None and shared["tta"] is None
    assert shared["split"] == "oof" and shared["old_from"] == 60


@pytest.mark.parametrize(
    ("change", "stated", "sentence"),
    [
        (lambda t: t.iloc[:-1], {}, "have different photos, 1 are in one alone, such as"),
        (lambda t: pd.concat([t, t.iloc[:1]]), {}, "appears twice"),
        (lambda t: t.assign(label=0), {}, "have different true classes of the same photos"),
        (lambda t: t.assign(label=[None, *t["label"][1:]]), {}, "it is missing for 1 of 280"),
        (lambda t: t.iloc[:0], {}, "has no rows; predictions must"),
        (lambda t: t, {"data_fingerprint": "two"}, "different photos or labels (data fingerprint)"),
        (lambda t: t, {"split": "eval"}, "are of different splits: oof and eval"),
        (lambda t: t, {"old_from": 58}, "have different age cuts (old_from): 60 and 58"),
    ],
)
def test_what_does_not_fit_together_is_refused(write, change, stated, sentence) -> None:
    first = write("first.parquet", simulated())
    other = write("other.parquet", change(simulated(seed=1)), **stated)
    with pytest.raises(InputError) as caught:
        read_members([first, other])
    assert sentence in str(caught.value)


def test_the_second_and_third_are_compared_where_the_first_says_nothing(write) -> None:
    table = simulated()
    paths = [write(f"{k}.parquet", table, old_from=cut) for k, cut in enumerate([None, 60, 58])]
    with pytest.raises(InputError, match=r"1.parquet and .*2.parquet have different age cuts"):
        read_members(paths)


def test_no_photos_no_file_and_the_same_file_twice_are_refused(write, tmp_path) -> None:
    path = write("one.parquet", simulated())
    with pytest.raises(InputError, match="is given twice; a member votes once"):
        read_members([path, path])
    (tmp_path / "link.parquet").symlink_to(path)
    with pytest.raises(InputError, match=r"link\.parquet is given twice"):
        read_members([path, tmp_path / "link.parquet"])
    with pytest.raises(MissingFileError, match="no such file"):
        read_members([tmp_path / "none.parquet"])
    with pytest.raises(InputError, match="has no rows; predictions must"):
        read_members([write("empty.parquet", simulated().iloc[:0])])


@pytest.mark.parametrize("fault", FAULTS)
def test_what_are_no_probabilities_is_refused_by_photo(write, fault) -> None:
    table = simulated()
    path = write("one.parquet", table)
    values = spoilt(probabilities(table), 5, fault)
    table.assign(**dict(zip(PROBABILITIES, values.T, strict=True))).to_parquet(path)
    with pytest.raises(InputError, match=refusal(path, 5, table["image"][5])):
        read_members([path]).each[0].probabilities()


def test_a_table_without_probabilities_is_refused(write) -> None:
    path = write("one.csv", simulated())
    pd.read_csv(path).drop(columns=["p04"]).to_csv(path, index=False)
    with pytest.raises(InputError, match="column p04 is missing"):
        read_members([path]).each[0].probabilities()


def test_members_of_years_move_to_a_common_cut(write) -> None:
    old, young = (
        write(f"{cut}.parquet", with_years(simulated(seed=cut), cut), old_from=cut)
        for cut in (60, 57)
    )
    members = read_members([old, young], old_from=57)
    assert [member.old_from for member in members.each] == [57, 57]
    assert members.common()["old_from"] == 57
    for member in members.each:
        values, years = member.read(years=True)
        found = marginals(values)["age"]
        np.testing.assert_allclose(found, group_probabilities(years, (30, 57)), atol=1e-5)


def test_a_cut_that_a_table_cannot_move_to_is_refused(write) -> None:
    groups = write("groups.parquet", simulated())
    with pytest.raises(InputError, match="--old-from 58 needs predictions of years; it has no col"):
        read_members([groups], old_from=58)
    unknown = write("unknown.parquet", with_years(simulated()), old_from=None)
    with pytest.raises(InputError, match="no provenance with its age cut, and its cut is unknown"):
        read_members([unknown], old_from=58)
    assert read_members([groups], old_from=60).each[0].cuts is None
    mask = write("mask.parquet", attribute_alone(simulated(), "mask"), old_from=None)
    assert read_members([mask], old_from=58).each[0].cuts is None


def test_calibration_comes_before_the_vote(write, tmp_path) -> None:
    path = write("one.parquet", with_years(simulated(3.0)))
    calibrate(path, tmp_path / "c.json")
    found = read_members([path], [tmp_path / "c.json"]).each[0]
    expected = probabilities(calibrated(read_predictions(path), path, tmp_path / "c.json"))
    assert np.array_equal(found.probabilities(), expected)
    assert found.described()["calibration"]["path"] == str(tmp_path / "c.json")


def test_calibrations_are_one_for_each_member(three, tmp_path) -> None:
    with pytest.raises(InputError, match="one file for each of the 3 members; got 1"):
        read_members(three, [tmp_path / "c.json"])


def test_a_submission_is_read_as_certain_answers_of_eval_photos(write, tmp_path) -> None:
    table = unlabelled(simulated())
    names = table["image"].str.split("/").str[-1]
    path = tmp_path / "submission.csv"
    answers = pd.DataFrame({"ImageID": names, "ans": np.arange(len(table)) % 18})
    answers[::-1].to_csv(path, index=False)
    members = read_members([write("one.parquet", table), path])
    found = members.each[1]
    assert found.submission
    assert found.probabilities().argmax(axis=1).tolist() == (np.arange(len(table)) % 18).tolist()


def test_columns_of_years_are_no_obstacle_to_a_plain_read(write) -> None:
    path = write("one.parquet", with_years(simulated()))
    values, years = read_members([path]).each[0].read(years=False)
    expected = simulated()[list(PROBABILITIES)].to_numpy()
    assert np.array_equal(values, expected)
    assert years is None
