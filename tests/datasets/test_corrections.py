from pathlib import Path

import pytest

from mmmask.datasets.corrections import KNOWN, check_corrections, correct, read_corrections
from mmmask.datasets.layout import read_train
from mmmask.errors import InputError
from mmmask.tables import LABEL_ISSUES, read_table

PEOPLE = [("000001", "male", 25), ("000002", "female", 61), ("000003", "male", 40)]


def corrected(root: Path, *lines: str):
    path = root / "corrections.csv"
    path.write_text("\n".join(["person,photo,field,value,reason", *lines]) + "\n")
    return correct(read_train(root), read_corrections(path), str(path))


def test_a_person_is_corrected_in_all_photos_and_marked(make_layout) -> None:
    samples = corrected(make_layout(PEOPLE), "000001,*,gender,female,seen", "000001,*,age,60,seen")
    mine = samples["person"] == "000001_male_Asian_25"
    assert set(samples.loc[mine, "gender"]) == {"female"}
    assert set(samples.loc[mine, "age"]) == {60}
    assert (samples.loc[mine, "corrected"] == 1).all()
    assert set(samples.loc[~mine, "source"]) == {"train"}


def test_one_photo_is_corrected_alone(make_layout) -> None:
    samples = corrected(make_layout(PEOPLE), "000002_female_Asian_61,mask2,mask,incorrect,nose")
    changed = samples[samples["corrected"] == 1]
    assert changed["image"].tolist() == ["train/images/000002_female_Asian_61/mask2.jpg"]
    assert changed["mask"].tolist() == ["incorrect"]


def test_incorrect_and_normal_are_swapped(make_layout) -> None:
    samples = corrected(make_layout(PEOPLE), "000003,*,mask,swap incorrect and normal,seen")
    mine = samples[samples["person"] == "000003_male_Asian_40"]
    by_stem = {
        Path(image).stem: mask for image, mask in zip(mine["image"], mine["mask"], strict=True)
    }
    assert by_stem == {f"mask{i}": "wear" for i in range(1, 6)} | {
        "incorrect_mask": "normal",
        "normal": "incorrect",
    }


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("000009,*,gender,male,", r"line 2: no person '000009' among the 3"),
        ("000001,mask9,mask,wear,", r"line 2: 000001_male_Asian_25 has no photo 'mask9'"),
        ("000001,*,race,x,", r"field must be one of mask, gender, age; got 'race'"),
        ("000001,*,gender,man,", r"line 2: gender must be male or female; got 'man'"),
        ("000001,*,age,-3,", r"line 2: age must be whole years from 0 to 120; got '-3'"),
        (f"000001,*,age,{'9' * 5000},", r"line 2: age must be whole years from 0 to 120; got '999"),
        ("1,*,gender,male,", r"line 2: no person '1' among .*; did you mean 000001$"),
        ("\n000001,*,gender,,x", r"line 3: value must not be empty"),
        ('000001,*,gender,male,"two\nlines"\n\n1,*,age,3,', r"line 5: no person '1' among"),
        ("000001,mask1,mask,swap incorrect and normal,", r"line 2: photo must be \* where the"),
        ("000001,*,gender,male", r"line 2: has 4 fields, but the header 5; put double quotes"),
    ],
)
def test_a_wrong_correction_is_named(make_layout, line: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        corrected(make_layout(PEOPLE), line)


def test_an_id_of_two_people_asks_for_the_folder(make_layout) -> None:
    root = make_layout([("003397", "male", 25), ("003397", "female", 40)])
    with pytest.raises(InputError, match=r"id 003397 fits .* and .*; name the folder"):
        corrected(root, "003397,*,gender,male,")
    assert len(corrected(root, "003397_female_Asian_40,*,gender,male,")) == 14


def test_the_known_corrections_are_readable_and_each_says_why() -> None:
    table = read_corrections(KNOWN)
    assert table["reason"].notna().all()
    assert table["person"].is_unique
    assert (table["field"] == "gender").sum() == 10


def test_a_swap_of_photos_that_are_not_there_is_refused(make_layout) -> None:
    root = make_layout(PEOPLE)
    for stem in ("incorrect_mask", "normal"):
        (root / f"train/images/000003_male_Asian_40/{stem}.jpg").unlink()
    with pytest.raises(
        InputError, match=r"line 2: .*needs a photo that is incorrect or normal; 000003.* has none"
    ):
        corrected(root, "000003,*,mask,swap incorrect and normal,seen")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("gender,000001,*,age,30", r"line 3: kind and field must be the same; got gender and age"),
        ("eyes,000001,*,age,30", r"line 3: kind must be one of mask, gender, age; got 'eyes'"),
    ],
)
def test_a_label_issue_whose_kind_is_not_its_field_is_refused(tmp_path, line, sentence) -> None:
    path = tmp_path / "issues.csv"
    path.write_text(f"kind,person,photo,field,value\n\n{line}\n")
    with pytest.raises(InputError, match=sentence):
        check_corrections(read_table(path, LABEL_ISSUES), path)


def test_a_label_issue_that_contradicts_itself_is_no_correction_either(tmp_path) -> None:
    path = tmp_path / "issues.csv"
    path.write_text("kind,person,photo,field,value\ngender,000001,*,age,30\n")
    with pytest.raises(InputError, match="line 2: kind and field must be the same"):
        read_corrections(path)
