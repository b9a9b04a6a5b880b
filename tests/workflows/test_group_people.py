import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from mmmask.drawing.drawn_faces import draw_dataset
from mmmask.errors import InputError
from mmmask.evaluation import same_person
from mmmask.tables import SAMPLES, read_table
from mmmask.workflows.group_people import group_people
from tests.made_features import made_features


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("people") / "data"
    draw_dataset(root, people=6, seed=2, size=(48, 64), processes=1)
    return root


@pytest.fixture
def photos(drawn, tmp_path) -> Path:
    """A folder of one photo of each person, by number."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, person in enumerate(sorted((drawn / "train/images").iterdir())):
        shutil.copy(person / "normal.jpg", folder / f"{number}.jpg")
    return folder


def table_of(folder: Path, **columns) -> Path:
    """Write a table of all photos of a folder, beside them."""
    images = sorted(path.name for path in folder.glob("*.jpg"))
    pd.DataFrame({"image": images, **columns}).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def by_angle(folder: Path, *degrees: float) -> Path:
    """Write features of the photos, each at an angle, and their file."""
    angles = np.radians(degrees)
    values = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    images = sorted(path.name for path in folder.glob("*.jpg"))
    return made_features(folder.parent / "features.arrow", images, values)


def people_of(path: Path) -> list[str]:
    return read_table(path, SAMPLES)["person"].tolist()


def test_photos_that_were_saved_twice_are_one_person(photos, tmp_path) -> None:
    again = cv2.resize(cv2.imread(str(photos / "2.jpg")), (96, 128))
    cv2.imwrite(str(photos / "7.jpg"), again, [cv2.IMWRITE_JPEG_QUALITY, 60])
    table, out = table_of(photos, mask="normal", note="mine"), tmp_path / "people.csv"
    people = group_people(table, out, alike=2)
    written = pd.read_csv(out)
    assert written["image"].tolist() == [f"photos/{n}.jpg" for n in (0, 1, 2, 3, 4, 5, 7)]
    assert people_of(out) == [f"{n}.jpg" for n in (0, 1, 2, 3, 4, 5, 2)]
    assert set(written["note"]) == {"mine"}
    assert set(written["mask"]) == {"normal"}
    lines = people.in_words().splitlines()
    assert lines[:2] == ["photos: 7", "people: 6, 5 of them with one photo"]
    assert lines[2].startswith("largest: 2.jpg (2), ")


def test_photos_whose_features_are_alike_are_one_person_and_a_chain_is_not(
    photos, tmp_path
) -> None:
    out = tmp_path / "people.parquet"
    # In turn and all around, so that their mean is 0.
    features = by_angle(photos, *range(0, 360, 60))
    group_people(table_of(photos), out, features=features, alike=0.51)
    assert sorted(pd.Series(people_of(out)).value_counts()) == [2, 2, 2]
    group_people(table_of(photos), out, features=features, alike=0.49)
    assert people_of(out) == [f"{n}.jpg" for n in range(6)]
    features = by_angle(photos, 0, 120, 240, 5, 125, 245)
    group_people(table_of(photos), out, features=features)
    assert people_of(out) == ["0.jpg", "1.jpg", "2.jpg"] * 2


def test_given_people_are_kept_and_those_who_look_like_one_are_shown(photos, tmp_path) -> None:
    given = ["anna", "anna", "", "bert", "", ""]
    table, out, page = table_of(photos, person=given), tmp_path / "t.csv", tmp_path / "doubts.html"
    features = by_angle(photos, 0, 180, 90, 1, 92, 270)
    people = group_people(table, out, features=features, page=page, alike=0.6)
    assert people_of(out) == ["anna", "anna", "2.jpg", "bert", "2.jpg", "5.jpg"]
    assert "given" not in people.doubts["kind"].to_numpy()  # one of Anna's two is far away

    table = table_of(photos, person=["anna", "carl", "", "bert", "", "2.jpg"])
    features = by_angle(photos, 0, 180, 90, 1, 92, 270)
    people = group_people(table, out, features=features, page=page)
    assert people_of(out) == ["anna", "carl", "2.jpg'", "bert", "2.jpg'", "2.jpg"]
    (doubt,) = people.doubts.itertuples()
    assert (doubt.kind, doubt.one, doubt.other) == ("given", 0, 3)
    html = page.read_text()
    assert "two given people, alike" in html
    assert "anna (1) and bert (1)" in html
    assert people.in_words().splitlines()[-1] == "doubts: 1 given"


def test_columns_choose_what_is_compared(photos, tmp_path) -> None:
    angles = np.radians([0, 120, 240, 0, 120, 240])
    who = np.column_stack([np.cos(angles), np.sin(angles)])
    noise = np.random.default_rng(0).normal(size=(6, 2)) * 100
    images = sorted(path.name for path in photos.glob("*.jpg"))
    values = np.column_stack([noise, who]).astype(np.float32)
    features = made_features(tmp_path / "features.arrow", images, values)
    out = tmp_path / "people.csv"
    group_people(table_of(photos), out, features=features, columns=[(2, 4)])
    assert people_of(out) == ["0.jpg", "1.jpg", "2.jpg"] * 2
    group_people(table_of(photos), out, features=features)
    assert people_of(out) != ["0.jpg", "1.jpg", "2.jpg"] * 2


def test_photos_may_lie_below_a_data_root_that_the_features_know_them_by(photos, tmp_path) -> None:
    table, out = tmp_path / "lists/table.csv", tmp_path / "people.csv"
    table.parent.mkdir()
    shutil.move(table_of(photos), table)
    features = by_angle(photos, 0, 120, 240, 5, 125, 245)
    group_people(table, out, data_root=photos, features=features)
    assert people_of(out) == ["0.jpg", "1.jpg", "2.jpg"] * 2
    assert pd.read_csv(out)["image"].tolist() == [f"photos/{n}.jpg" for n in range(6)]


def test_a_page_without_doubts_says_so(photos, tmp_path) -> None:
    page = tmp_path / "doubts.html"
    features = by_angle(photos, *range(0, 360, 60))
    people = group_people(
        table_of(photos), tmp_path / "t.csv", features=features, page=page, alike=0.1
    )
    assert people.in_words().splitlines()[-1] == "doubts: none"
    assert "no two given people look like one" in page.read_text()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"alike": 2.5}, "--alike must be whole bits from 0 to 32, without --features; got 2.5"),
        ({"alike": 33}, "--alike must be whole bits from 0 to 32, without --features; got 33"),
        ({"alike": float("nan")}, "--alike must be whole bits"),
        ({"columns": [(0, 2)]}, "--columns chooses columns of --features; give"),
        ({"page": "doubts.txt"}, r"doubts.txt: a page must end in \.html"),
        ({"features": "gone.arrow"}, "gone.arrow: no such file of features"),
    ],
)
def test_options_out_of_range_are_refused_and_nothing_is_written(
    photos, tmp_path, options, sentence
) -> None:
    out = tmp_path / "people.csv"
    with pytest.raises(InputError, match=sentence):
        group_people(table_of(photos), out, **options)
    assert not out.exists()


@pytest.mark.parametrize("alike", [0, 1, float("nan")])
def test_a_distance_out_of_range_is_refused(photos, tmp_path, alike) -> None:
    features = by_angle(photos, *range(0, 360, 60))
    with pytest.raises(InputError, match="--alike must be a mean distance above 0 and below 1"):
        group_people(table_of(photos), tmp_path / "t.csv", features=features, alike=alike)


@pytest.mark.parametrize("columns", [(0, 3), (1, 1), (-1, 2)])
def test_columns_that_the_features_lack_are_refused(photos, tmp_path, columns) -> None:
    features = by_angle(photos, *range(0, 360, 60))
    with pytest.raises(InputError, match=r"0 <= FIRST < END <= 2, the width of .*; got"):
        group_people(table_of(photos), tmp_path / "t.csv", features=features, columns=[columns])


def test_photos_that_are_missing_broken_or_without_features_are_refused(photos, tmp_path) -> None:
    out, page = tmp_path / "people.csv", tmp_path / "page.html"
    features = by_angle(photos, *range(0, 360, 60))
    shutil.copy(photos / "0.jpg", photos / "new.jpg")
    table = table_of(photos)
    with pytest.raises(InputError, match=r"1 of 7 photos are not in it, the first is new\.jpg"):
        group_people(table, out, features=features, page=page)
    (photos / "new.jpg").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"1 of 7 photos cannot be read, the first is .*new\.jpg"):
        group_people(table, out, page=page)
    (photos / "new.jpg").unlink()
    with pytest.raises(InputError, match=r"photos are missing, 1 of 7 below .*new\.jpg"):
        group_people(table, out, page=page)
    table.write_text("image\n")
    with pytest.raises(InputError, match="has no rows"):
        group_people(table, out, page=page)
    assert not out.exists()
    assert not page.exists()


def test_features_that_are_no_numbers_are_refused(photos, tmp_path) -> None:
    features = by_angle(photos, 0, 60, 120, float("nan"), 240, 300)
    with pytest.raises(InputError, match="its features are not all finite numbers"):
        group_people(table_of(photos), tmp_path / "t.csv", features=features)


def test_a_default_is_what_the_help_says() -> None:
    words = (Path(__file__).parents[2] / "tools/group_people.py").read_text()
    assert f"default: {same_person.MOST_DISTANCE};" in words
    assert f"bits of 64, default: {same_person.MOST_BITS_ALONE}" in words
