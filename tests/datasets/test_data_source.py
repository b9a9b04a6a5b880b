import os
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.config import load_config
from mmmask.datasets.data_source import DataSource, sample_tables
from mmmask.datasets.layout import with_labels
from mmmask.datasets.mask_faces import MaskFaceDataset
from mmmask.datasets.photos import load_photo
from mmmask.errors import InputError
from mmmask.known import class_counts
from mmmask.shipped import find_config
from mmmask.tables import SAMPLES, write_table

PEOPLE = [
    (f"{number:06d}", "male" if number % 2 else "female", 18 + 3 * number) for number in range(15)
]


@pytest.fixture
def root(make_layout) -> Path:
    return make_layout(PEOPLE, eval_photos=4)


def as_table(root: Path, name: str = "photos.csv", **columns) -> Path:
    """Write what a layout knows as a table beside its photos, with other columns."""
    samples = DataSource(root).train().drop(columns=["source", "weight"]).assign(**columns)
    samples.to_csv(root / name, index=False)
    return root / name


def part(root: Path, rows: slice, **columns) -> pd.DataFrame:
    return DataSource(root).train().iloc[rows].drop(columns=["source", "weight"]).assign(**columns)


@pytest.mark.parametrize("split", ["train", "val", "all"])
def test_a_table_gives_what_the_layout_gives(root, split) -> None:
    through_layout = MaskFaceDataset(str(root), split=split, fold=2)
    through_table = MaskFaceDataset(str(root), split=split, fold=2, table=str(as_table(root)))
    columns = ["image", "person", "mask", "gender", "age", "label", "fold"]
    pd.testing.assert_frame_equal(
        through_layout.samples[columns], through_table.samples[columns], check_like=True
    )
    assert (through_layout.class_counts() == through_table.class_counts()).all()
    for row in range(len(through_layout)):
        assert os.path.samefile(
            through_layout.get_data_info(row)["img_path"],
            through_table.get_data_info(row)["img_path"],
        )


def test_paths_are_relative_to_the_table_to_the_root_or_absolute(root, tmp_path) -> None:
    expected = DataSource(root).train()["image"].tolist()
    table = as_table(root)
    assert DataSource(root, sample_tables(str(table))).train()["image"].tolist() == expected
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = table.rename(elsewhere / "photos.csv")
    assert DataSource(root, sample_tables(str(moved))).train()["image"].tolist() == expected
    absolute = pd.read_csv(moved).assign(image=[str(root / name) for name in expected])
    absolute.to_csv(moved, index=False)
    assert DataSource(root, sample_tables(str(moved))).train()["image"].tolist() == [
        str(root / name) for name in expected
    ]
    other = DataSource(elsewhere, sample_tables(str(as_table(root)))).train()["image"]
    assert all((elsewhere / name).is_file() for name in other)


def test_a_mixture_has_the_rows_of_all_tables_and_their_names(root) -> None:
    part(root, slice(0, 35)).drop(columns=["gender", "age"]).to_csv(root / "masks.csv", index=False)
    ages = part(root, slice(35, 70)).drop(columns=["mask", "age"]).assign(age_from=20, age_to=29)
    ages.to_csv(root / "ages.csv", index=False)
    stated = [
        {"table": str(root / "masks.csv"), "weight": 3},
        {"table": str(root / "ages.csv"), "name": "decades", "weight": 1},
    ]
    dataset = MaskFaceDataset(str(root), split="all", table=stated)
    assert dataset.source_weights == {"masks": 3, "decades": 1}
    assert dataset.samples["source"].tolist() == ["masks"] * 35 + ["decades"] * 35
    fits = with_labels(DataSource(root, sample_tables(stated)).train())["fits"].to_numpy(np.int64)
    assert {int(bits).bit_count() for bits in fits[:35]} == {6}  # of 18, the mask is known
    assert {int(bits).bit_count() for bits in fits[35:]} == {3}  # gender and age are
    assert class_counts(dataset.samples).sum() == pytest.approx(70)


def test_photos_without_a_person_are_people_of_their_own(root, caplog) -> None:
    table = as_table(root, person=None)
    with caplog.at_level("WARNING", logger="mmmask"):
        samples = DataSource.at(table).train()
    assert samples["person"].tolist() == samples["image"].tolist()
    assert "105 of 105 photos name no person" in caplog.text


def test_photos_of_which_nothing_is_known_are_left_out_and_told(root, caplog) -> None:
    samples = part(root, slice(0, 14)).astype({"age": "float"})
    samples.loc[3:5, ["mask", "gender", "age"]] = None
    samples.to_csv(root / "photos.csv", index=False)
    with caplog.at_level("WARNING", logger="mmmask"):
        assert len(DataSource.at(root / "photos.csv").train()) == 11
    assert "3 of 14 photos are left out, as nothing is known of them" in caplog.text


def test_given_folds_are_kept_and_other_people_dealt(root) -> None:
    samples = DataSource(root).train()
    folds = samples["person"].map(
        {name: n % 3 for n, name in enumerate(samples["person"].unique())}
    )
    folds[samples["person"] == samples["person"].iloc[0]] = None
    table = as_table(root, fold=folds.astype("Int8"))
    read = MaskFaceDataset(str(root), split="all", folds=3, table=str(table)).samples
    given = folds.notna().to_numpy()
    assert (read["fold"][given] == folds[given]).all()
    assert read.groupby("person")["fold"].nunique().max() == 1


def test_a_table_of_photos_to_predict_takes_the_place_of_eval(root) -> None:
    part(root, slice(3, 10)).to_csv(root / "new.csv", index=False)
    dataset = MaskFaceDataset(str(root), split="eval", eval_table=str(root / "new.csv"))
    assert dataset.samples["image"].tolist() == DataSource(root).train()["image"].tolist()[3:10]
    assert "label" not in dataset.samples and "mask" not in dataset.samples
    with pytest.raises(InputError, match="there are no photos to predict"):
        lonely = root / "train"
        DataSource(lonely, sample_tables(str(as_table(root)))).eval()


FIRST = "train/images/000000_female_Asian_18/incorrect_mask.jpg"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"mask": "wearing"}, "mask must be one of wear, incorrect, normal; got 'wearing'"),
        ({"age": 130}, "age must be from 0 to 120; got 130"),
        ({"gendr": "male"}, "unknown column gendr; did you mean gender"),
        ({"age_from": 60}, r"age must lie from age_from to age_to; got age 18, age_from 60"),
        ({"age": None, "age_from": 40, "age_to": 30}, "got age_from 40, age_to 30"),
        (
            {"label": 17},
            "no class from 0 to 17 has mask incorrect, gender female, age 18, label 17",
        ),
        ({"image": FIRST}, f"{FIRST} appears twice"),
        ({"image": "a.jpg"}, "photos are missing, 105 of 105 below"),
        ({"mask": None, "gender": None, "age": None}, "must say something of at least one photo"),
        ({"fold": range(105)}, "fold must be from 0 to data.folds - 1 = 4; got 5"),
        ({"fold": [n % 5 for n in range(105)]}, "must be in one fold; got 0 and 1"),
    ],
)
def test_what_a_table_may_not_say_is_refused(root, columns, message) -> None:
    if "gendr" in columns:
        table = as_table(root)
        pd.read_csv(table).drop(columns="gender").assign(**columns).to_csv(table, index=False)
    else:
        table = as_table(root, **columns)
    with pytest.raises(InputError, match=message):
        MaskFaceDataset(str(root), split="train", table=str(table))


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ([], "must name a table or be None; got an empty list"),
        (["a/x.csv", "b/x.csv"], "two tables are called x"),
        ([{"table": "a.csv", "weight": 1}, "b.csv"], "a weight must be stated for each"),
        ([{"table": "a.csv", "weight": -1}, "b.csv"], "weight of a.csv must be above 0; got -1"),
        ([{"tabel": "a.csv"}], "the keys must be table, name or weight; got 'tabel'"),
        ([3], "must name a file .* got 3"),
    ],
)
def test_tables_are_stated_rightly_or_refused(stated, message) -> None:
    with pytest.raises(InputError, match=message):
        sample_tables(stated)


def test_one_photo_in_two_tables_is_refused(root) -> None:
    tables = [str(as_table(root, "a.csv")), str(as_table(root, "b.csv"))]
    with pytest.raises(InputError, match=r"a.csv and .*b.csv: two rows for one photo, train"):
        DataSource(root, sample_tables(tables)).train()


def test_one_photo_under_two_names_is_one(root) -> None:
    (root / "linked").symlink_to(root / "train")
    one, other = as_table(root, "a.csv"), as_table(root, "b.csv")
    other.write_text(one.read_text().replace("train/images", "linked/images"))
    with pytest.raises(InputError, match=r"two rows for one photo, train.* and linked"):
        DataSource(root, sample_tables([str(one), str(other)])).train()


def test_the_root_is_the_folder_of_the_table_unless_it_is_stated(root) -> None:
    leaf = find_config("mobilenet_v2_linear")
    table = str(root / "photos.csv")
    assert load_config(leaf).data.data_root == "data"
    for given in ({"options": {"data.table": table}}, {"data_root": table}):
        cfg = load_config(leaf, **given)
        assert cfg.data.data_root == cfg.train_dataloader.dataset.data_root == str(root)
        assert cfg.val_dataloader.dataset.table == table
    stated = load_config(leaf, {"data.table": table}, data_root="elsewhere")
    assert stated.val_dataloader.dataset.data_root == "elsewhere"


def test_a_written_table_is_read_as_it_was(root) -> None:
    samples = DataSource(root).train()
    write_table(root / "photos.parquet", samples, SAMPLES)
    pd.testing.assert_frame_equal(DataSource.at(root / "photos.parquet").train(), samples)


def test_tables_corrections_and_drop_lists_meet_the_disk_in_one_form(root, tmp_path) -> None:
    def form(kind: str, text: str) -> str:
        return unicodedata.normalize(kind, text)

    photos, person = root / "ph", form("NFD", "가을")
    (photos / person).mkdir(parents=True)
    for number, image in enumerate(DataSource(root).train()["image"][:21]):
        (photos / person / f"é{number}.jpg").write_bytes((root / image).read_bytes())
    rows = pd.DataFrame({"image": [f"ph/{person}/é{number}.jpg" for number in range(21)]})
    rows = rows.assign(person=[f"가{number // 7}" for number in range(21)], mask="wear", age=30)
    decompose = photos.rglob("*.jpg")
    for path in list(decompose):
        path.rename(path.with_name(form("NFD", path.name)))
    for kind, other in (("NFC", "NFD"), ("NFD", "NFC")):
        table, fix, drop = (root / f"{name}.csv" for name in ("table", "fix", "drop"))
        table.write_text(form(kind, rows.assign(gender="male").to_csv(index=False)))
        fix.write_text(form(other, "person,photo,field,value\n가1,é8,gender,female\n"))
        drop.write_text(form(other, f"image,reason\nph/{person}/é3.jpg,unreadable\n"))
        data = MaskFaceDataset(
            str(root), split="all", table=str(table), corrections=str(fix), drop=str(drop), folds=3
        )
        assert len(data) == 20
        corrected = data.samples[data.samples["corrected"] == 1]
        assert corrected["image"].tolist() == [form("NFC", f"ph/{person}/é8.jpg")]
        assert corrected["gender"].tolist() == ["female"]
        for row in range(len(data)):
            load_photo(data.get_data_info(row)["img_path"])
