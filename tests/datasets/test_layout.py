import os
import shutil
import unicodedata
from pathlib import Path

import pytest

from mmmask.datasets.folder_facts import folder_facts
from mmmask.datasets.layout import find_photos, read_eval, read_train, with_labels
from mmmask.datasets.photos import load_photo
from mmmask.errors import InputError, MissingFileError

PEOPLE = [("000002", "female", 61), ("000001", "male", 25)]


def test_each_photo_is_one_row_with_the_mask_state_of_its_name(make_layout) -> None:
    samples = with_labels(read_train(make_layout(PEOPLE)))
    assert len(samples) == 14
    first = samples[samples["person"] == "000002_female_Asian_61"].set_index("image")
    folder = "train/images/000002_female_Asian_61"
    assert first.loc[f"{folder}/mask3.jpg", "mask"] == "wear"
    assert first.loc[f"{folder}/incorrect_mask.jpg", "mask"] == "incorrect"
    assert first.loc[f"{folder}/normal.jpg", ["mask", "gender", "age", "label"]].tolist() == [
        "normal",
        "female",
        61,
        17,
    ]


def test_mixed_extensions_count_and_junk_does_not(make_layout) -> None:
    root = make_layout(PEOPLE)
    folder = root / "train/images/000001_male_Asian_25"
    (folder / "mask1.jpg").rename(folder / "mask1.PNG")
    (folder / "mask2.jpg").rename(folder / "mask2.jpeg")
    (folder / "._mask1.jpg").write_bytes(b"junk")
    (folder / "Thumbs.db").write_bytes(b"junk")
    names = {Path(image).name for image in read_train(root)["image"] if "000001" in image}
    assert len(names) == 7
    assert {"mask1.PNG", "mask2.jpeg"} <= names


def test_two_people_under_one_id_stay_two_people(make_layout) -> None:
    samples = read_train(make_layout([("003397", "male", 25), ("003397", "female", 40)]))
    assert samples.groupby("person").size().tolist() == [7, 7]


def test_missing_and_extra_photos_are_told_and_the_person_is_kept(make_layout, caplog) -> None:
    root = make_layout(PEOPLE)
    folder = root / "train/images/000001_male_Asian_25"
    (folder / "mask5.jpg").unlink()
    (folder / "normal.jpg").rename(folder / "selfie.jpg")
    assert (read_train(root)["person"] == "000001_male_Asian_25").sum() == 5
    assert "people without exactly 7 photos: 000001_male_Asian_25 (5)" in caplog.text
    assert "000001_male_Asian_25/selfie.jpg" in caplog.text


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("000003,femal,Asian,30,x", r"train\.csv, line 4: gender must be one of male, female; got"),
        ("000003,female,Asian,thirty,x", r"line 4: age must be whole years .* got 'thirty'"),
        ("000003,female,Asian,300,x", r"line 4: age must be whole years from 0 to 120; got '300'"),
        ("000003,female,Asian,30,../../etc", r"line 4: path must name one folder"),
        ("000003,female,Asian,30,", r"line 4: path is empty"),
        ("000003,female,Asian,30,000001_male_Asian_25", r"line 4: path .* each once"),
    ],
)
def test_a_wrong_row_of_train_csv_is_named(make_layout, line: str, sentence: str) -> None:
    root = make_layout(PEOPLE)
    with (root / "train/train.csv").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=sentence):
        read_train(root)


def test_a_person_without_a_folder_is_named(make_layout) -> None:
    root = make_layout(PEOPLE)
    shutil.rmtree(root / "train/images/000001_male_Asian_25")
    with pytest.raises(
        MissingFileError, match=r"000001_male_Asian_25: train\.csv names this folder"
    ):
        read_train(root)


def test_no_train_csv_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"train\.csv: no such file; --data-root names"):
        read_train(tmp_path)


def test_eval_keeps_the_order_of_info_csv(make_layout) -> None:
    root = make_layout(PEOPLE, eval_photos=5)
    names = [line.split(",")[0] for line in (root / "eval/info.csv").read_text().split()[1:]]
    assert names != sorted(names)
    assert read_eval(root)["image"].tolist() == [f"eval/images/{name}" for name in names]


def test_missing_eval_photos_are_counted(make_layout) -> None:
    root = make_layout(PEOPLE, eval_photos=5)
    next((root / "eval/images").iterdir()).unlink()
    with pytest.raises(MissingFileError, match=r"1 of the 5 photos in info\.csv are missing"):
        read_eval(root)


def test_a_lower_age_cut_moves_labels_and_nothing_else(make_layout) -> None:
    samples = read_train(make_layout([("000001", "male", 58), ("000002", "male", 57)]))
    at_60, at_58 = with_labels(samples), with_labels(samples, old_from=58)
    assert set(at_60["label"] % 3) == {1}
    assert (at_58["label"] % 3).tolist() == [2] * 7 + [1] * 7
    assert at_60.drop(columns="label").equals(at_58.drop(columns="label"))


@pytest.mark.faces
def test_the_real_photos_are_read(faces: Path) -> None:
    samples = read_train(faces)
    assert (len(samples), samples["person"].nunique()) == (4900, 700)
    assert not samples["image"].str.contains("/._", regex=False).any()
    assert len(read_eval(faces)) == 2632


def test_a_folder_is_searched_behind_links_and_loops_end(tmp_path) -> None:
    inside, elsewhere = tmp_path / "photos", tmp_path / "elsewhere"
    for name in ("photos/deep/b.JPG", "elsewhere/c.png", "photos/.hidden/d.jpg", "photos/._e.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (inside / "linked").symlink_to(elsewhere)
    (inside / "deep" / "loop").symlink_to(inside)
    (inside / "itself").symlink_to("itself")
    assert find_photos(inside)["image"].tolist() == ["deep/b.JPG", "linked/c.png"]


def test_pictures_that_cannot_be_read_are_told_and_others_are_read(
    make_layout, tmp_path, caplog
) -> None:
    for name in ("a.webp", "b.bmp", "c.jfif", "d.heic", "e.HEIC", "f.gif", "notes.txt", ".g.heic"):
        (tmp_path / name).touch()
    assert find_photos(tmp_path)["image"].tolist() == ["a.webp", "b.bmp", "c.jfif"]
    told = f"{tmp_path}: left out, pictures that cannot be read: 1 .gif, 2 .heic; save them as jpg"
    assert [record.message for record in caplog.records] == [told]
    root = make_layout(PEOPLE)
    (root / "train/images/000001_male_Asian_25/mask1.heic").touch()
    assert len(read_train(root)) == 14
    assert "cannot be read: 1 .heic; save them as jpg" in caplog.text


def decompose(root: Path) -> None:
    """Rename all below a folder as macOS unpacks it, the deepest first."""
    for path in sorted(root.rglob("*"), key=lambda path: -len(path.parts)):
        path.rename(path.with_name(unicodedata.normalize("NFD", path.name)))


def test_names_that_the_disk_has_in_another_form_are_those_of_the_csv(make_layout) -> None:
    root = make_layout(PEOPLE, eval_photos=1)
    images, name = root / "train" / "images", "가을_male_Asian_25"
    (images / "000001_male_Asian_25").rename(images / name)
    csv = root / "train" / "train.csv"
    csv.write_text(csv.read_text().replace("000001_male_Asian_25", name))
    (photo,) = (root / "eval" / "images").iterdir()
    photo.rename(photo.with_name("é.jpg"))
    (root / "eval" / "info.csv").write_text("ImageID,ans\né.jpg,0\n")
    expected = read_train(root), read_eval(root)
    assert not folder_facts(root).size
    decompose(root)
    assert "가을_male_Asian_25" not in os.listdir(images)
    for before, after in zip(expected, (read_train(root), read_eval(root)), strict=True):
        assert before.equals(after)
        for image in after["image"]:
            assert load_photo(root / image).shape == (32, 24, 3)
    assert not folder_facts(root).size
    csv.write_text(unicodedata.normalize("NFD", csv.read_text()))  # nor does the csv's form count
    assert read_train(root).equals(expected[0])
