from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.errors import InputError
from mmmask.labels import decode, to_bits
from mmmask.reports.score_tables import how_sure
from mmmask.tables import (
    ATTRIBUTE_PROBABILITIES,
    PROBABILITIES,
    prediction_columns,
    write_table,
)
from mmmask.workflows.score import (
    by_source,
    differences,
    intervals_of,
    labels_of,
    read_scored,
    short_names,
)


def predictions(columns=PROBABILITIES, seed: int = 0) -> pd.DataFrame:
    """Predict six photos of three people."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(random.dirichlet(np.ones(len(columns)), 6), columns=list(columns))
    table.insert(0, "image", [f"eval/images/{row}.jpg" for row in range(6)])
    return table.assign(label=[0, 7, 14, 3, 10, 17], person=list("aabbcc"))


@pytest.fixture
def write(tmp_path):
    def write(name: str, table: pd.DataFrame, attribute: str | None = None) -> Path:
        write_table(tmp_path / name, table, prediction_columns(attribute)[0])
        return tmp_path / name

    return write


def submit(path: Path, answers: list[int]) -> Path:
    pd.DataFrame({"ImageID": [f"{row}.jpg" for row in range(6)], "ans": answers}).to_csv(
        path, index=False
    )
    return path


def test_rows_follow_the_first_table_and_people_are_lent(write, tmp_path) -> None:
    table = predictions()
    one = write("one.parquet", table)
    other = write("other.parquet", table.iloc[::-1].drop(columns="person"))
    read = read_scored([one, other])
    assert read[other]["image"].tolist() == table["image"].tolist()
    assert read[other]["person"].tolist() == list("aabbcc")
    assert differences(read)[other].high == 0
    labels = submit(tmp_path / "labels.csv", [0] * 6)
    assert [labels_of(table)[0].max() for table in read_scored([one, other], labels).values()] == [
        0, 0,
    ]  # fmt: skip


def test_ages_are_those_of_the_table_of_another_one_or_of_the_csv_of_labels(
    write, tmp_path
) -> None:
    table = predictions().assign(age=pd.array([20, 30, None, 40, 50, 60], dtype="Int16"))
    paths = [write("a.parquet", table), write("b.csv", predictions(seed=1).iloc[::-1])]
    read = read_scored(paths)
    assert read[paths[1]]["age"].equals(read[paths[0]]["age"])
    assert read[paths[0]]["age"].equals(table["age"])
    labels = tmp_path / "labels.csv"
    labels.write_text("ImageID,ans,age\n" + "".join(f"{k}.jpg,0,{20 + k}\n" for k in range(6)))
    assert read_scored(paths[:1], labels)[paths[0]]["age"].tolist() == [*range(20, 26)]
    labels.write_text(labels.read_text().replace("23", "230"))
    with pytest.raises(
        InputError, match=r"labels\.csv, line 5 \(3\.jpg\): age must be from 0 to 120; got 230"
    ):
        read_scored(paths, labels)
    assert "age" not in read_scored(paths[1:])[paths[1]]


def test_a_submission_has_the_classes_that_it_names(write, tmp_path) -> None:
    old = submit(tmp_path / "old.csv", [0, 7, 14, 3, 10, 16])
    new = submit(tmp_path / "new.csv", [0, 7, 14, 3, 10, 17])
    read = read_scored([old, new], new)
    truth, predicted = labels_of(read[old])
    assert predicted.tolist() == [0, 7, 14, 3, 10, 16]
    assert truth.tolist() == [0, 7, 14, 3, 10, 17]
    assert differences(read)[new].value == pytest.approx(1 / 18)


def test_true_classes_may_come_with_the_people(write, tmp_path) -> None:
    plain = predictions().drop(columns=["label", "person"])
    table = write("one.parquet", plain)
    labels = submit(tmp_path / "labels.csv", [0, 7, 14, 3, 10, 16])
    told = pd.read_csv(labels).assign(person=list("ccbbaa"))
    told.iloc[::-1].to_csv(labels, index=False)
    assert read_scored([table], labels)[table]["person"].tolist() == list("ccbbaa")
    told.assign(person=[*"ccbba", ""]).to_csv(labels, index=False)
    with pytest.raises(InputError, match=r"labels.csv: person .* empty for 1, the first is 5.jpg"):
        read_scored([table], labels)


def test_a_model_of_one_attribute_is_scored_and_compared_by_it(write) -> None:
    columns = ATTRIBUTE_PROBABILITIES["gender"]
    right = predictions(columns)
    right[list(columns)] = np.eye(2)[[0, 0, 0, 1, 1, 1]]
    wrong = right.assign(**{columns[0]: right[columns[1]], columns[1]: right[columns[0]]})
    paths = [write("right.parquet", right, "gender"), write("wrong.parquet", wrong, "gender")]
    read = read_scored(paths)
    truth = labels_of(read[paths[0]])[0]
    assert truth.tolist() == [0, 0, 0, 1, 1, 1]
    assert intervals_of(read[paths[0]])["macro_f1"].value == 1
    assert differences(read)[paths[1]].value == -1


def test_what_is_no_comparison_is_refused(write, tmp_path) -> None:
    a = write("a.parquet", predictions())
    for table, sentence in (
        (predictions().iloc[1:], r"different photos, 1 are in one alone, such as eval/images/0"),
        (predictions().assign(label=0), "different true classes of the same photos"),
        (predictions().drop(columns="label"), r"b\.parquet: its true classes are unknown; test, "),
        (pd.concat([predictions(), predictions()[:1]]), r"b\.parquet: eval/images/0\.jpg appears"),
    ):
        with pytest.raises(InputError, match=sentence):
            read_scored([a, write("b.parquet", table)])
    mask = write("mask.parquet", predictions(ATTRIBUTE_PROBABILITIES["mask"]), "mask")
    with pytest.raises(
        InputError, match=r"predicts the 18 classes, and .*mask.*; they cannot be compared"
    ):
        read_scored([a, mask])
    twice = tmp_path / "twice.csv"
    twice.write_text("ImageID,ans\n0.jpg,1\n0.jpg,2\n")
    with pytest.raises(InputError, match=r"twice\.csv: 0\.jpg appears twice"):
        read_scored([a, twice])
    write("csv.csv", predictions())  # predictions may be csv too
    assert read_scored([tmp_path / "csv.csv"])


def test_short_names_tell_files_apart() -> None:
    paths = [Path("work_dirs/kfold", name, "oof.parquet") for name in ("a", "b")]
    assert short_names(paths) == ["a", "b"]
    assert short_names([Path("x/a.parquet"), Path("x/b.csv")]) == ["a.parquet", "b.csv"]
    assert short_names([Path("x/a.parquet")]) == ["a.parquet"]


def test_a_table_of_partly_known_labels_is_scored_as_far_as_they_go(write) -> None:
    known = predictions().assign(source=["x", "x", "y", "y", "y", "y"])
    known["label"] = known["label"].astype("Int8")
    known["fits"] = pd.array(1 << known["label"].to_numpy(dtype=np.int64), dtype="Int32")
    masks = decode(np.arange(18))["mask"]
    known.loc[:1, "fits"] = [to_bits((masks == mask)[None])[0] for mask in (0, 1)]
    known.loc[:1, "label"] = pd.NA
    path = write("a.parquet", known)
    (table,) = read_scored([path]).values()
    found, full = intervals_of(table), intervals_of(predictions())
    assert found["mask_accuracy"] == full["mask_accuracy"]
    assert found["macro_f1"] == intervals_of(predictions()[2:].reset_index(drop=True))["macro_f1"]
    sources = by_source(table).set_index("slice")
    assert sources["photos"].to_dict() == {"x": 2, "y": 4}
    assert sources["accuracy"].isna().to_dict() == {"x": True, "y": False}
    assert how_sure(table).endswith(
        "Known: mask: 6 photos of 3 people; gender: 4 photos of 2 people; "
        "age: 4 photos of 2 people; all three: 4 photos of 2 people"
    )


def test_a_table_that_knows_nothing_is_refused(write) -> None:
    table = predictions().assign(label=pd.array([None] * 6, dtype="Int8"))
    path = write("a.parquet", table.assign(fits=pd.array([2**18 - 1] * 6, dtype="Int32")))
    with pytest.raises(InputError) as error:
        read_scored([path])
    assert str(error.value) == (f"{path}: mask, gender or age is known of none of the 6 photos")
