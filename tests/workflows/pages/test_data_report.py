import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

import mmmask.workflows.pages.data_report as data_report_module
from mmmask.datasets.corrections import read_corrections
from mmmask.datasets.data_source import DataSource
from mmmask.datasets.layout import read_train
from mmmask.errors import InputError
from mmmask.reports.pages.data_findings import class_sizes, find, where_copied
from mmmask.reports.pages.data_labels import age_cuts
from mmmask.workflows.pages.data_report import (
    data_report,
    fitting_corrections,
    gather,
    photos_to_show,
)
from mmmask.workflows.pages.report import report

PEOPLE = [
    (f"{number:06d}", "male" if number % 2 else "female", 20 + 5 * number) for number in range(9)
]


@pytest.fixture
def root(make_layout):
    return make_layout([*PEOPLE, ("000009", "male", 60), ("000010", "male", 60)], eval_photos=5)


def photo(root: Path, number: int, stem: str) -> Path:
    return next((root / "train/images").glob(f"{number:06d}_*/{stem}.jpg"))


def test_facts_are_of_the_photos_of_both_parts(root) -> None:
    facts = gather(DataSource.at(root))
    assert (len(facts.train), len(facts.eval), len(facts.people)) == (77, 5, 11)
    assert (facts.photos["width"] == 24).all()
    assert (facts.photos["height"] == 32).all()
    image = facts.train["image"].iloc[3]
    grey = cv2.cvtColor(cv2.imread(str(root / image)), cv2.COLOR_BGR2GRAY)
    assert facts.train["light"].iloc[3] == pytest.approx(grey.mean())
    pixels = np.concatenate(
        [cv2.imread(str(root / i)).reshape(-1, 3) for i in facts.train["image"]]
    )
    np.testing.assert_allclose(facts.colours[0], pixels[:, ::-1].mean(axis=0))
    assert class_sizes(facts.train).sum() == 77
    assert facts.train["fold"].nunique() == 5
    assert facts.corrections is None


def test_copies_are_found_within_and_between_people_and_parts(root) -> None:
    source = photo(root, 1, "mask1")
    evaluated = sorted((root / "eval/images").iterdir())[0]
    for target in (photo(root, 1, "mask2"), photo(root, 2, "mask3"), evaluated):
        shutil.copy(source, target)
    facts = gather(DataSource.at(root))
    assert set(facts.copies["of"]) == {source.relative_to(root).as_posix()}
    where = dict(zip(facts.copies["image"], where_copied(facts), strict=True))
    assert where == {
        photo(root, 1, "mask2").relative_to(root).as_posix(): "one person",
        photo(root, 2, "mask3").relative_to(root).as_posix(): "two people",
        evaluated.relative_to(root).as_posix(): "train and eval",
    }
    said = [finding.text for finding in find(facts)]
    assert "Photos of eval/ that are in train/ too, pixel by pixel: 1." in said


def test_findings_start_with_what_is_wrong_and_tell_clipped_ages(root) -> None:
    photo(root, 3, "mask4").write_bytes(b"broken")
    findings = find(gather(DataSource.at(root)))
    weights = [finding.weight for finding in findings]
    assert weights == sorted(weights, key=["act", "look", "know"].index)
    assert findings[0].text == "Photos that cannot be read: 1."
    assert any("Nobody is older than 60, and 3 people" in finding.text for finding in findings)


def test_the_page_shows_some_of_each_class_of_as_many_people_as_possible(root) -> None:
    facts = gather(DataSource.at(root))
    facts = replace(facts, outliers=facts.outliers.iloc[:0])  # photos of 32x24 are all listed
    shown = photos_to_show(facts, 2)
    chosen = facts.train[facts.train["image"].isin(shown)].groupby("label")
    everybody = facts.train.groupby("label")
    assert chosen.size().equals(everybody.size().clip(upper=2))
    assert chosen["person"].nunique().equals(everybody["person"].nunique().clip(upper=2))
    assert set(facts.eval["image"]) < set(shown)
    assert photos_to_show(facts, 2) == shown
    assert photos_to_show(facts, 0) == facts.photos["image"].tolist()


def test_known_corrections_count_only_in_the_data_that_they_are_of(
    root, monkeypatch, tmp_path
) -> None:
    train = gather(DataSource.at(root)).train
    known = tmp_path / "known.csv"
    known.write_text(
        "person,photo,field,value,reason\n000001,*,gender,female,told\n000002,*,gender,female,told\n"
    )
    monkeypatch.setattr(data_report_module, "KNOWN", known)
    fitting = fitting_corrections(train)
    assert fitting["value"].tolist() == ["female"]  # 000002 is female already
    assert fitting["image"][0].startswith("train/images/000001_male")
    known.write_text(known.read_text() + "000777,*,gender,male,of other data\n")
    assert len(read_corrections(known)) == 3
    assert fitting_corrections(train) is None


def test_data_without_eval_has_a_page_too(make_layout, tmp_path) -> None:
    root = make_layout(PEOPLE)
    shutil.rmtree(root / "eval")
    data_report(root, tmp_path / "page.html", faces=1)
    assert "no eval/" in (tmp_path / "page.html").read_text()


def test_a_path_that_is_neither_data_nor_a_run_is_refused(tmp_path) -> None:
    out = tmp_path / "page.html"
    with pytest.raises(
        InputError, match=r"must be a data root \(train/train\.csv\), a table of photos, or"
    ):
        report(tmp_path, out)
    with pytest.raises(InputError, match="there is no such folder"):
        report(tmp_path / "gone", out)
    assert not out.exists()


def test_data_without_a_readable_photo_is_refused(root, tmp_path) -> None:
    for path in root.glob("*/images/**/*.jpg"):
        path.write_bytes(b"broken")
    with pytest.raises(InputError, match="none of the 82 photos can be decoded"):
        data_report(root, tmp_path / "page.html")
    with pytest.raises(InputError, match="faces must be 0"):
        data_report(root, tmp_path / "page.html", faces=-1)
    assert pd.Series(list(tmp_path.glob("*.html"))).empty


ALL_KNOWN = {"mask": "wear", "gender": "male", "age": 61}


@pytest.fixture
def table(root, tmp_path):
    """Return a function that lists the photos of the layout with some columns."""

    def write(**columns) -> Path:
        images = read_train(root)["image"]
        listed = pd.DataFrame({"image": [str(root / image) for image in images]})
        path = tmp_path / "own.csv"
        listed.assign(**columns).to_csv(path, index=False)
        return path

    return write


@pytest.mark.parametrize(
    ("columns", "there", "gone"),
    [
        (
            {"mask": "wear"},
            ["none of them of a named person", "Photos by state of the mask<", "77 photos name no"],
            ["People by", "People called old", "Photos of each class", "smallest class"],
        ),
        (
            {"age_from": 50, "age_to": 59, "person": list("abcdefg") * 11},
            ["77 photos of 7 people", "People by range of ages<", "People by age group<", "50-59"],
            ["Photos by state", "People by gender", "name no person", "smallest class"],
        ),
        (
            {"gender": ["male", None] * 38 + ["male"], "mask": [None, "wear"] * 38 + [None]}
            | {"source": ["one", "two"] * 38 + ["one"]},
            ["People by gender: 39 of 77 known", "mask: 38 of 77", ">two<", "tells the age"],
            ["People by age", "No photo tells the gender", "No photo tells the mask"],
        ),
        (
            ALL_KNOWN,
            ["Photos of each class<", "People by age<", "People by age group and gender<"],
            ["No photo tells", "not known", "unknown</button>"],
        ),
        ({**ALL_KNOWN, "person": "one"}, ["77 photos of 1 person"], ["People held out"]),
        ({"mask": "wear", "fold": [0, 6] * 38 + [6]}, ["as the column"], ["are dealt into folds"]),
    ],
)
def test_the_page_of_a_table_shows_what_is_known(table, tmp_path, columns, there, gone) -> None:
    path, out = table(**columns), tmp_path / "own.html"
    data_report(path, out, faces=1)
    html = out.read_text()
    for words in there:
        assert words in html, words
    for words in (*gone, "Known corrections", "eval/ ", "train/</p>", "seven photos by their"):
        assert words not in html, words


def test_a_cut_within_a_range_of_ages_tells_no_share(table) -> None:
    facts = gather(DataSource.at(table(age_from=[50, 60] * 38 + [60], age_to=[59, 69] * 38 + [69])))
    cuts = age_cuts(facts.people)
    assert list(cuts.columns) == ["old", "people", "share", "not known"]
    assert cuts.rows[0] == ["from 57 on", 39, None, 38]
    assert cuts.rows[-1] == ["from 60 on", 39, 39 / 77, 0]


def test_a_person_is_what_the_photos_know_of_them(table) -> None:
    ages = {"age": [None, 25, *[None] * 75], "age_from": [20, 25, *[None] * 75]}
    people = gather(DataSource.at(table(person="p", **ages, mask="wear"))).people
    assert people[["age", "age_from", "age_to"]].to_numpy().tolist() == [[25, 25, 25]]
    assert people["age_group"].tolist() == ["<30"]
    assert people["gender"].isna().all()


def test_photos_without_a_person_that_are_twice_are_said_to_be_that(root, table) -> None:
    shutil.copy(photo(root, 1, "mask1"), photo(root, 2, "mask3"))
    facts = gather(DataSource.at(table(mask="wear")))
    assert where_copied(facts).tolist() == ["no person"]
