"""Each kind of foreign data, as its source states the form, becomes the samples table."""

import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmmask.datasets.layout import read_eval, read_train
from mmmask.errors import InputError
from mmmask.labels import GENDERS, MASKS
from mmmask.tables import SAMPLES, read_provenance, read_table, write_table
from mmmask.workflows.import_data import READERS, import_data

SUFFIXES = ".jpg, .jpeg, .jfif, .png, .webp, .bmp"


def photos(folder: Path, *names: str) -> Path:
    """Write files of these names, which are photos by name alone."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"photo")
    return folder


def records(samples: pd.DataFrame) -> list[dict]:
    """Return what is known of each photo, without its source."""
    rows = samples.drop(columns="source").to_dict("records")
    return [{name: value for name, value in row.items() if pd.notna(value)} for row in rows]


def refusal(kind: str, src: Path, out: Path, **options) -> str:
    """Return why an import is refused; nothing is written."""
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(InputError) as refused:
        import_data(kind, src, out, **options)
    assert sorted(out.parent.rglob("*")) == before
    return str(refused.value)


# The competition


def test_the_competition_keeps_rows_and_order(make_layout, tmp_path) -> None:
    root = make_layout([("000002", "female", 61), ("000001", "male", 25)], eval_photos=3)
    out = tmp_path / "table.csv"
    import_data("competition", root, out)
    samples, trained = read_table(out, SAMPLES), read_train(root)
    assert samples["image"].tolist() == [f"data/{image}" for image in trained["image"]]
    columns = ["person", "mask", "gender", "age", "source"]
    assert list(samples) == ["image", *columns]
    pd.testing.assert_frame_equal(samples[columns], trained[columns])

    import_data("competition", root, out, eval_photos=True)
    samples = read_table(out, SAMPLES)
    assert samples["image"].tolist() == [f"data/{image}" for image in read_eval(root)["image"]]
    assert list(samples) == ["image", "source"]


# A folder for each class


def test_folders_mean_what_they_are_called_or_what_the_mapping_says(tmp_path) -> None:
    src = photos(
        *(tmp_path / "set", "wear/a.jpg", "17/deep/er/b.PNG", "old men/c.jpeg", "who/d.jpg"),
        *("junk/e.jpg", ".hidden/f.jpg", "wear/._a.jpg", "wear/notes.txt", "wear/g.tiff"),
    )
    mapping = ["old men=gender:male,age:60-", "who=", "junk=-"]
    done = import_data("folders", src, tmp_path / "t.csv", mapping=mapping)
    assert records(done.samples) == [
        {"image": "set/17/deep/er/b.PNG", "label": 17},
        {"image": "set/old men/c.jpeg", "gender": "male", "age_from": 60},
        {"image": "set/wear/a.jpg", "mask": "wear"},
        {"image": "set/who/d.jpg"},
    ]
    assert set(done.samples["source"]) == {"set"}
    assert done.left_out == {
        "files ending in .txt": 1,
        "files ending in .tiff": 1,
        "photos in junk, by --map": 1,
    }


def test_folders_below_a_class_may_be_people(tmp_path) -> None:
    src = photos(tmp_path / "set", "wear/ann/1.jpg", "normal/ann/day/2.jpg", "normal/3.jpg")
    found = import_data("folders", src, tmp_path / "t.csv", person_folders=True).samples
    assert found["person"].fillna("").tolist() == ["", "ann", "ann"]
    assert "person" not in import_data("folders", src, tmp_path / "t.csv").samples


def test_a_folder_without_a_meaning_is_refused_with_the_nearest_word(tmp_path) -> None:
    src = photos(tmp_path / "set", "wear/a.jpg", "norml/b.jpg")
    assert refusal("folders", src, tmp_path / "t.csv", skip=True) == (
        f"{src}/norml: --map 'norml=...' must say what its name means (=: nothing is known, =-: "
        "leave it out); 'norml' is none of wear, incorrect, normal, male, female, a class from 0 "
        "to 17, or a range of ages such as 60-; did you mean normal"
    )


def test_a_mapping_of_no_folder_is_refused(tmp_path) -> None:
    src = photos(tmp_path / "set", "masked/a.jpg")
    words = refusal("folders", src, tmp_path / "t.csv", mapping=["maskd=wear"])
    assert words == f"--map: no folder of {src} is 'maskd'; did you mean masked"


def test_a_photo_outside_of_the_classes_is_not_understood(tmp_path) -> None:
    src = photos(tmp_path / "set", "wear/a.jpg", "b.jpg")
    assert refusal("folders", src, tmp_path / "t.csv") == (
        f"{src}: 1 row is not understood, nothing is written; --skip leaves it out: {src}/b.jpg: "
        "lies in no folder of a class"
    )
    done = import_data("folders", src, tmp_path / "t.csv", skip=True)
    assert (len(done.samples), done.problems) == (1, [f"{src}/b.jpg: lies in no folder of a class"])


def test_linked_folders_are_followed_without_loops(tmp_path) -> None:
    elsewhere = photos(tmp_path / "elsewhere", "a.jpg")
    src = photos(tmp_path / "set", "wear/b.jpg")
    (src / "normal").symlink_to(elsewhere)
    (src / "wear/loop").symlink_to(src)
    done = import_data("folders", src, tmp_path / "t.csv")
    assert done.samples["image"].tolist() == ["set/normal/a.jpg", "set/wear/b.jpg"]

    (src / "wear/gone.jpg").symlink_to("nowhere.jpg")
    assert "gone.jpg: a link that leads nowhere" in refusal("folders", src, tmp_path / "t.csv")


def test_two_names_of_one_photo_are_refused(tmp_path) -> None:
    src = photos(tmp_path / "set", "wear/a.jpg")
    (src / "normal").symlink_to(src / "wear")
    words = refusal("folders", src, tmp_path / "t.csv", skip=True)
    assert words == f"{src}: two rows for one photo, {src}/normal/a.jpg and {src}/wear/a.jpg"


# UTKFace, https://susanqq.github.io/UTKFace/: [age]_[gender]_[race]_[date&time].jpg


def test_utkface(tmp_path) -> None:
    src = photos(
        *(tmp_path / "UTKFace", "100_0_0_20170112213500903.jpg.chip.jpg"),
        *("26_1_2_20170116184024662.jpg", "part2/1_0_4_20161219140623097.jpg"),
    )
    done = import_data("utkface", src, tmp_path / "t.csv", given=["mask=normal"])
    assert [(row["age"], row["gender"], row["mask"]) for row in records(done.samples)] == [
        (100, "male", "normal"),
        (26, "female", "normal"),
        (1, "male", "normal"),
    ]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("39_1_20170116174525125.jpg.chip.jpg", "the name must be [age]_[gender 0 or 1]_[race"),
        ("39_2_0_20170116174525125.jpg", "the name must be [age]_[gender 0 or 1]_[race"),
        ("130_1_0_20170116174525125.jpg", "age must be from 0 to 120 years; got '130'"),
    ],
)
def test_a_name_that_utkface_does_not_give_is_not_understood(tmp_path, name, sentence) -> None:
    src = photos(tmp_path / "UTKFace", name, "26_1_2_20170116184024662.jpg")
    assert f"{name}: {sentence}" in refusal("utkface", src, tmp_path / "t.csv")


# FairFace, https://github.com/joojs/fairface: fairface_label_train.csv

FAIRFACE = """file,age,gender,race,service_test
train/1.jpg,50-59,Male,East Asian,True
train/2.jpg,more than 70,Female,Indian,False
train/3.jpg,3-9,Female,Black,False
"""


def test_fairface(tmp_path) -> None:
    src = photos(tmp_path, *(f"train/{number}.jpg" for number in (1, 2, 3))) / "fairface_label.csv"
    src.write_text(FAIRFACE)
    done = import_data("fairface", src, tmp_path / "t.parquet")
    assert records(done.samples) == [
        {"image": "train/1.jpg", "gender": "male", "age_from": 50, "age_to": 59},
        {"image": "train/2.jpg", "gender": "female", "age_from": 70},
        {"image": "train/3.jpg", "gender": "female", "age_from": 3, "age_to": 9},
    ]
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet", SAMPLES), done.samples)
    assert read_provenance(tmp_path / "t.parquet")["kind"] == "fairface"


def test_fairface_lists_what_it_does_not_know(tmp_path) -> None:
    src = photos(tmp_path / "set", "train/1.jpg", "train/2.jpg") / "labels.csv"
    src.write_text(FAIRFACE.replace("Indian", "x").replace("Male", "Mael"))
    words = refusal("fairface", src, tmp_path / "t.csv")
    assert words.startswith(f"{src}: 2 rows are not understood, nothing is written; --skip leaves")
    assert "line 2: gender must be one of Male, Female; got 'Mael'; did you mean Male" in words
    assert f"line 4: {src.parent}/train/3.jpg is not there" in words
    moved = tmp_path / "labels.csv"
    moved.write_text(FAIRFACE)
    done = import_data("fairface", moved, tmp_path / "t.csv", images=src.parent, skip=True)
    assert done.samples["image"].tolist() == ["set/train/1.jpg", "set/train/2.jpg"]


# MaskedFace-Net, https://github.com/cabani/MaskedFace-Net: CMFD and IMFD


def test_maskedface_net(tmp_path) -> None:
    src = photos(
        *(tmp_path / "sets", "CMFD/00000/00000_Mask.jpg", "IMFD/00000/00001_Mask_Mouth_Chin.jpg"),
        *("IMFD/00000/00002_Mask_Nose_Mouth.jpg", "IMFD/00000/00000_Mask_Chin.jpg"),
    )
    rows = records(import_data("maskedface_net", src, tmp_path / "t.csv").samples)
    assert [(row["person"], row["mask"]) for row in rows] == [
        ("ffhq 00000", "wear"),
        ("ffhq 00000", "incorrect"),
        ("ffhq 00001", "incorrect"),
        ("ffhq 00002", "incorrect"),
    ]
    photos(src, "CMFD/00003_Maks.jpg")
    assert "00003_Maks.jpg: the name must be NUMBER_Mask or" in refusal(
        "maskedface_net", src, tmp_path / "t.csv"
    )


# Pascal VOC, http://host.robots.ox.ac.uk/pascal/VOC/, with the names of
# https://www.kaggle.com/datasets/andrewmvd/face-mask-detection


def voc(folder: Path, *objects: tuple[str, int, int, int, int], size=(400, 300)) -> Path:
    """Write a photo of 400 x 300 pixels and the boxes in it."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "annotations").mkdir(exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "images/maksssksksss0.png"), pixels)
    boxes = "".join(
        f"<object><name>{name}</name><pose>Unspecified</pose><truncated>0</truncated><bndbox>"
        f"<xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
        for name, x0, y0, x1, y1 in objects
    )
    (folder / "annotations/maksssksksss0.xml").write_text(
        "<annotation><folder>images</folder><filename>maksssksksss0.png</filename><size>"
        f"<width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>{boxes}"
        "</annotation>"
    )
    return folder


FACES = (
    ("without_mask", 79, 105, 119, 145),
    ("with_mask", 185, 100, 226, 144),
    ("mask_weared_incorrect", 325, 90, 360, 141),
)


def test_voc_crops_each_face_with_its_margin(tmp_path) -> None:
    src, crops = voc(tmp_path / "set", *FACES, ("with_mask", 0, 0, 31, 90)), tmp_path / "faces"
    done = import_data("voc", src, tmp_path / "t.csv", crops=crops, margin=0.5)
    assert records(done.samples) == [
        {"image": f"faces/annotations/maksssksksss0_{number}.jpg", "mask": mask}
        for number, mask in ((1, "normal"), (2, "wear"), (3, "incorrect"))
    ]
    assert done.left_out == {"faces smaller than 32 pixels": 1}
    # 40 x 40 pixels and a half of that on each side: 80 wide, and a third higher than wide.
    assert cv2.imread(str(tmp_path / done.samples["image"][0])).shape == (107, 80, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces", "set", "t.csv"]


@pytest.mark.parametrize(
    ("objects", "size", "sentence"),
    [
        ([("with_maks", 1, 1, 90, 90)], (400, 300), "object 1: 'with_maks' is none of"),
        ([("with_mask", 1, 1, 401, 90)], (400, 300), "bndbox must lie inside 400 x 300 pixels"),
        ([("with_mask", 90, 1, 1, 90)], (400, 300), "bndbox must lie inside 400 x 300 pixels"),
        ([("with_mask", "", 1, 1, 90)], (400, 300), "bndbox must have four numbers; got , 1, 1"),
        ([("", 1, 1, 90, 90)], (400, 300), "object 1: name is empty"),
        (FACES, (300, 400), "size must be that of"),
    ],
)
def test_voc_lists_faces_that_it_does_not_understand(tmp_path, objects, size, sentence) -> None:
    src = voc(tmp_path / "set", *objects, size=size)
    options = {"crops": tmp_path / "faces"}
    assert sentence in refusal("voc", src, tmp_path / "t.csv", **options)


def test_voc_refuses_what_it_cannot_find_or_write(tmp_path) -> None:
    src, out = voc(tmp_path / "set", *FACES), tmp_path / "t.csv"
    assert refusal("voc", src, out) == "--crops must name the folder to write the faces to"
    full = {"crops": src}
    assert refusal("voc", src, out, **full) == (
        f"{src}: must be a new or an empty folder; it is there already and not empty"
    )
    inside = refusal("voc", src, tmp_path / "t.csv", crops=tmp_path)
    assert inside == f"{out}: the table must not lie in {tmp_path}, which --crops makes"
    new = {"crops": tmp_path / "faces"}
    assert "--margin must be 0 or more; got -1" in refusal("voc", src, out, margin=-1, **new)
    assert "--min-size must be 1 or more; got 0" in refusal("voc", src, out, min_size=0, **new)
    assert "no object below" in refusal("voc", src, out, mapping=["face=wear"], **new)
    (src / "annotations/x.xml").write_text("<annotation>")
    assert "x.xml: not a readable xml file: no element" in refusal("voc", src, out, **new)
    bomb = (
        '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]><a><filename>&c;</filename></a>'
    )
    (src / "annotations/x.xml").write_text(bomb)
    said = refusal("voc", src, out, **new)
    assert "x.xml: not a readable xml file: <!DOCTYPE> is not allowed; delete it" in said
    (src / "annotations/x.xml").write_text("<a><filename>y.png</filename></a>")
    assert "'y.png' is not there" in refusal("voc", src, out, **new)


def test_voc_takes_other_names_by_a_mapping(tmp_path) -> None:
    src = voc(tmp_path / "set", ("face", 1, 1, 90, 90), ("with_mask", 1, 1, 90, 90))
    options = {"mapping": ["face=normal", "with_mask=-"], "crops": tmp_path / "faces"}
    done = import_data("voc", src, tmp_path / "t.csv", **options)
    assert done.samples["mask"].tolist() == ["normal"]
    assert done.left_out == {"faces called with_mask, by --map": 1}


# Any csv

LISTED = "path,AGE,sex,who\nx/a.jpg ,25,F ,1\nx/b.jpg,60-,male,1\nx/c.jpg,,?,2\nx/d.jpg,1,no,2\n"
COLUMNS = ["image=path,age=AGE", "gender=sex"]
MAPPING = ["gender:F=female", "gender:?=", "gender:no=-"]


def listed(tmp_path: Path, text: str = LISTED) -> Path:
    src = photos(tmp_path, *(f"x/{name}.jpg" for name in "abcd")) / "list.csv"
    src.write_text(text)
    return src


def test_a_csv_by_its_columns_and_words(tmp_path) -> None:
    src = listed(tmp_path)
    done = import_data("csv", src, tmp_path / "t.csv", columns=COLUMNS, mapping=MAPPING)
    assert records(done.samples) == [
        {"image": "x/a.jpg", "age": 25, "gender": "female"},
        {"image": "x/b.jpg", "age_from": 60, "gender": "male"},
        {"image": "x/c.jpg"},
    ]
    assert done.left_out == {"photos by --map": 1}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {},
            "{src}: --columns image=... must name the column of the photos; the columns are path",
        ),
        ({"columns": ["image=pth"]}, "{src}: has no column 'pth', only path, AGE, sex, who; did"),
        ({"columns": ["imag=path"]}, "--columns imag: must be one of image, person, mask"),
        (
            {"mapping": [*MAPPING, "mask:x=wear"]},
            "--map mask:x: must be FIELD:VALUE; --columns reads",
        ),
        ({"mapping": [*MAPPING, "gender:f=male"]}, "--map: no row of {src} has 'gender:f'; did"),
        ({"mapping": MAPPING[1:]}, "line 2: gender must be one of male, female; got 'F'"),
        ({"mapping": MAPPING, "images": "gone"}, "line 2: gone/x/a.jpg is not there"),
        ({"mapping": MAPPING, "given": ["gender=male"]}, "gender is 'male', and also said to be"),
        ({"mapping": MAPPING, "given": ["mask=no"]}, "--set: mask must be one of wear, incorrect"),
        ({"mapping": MAPPING, "given": ["mask"]}, "--set: takes NAME=VALUE; got 'mask'"),
        ({"crops": "faces"}, "--crops is an option of voc; got csv"),
        ({"eval_photos": True}, "--eval is an option of competition; got csv"),
        ({"person_folders": True}, "--person-folders is an option of folders; got csv"),
    ],
)
def test_a_csv_and_options_that_do_not_fit_are_refused(tmp_path, options, sentence) -> None:
    src = listed(tmp_path)
    options = {"columns": COLUMNS, **options} if options else options
    options = {k: Path(v) if k == "images" else v for k, v in options.items()}
    assert sentence.format(src=src) in refusal("csv", src, tmp_path / "t.csv", **options)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("image,age\nx/a.jpg,150\n", "line 2: age must be from 0 to 120 years; got '150'"),
        ("image,mask\nx/a.jpg,normel\n", "got 'normel'; did you mean normal"),
        ("image\nx/a.jpg\nx/../x/a.jpg\n", "two rows for one photo, "),
        (
            "image,label,mask\nx/a.jpg,0,normal\n",
            "x/a.jpg: no class from 0 to 17 has mask normal, label 0",
        ),
        ("image,age\n,20\n", "line 2: image is empty"),
        ("image\nx/a.gif\n", f"a photo must end in {SUFFIXES}; got 'a.gif'"),
        ("image\nx/e.jpg\n", "x/e.jpg is not there"),
        ("image,age\n", f"holds no photo to import ({SUFFIXES})"),
    ],
)
def test_a_row_that_is_not_understood_is_refused(tmp_path, text, sentence) -> None:
    assert sentence in refusal("csv", listed(tmp_path, text), tmp_path / "t.csv")


def test_photos_of_a_csv_may_lie_elsewhere(tmp_path) -> None:
    src = photos(tmp_path / "lists", "a.jpg") / "list.csv"
    photos(tmp_path / "elsewhere", "a.jpg")
    src.write_text("image,person,source\na.jpg,Ann,\n")
    done = import_data("csv", src, tmp_path / "t.csv", images=tmp_path / "elsewhere")
    assert done.samples.to_numpy().tolist() == [["elsewhere/a.jpg", "Ann", "list"]]


def test_many_problems_are_counted_and_some_shown(tmp_path) -> None:
    src = listed(tmp_path, "image\nx/a.jpg\n" + "x/gone.jpg\n" * 1200)
    words = refusal("csv", src, tmp_path / "t.csv")
    assert "1,200 rows are not understood" in words
    assert words.endswith("line 7: " + f"{tmp_path}/x/gone.jpg is not there; and 1,195 more")


# All kinds


def test_a_kind_a_source_and_a_table_that_are_none_are_refused(tmp_path) -> None:
    src, out = listed(tmp_path), tmp_path / "t.csv"
    assert refusal("folder", src, out).endswith("got 'folder'; did you mean folders")
    assert refusal("csv", src, tmp_path / "t.xls").endswith("end in .parquet or .csv; got .xls")
    for kind in READERS:
        assert refusal(kind, tmp_path / "no", out).endswith("no: no such file or folder")
    (tmp_path / "empty").mkdir()
    for kind in ("folders", "utkface", "maskedface_net"):
        assert "holds no photo to import" in refusal(kind, tmp_path / "empty", out)


def test_photos_elsewhere_or_by_wish_have_whole_paths(tmp_path) -> None:
    src = photos(tmp_path / "set", "wear/a.jpg")
    whole = [f"{src}/wear/a.jpg"]
    away = import_data("folders", src, tmp_path / "tables/t.csv").samples
    wished = import_data("folders", src, tmp_path / "t.csv", absolute=True, source="mine").samples
    assert away["image"].tolist() == wished["image"].tolist() == whole
    assert wished["source"].tolist() == ["mine"]


def known() -> st.SearchStrategy:
    ages = st.one_of(
        st.fixed_dictionaries({"age": st.integers(0, 120)}),
        st.tuples(st.integers(0, 60), st.integers(60, 120)).map(
            lambda span: {"age_from": span[0], "age_to": span[1]}
        ),
        st.just({}),
    )
    other = {
        "mask": st.sampled_from([*MASKS, None]),
        "gender": st.sampled_from([*GENDERS, None]),
        "person": st.sampled_from(["007", "Zoë, 2", None]),
    }
    return st.tuples(st.fixed_dictionaries(other), ages).map(lambda parts: parts[0] | parts[1])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(known(), min_size=1, max_size=5))
def test_an_imported_table_imports_as_itself(tmp_path, rows) -> None:
    for number, row in enumerate(rows):
        row["image"] = f"photos/{number}.jpg"
        photos(tmp_path, row["image"])
    first = pd.DataFrame(rows).dropna(axis=1, how="all").assign(source="here")
    write_table(tmp_path / "first.csv", first, SAMPLES)
    samples = import_data("csv", tmp_path / "first.csv", tmp_path / "second.csv").samples
    expected = read_table(tmp_path / "first.csv", SAMPLES)
    pd.testing.assert_frame_equal(samples, expected)
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "second.csv").read_bytes()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=st.lists(st.integers(0, 17), min_size=1, max_size=6))
def test_folders_of_classes_come_back_as_their_numbers(tmp_path, labels) -> None:
    src = tmp_path / os.urandom(8).hex()
    for number, label in enumerate(labels):
        photos(src, f"{label}/{number}.png")
    samples = import_data("folders", src, tmp_path / "t.csv").samples
    found = {
        int(Path(image).stem): label for image, label in samples[["image", "label"]].to_numpy()
    }
    assert found == dict(enumerate(labels))
