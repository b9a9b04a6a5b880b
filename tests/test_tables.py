import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmmask import tables
from mmmask.errors import InputError, MissingFileError
from mmmask.table_checks import Column, checked
from mmmask.tables import (
    ATTRIBUTE_PREDICTIONS,
    PREDICTIONS,
    PROBABILITIES,
    SAMPLES,
    attribute_of,
    prediction_columns,
    predictions_table,
    probabilities,
    read_predictions,
    read_table,
    rows_like,
    write_table,
    year_columns,
    years_of,
)
from tests.bad_predictions import FAULTS, refusal, spoilt


@pytest.fixture
def predictions() -> pd.DataFrame:
    values = np.random.default_rng(0).dirichlet(np.ones(18), size=4).astype(np.float32)
    table = pd.DataFrame(values, columns=list(PROBABILITIES))
    return table.assign(image=[f"eval/images/{row}.jpg" for row in range(4)], label=[0, 17, 3, 4])


def test_parquet_keeps_values_dtypes_and_provenance(tmp_path: Path, predictions) -> None:
    write_table(tmp_path / "p.parquet", predictions, PREDICTIONS, {"seed": 3, "tta": ["hflip"]})
    back = read_table(tmp_path / "p.parquet", PREDICTIONS)
    assert back.attrs["provenance"] == {"seed": 3, "tta": ["hflip"]}
    assert back["p00"].dtype == np.float32
    np.testing.assert_array_equal(probabilities(back), probabilities(predictions))
    assert back["label"].tolist() == [0, 17, 3, 4]


def test_csv_keeps_the_zeros_of_ids_and_empty_labels(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"image": ["a.jpg", "b.jpg"], "person": ["007", "008"], "label": [3, None]}
    )
    write_table(tmp_path / "s.csv", table, SAMPLES)
    back = read_table(tmp_path / "s.csv", SAMPLES)
    assert back["person"].tolist() == ["007", "008"]
    assert back["label"].isna().tolist() == [False, True]


def test_a_missing_column_is_named(tmp_path: Path, predictions) -> None:
    path = tmp_path / "p.csv"
    predictions.drop(columns=["p07"]).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"p\.csv: column p07 is missing; columns received"):
        read_table(path, PREDICTIONS)


def test_an_unknown_value_is_named_with_the_allowed_ones(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("image,person,gender\na.jpg,p,femal\n")
    with pytest.raises(InputError, match=r"gender must be one of male, female; got 'femal'"):
        read_table(path, SAMPLES)


def test_a_word_in_a_number_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("image,person,age\na.jpg,p,old\n")
    sentence = r"s\.csv, line 2 \(a\.jpg\): age must be from 0 to 120; got 'old'"
    with pytest.raises(InputError, match=sentence):
        read_table(path, SAMPLES)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00bad", b'a,b\n"open'])
def test_an_unreadable_csv_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"s\.csv"):
        read_table(path, SAMPLES)


def test_a_broken_parquet_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"p\.parquet: not a readable parquet file"):
        read_table(path, PREDICTIONS)


def test_a_missing_file_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such file"):
        read_table(tmp_path / "none.csv", SAMPLES)


def test_a_refused_table_leaves_no_file(tmp_path: Path, predictions) -> None:
    with pytest.raises(InputError):
        write_table(tmp_path / "p.parquet", predictions.drop(columns=["image"]), PREDICTIONS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("attribute", ["mask", "gender", "age"])
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_predictions_of_one_attribute_tell_which(tmp_path: Path, attribute, suffix) -> None:
    columns, names = prediction_columns(attribute)
    values = np.random.default_rng(0).dirichlet(np.ones(len(names)), size=4).astype(np.float32)
    table = pd.DataFrame(values, columns=list(names)).assign(image=list("abcd"))
    write_table(tmp_path / f"p{suffix}", table, columns)
    back = read_predictions(tmp_path / f"p{suffix}")
    assert attribute_of(back) == attribute
    np.testing.assert_allclose(probabilities(back), values, rtol=1e-6)
    with pytest.raises(InputError, match="column p00, p01, p02"):
        read_table(tmp_path / f"p{suffix}", PREDICTIONS)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_years_come_back_with_zeros_where_no_column_is(tmp_path: Path, predictions, suffix) -> None:
    years = np.zeros((4, 121), dtype=np.float32)
    years[:, 18:61] = np.random.default_rng(0).dirichlet(np.ones(43), size=4)
    table = pd.concat([predictions, year_columns(years)], axis=1)
    write_table(tmp_path / f"p{suffix}", table, PREDICTIONS)
    back = read_predictions(tmp_path / f"p{suffix}")
    assert attribute_of(back) is None
    assert [name for name in back if name.startswith("year_")] == [
        f"year_{age}" for age in range(18, 61)
    ]
    np.testing.assert_allclose(years_of(back), years, rtol=1e-6)
    assert years_of(predictions) is None


def test_rows_are_found_in_any_order_and_other_photos_are_refused() -> None:
    images, others = pd.Series(["a", "b", "c"]), pd.Series(["c", "a", "b"])
    assert rows_like("x", images, "y", images) is None
    assert rows_like("x", images, "y", others).tolist() == [1, 2, 0]
    with pytest.raises(
        InputError, match=r"x and y have different photos, 1 are in one alone, .* c"
    ):
        rows_like("x", images, "y", images[:2])
    with pytest.raises(InputError, match="x: a appears twice"):
        rows_like("x", pd.Series(["a", "a"]), "x", pd.Series(["a", "a"]))


def test_a_predictions_table_is_what_is_known_of_the_photos_and_the_probabilities() -> None:
    photos = pd.DataFrame({"image": ["a", "b"], "label": [1, 2]})
    years = np.eye(121)[[20, 61]]
    table = predictions_table(photos, np.eye(3)[[0, 2]], years, attribute="age")
    assert [*table] == ["image", "label", "age_0", "age_1", "age_2", "year_20", "year_61"]
    assert table["age_2"].dtype == np.float32
    assert probabilities(table).tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("of", [None, "mask", "gender", "age", "years"])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_are_no_probabilities_is_neither_read_nor_written(tmp_path, fault, of, suffix) -> None:
    attribute = None if of == "years" else of
    columns, names = prediction_columns(attribute)
    noise = np.random.default_rng(0)
    values, years = noise.dirichlet(np.ones(len(names)), size=4), None
    if of == "years":
        years = spoilt(noise.dirichlet(np.ones(121), size=4), 2, fault)
    else:
        values = spoilt(values, 2, fault)
    photos = pd.DataFrame({"image": [f"{name}.jpg" for name in "abcd"]})
    table = predictions_table(photos, values, years, attribute=attribute)
    path = tmp_path / f"p{suffix}"
    with pytest.raises(InputError, match=refusal(path, 2, "c.jpg")):
        write_table(path, table, columns)
    assert not list(tmp_path.iterdir())
    table.to_parquet(path) if suffix == ".parquet" else table.to_csv(path, index=False)
    with pytest.raises(InputError, match=refusal(path, 2, "c.jpg")):
        read_predictions(path)


@pytest.mark.parametrize("attribute", [None, "mask", "gender", "age"])
@pytest.mark.parametrize(
    "rounded",
    [
        lambda values: values.astype(np.float16),
        lambda values: values.round(3),
        lambda values: np.mean([values.astype(np.float32)] * 7, axis=0),
        lambda values: np.eye(values.shape[1])[values.argmax(axis=1)],
    ],
)
def test_rounded_probabilities_are_probabilities(attribute, rounded) -> None:
    columns, names = prediction_columns(attribute)
    noise = np.random.default_rng(0)
    values = np.concatenate([noise.dirichlet(np.full(len(names), a), 3000) for a in (0.1, 1, 30)])
    years = np.concatenate([noise.dirichlet(np.full(121, a), 3000) for a in (0.1, 1, 30)])
    photos = pd.DataFrame({"image": [str(row) for row in range(len(values))]})
    table = predictions_table(photos, rounded(values), years, attribute=attribute)
    assert len(checked(table, columns, "table")) == len(values)


DEFINITIONS = {
    name: value
    for name, value in {**vars(tables), **ATTRIBUTE_PREDICTIONS}.items()
    if isinstance(value, Mapping) and all(isinstance(one, Column) for one in value.values())
}


def valid(columns: Mapping[str, Column]) -> pd.DataFrame:
    """Return a table of two rows that its definition allows."""
    row: dict[str, object] = {}
    whole = set()
    for name, column in columns.items():
        low, high = column.limits
        row[name] = "x" if column.dtype == "str" else min(max(low, 1), high)
        if column.allowed is not None:
            row[name] = column.allowed[0]
        if column.share_of is not None:
            row[name] = int(column.share_of not in whole)
            whole.add(column.share_of)
    return pd.DataFrame([row, row])


@pytest.mark.parametrize(
    ("definition", "name"),
    [
        (definition, name)
        for definition, columns in DEFINITIONS.items()
        for name, column in columns.items()
        if column.dtype != "str" and name not in tables.YEARS[1:]  # of years, one stands for all
    ],
)
def test_numbers_outside_of_their_limits_are_refused_in_each_table(definition, name) -> None:
    columns = DEFINITIONS[definition]
    column, table = columns[name], valid(columns)
    assert len(checked(table, columns, "t")) == 2
    low, high = column.limits
    beyond = [low - 1, high + 1] if high < 1e9 else [low - 1] if low > -1e9 else []
    beyond += [np.nan] if column.complete else []
    beyond += [np.inf, -np.inf] if column.dtype.startswith("float") else []
    for value in beyond:
        bad = table.astype({name: object})
        bad.loc[1, name] = value
        with pytest.raises(InputError, match=rf"^t, row 2.*: {name} must be .*; got"):
            checked(bad, columns, "t")
    if not column.complete:
        table = table.astype({name: object})
        table.loc[1, name] = None
        assert checked(table, columns, "t")[name].isna().tolist() == [False, True]


def test_a_row_without_its_photo_is_refused(predictions) -> None:
    predictions.loc[2, "image"] = None
    with pytest.raises(InputError, match="t, row 3: image must not be empty"):
        checked(predictions, PREDICTIONS, "t")


def test_no_other_file_reads_tables_past_the_check() -> None:
    root = Path(tables.__file__).parents[1]
    files = [path for room in ("mmmask", "tools") for path in (root / room).rglob("*.py")]
    reads = re.compile(r"\b(read_parquet|import pyarrow\.parquet|pd\.read_csv)\b")
    found = {path.relative_to(root).as_posix() for path in files if reads.search(path.read_text())}
    assert found == {"mmmask/tables.py", "mmmask/workflows/benchmark/growth.py"}  # the latter's own


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        (b"[1]", "must be a JSON object; got list"),
        (b"{nope", "not readable JSON: Expecting property name enclosed in double quotes"),
        (b"[" * 100_000, "not readable JSON: nested too deep"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "not readable JSON: nested more than 100 deep"),
        (b'{"old_from": "60"}', "old_from must be a whole number of 64 bits; got '60'"),
        (b'{"members": [1]}', "members must be a list, each item a mapping; got list"),
        (b'{"members": [{"split": {"a": 1}}]}', "split must be"),
    ],
)
def test_a_provenance_that_is_not_ours_is_refused(tmp_path, predictions, stated, sentence) -> None:
    path = tmp_path / "p.parquet"
    table = pa.Table.from_pandas(predictions).replace_schema_metadata({b"mmmask": stated})
    pq.write_table(table, path)
    for read in (read_predictions, tables.read_provenance):
        with pytest.raises(InputError, match=r"p\.parquet: its provenance") as refused:
            read(path)
        assert sentence in str(refused.value)
        assert str(refused.value).endswith("make it anew, or save it as csv, which has none")


def test_damaged_metadata_of_pandas_says_nothing(tmp_path, predictions) -> None:
    path = tmp_path / "p.parquet"
    table = pa.Table.from_pandas(predictions).replace_schema_metadata({b"pandas": b"{]\xff"})
    pq.write_table(table, path)
    assert len(read_predictions(path)) == 4


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_predictions_of_no_photo_are_refused(tmp_path, predictions, suffix) -> None:
    path = tmp_path / f"p{suffix}"
    write_table(path, predictions[:0], PREDICTIONS)
    with pytest.raises(InputError, match=f"p{suffix}: has no rows"):
        read_predictions(path)


def test_rows_that_a_damaged_file_has_lost_are_missed(tmp_path, predictions, monkeypatch) -> None:
    path = tmp_path / "p.parquet"
    write_table(path, predictions, PREDICTIONS)
    whole = pq.read_table(path)
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_, **__: whole[:1])
    with pytest.raises(InputError, match=r"p\.parquet: is damaged: of 4 rows, 1 are there"):
        read_predictions(path)


def test_a_flipped_bit_of_a_parquet_file_is_noticed(tmp_path, predictions) -> None:
    path = tmp_path / "p.parquet"
    write_table(path, predictions, PREDICTIONS)
    content = bytearray(path.read_bytes())
    value = np.float32(predictions["p05"][2]).tobytes()
    content[content.index(value)] ^= 1  # of the least significant bits: still a probability
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"not a readable parquet file: .*CRC"):
        read_predictions(path)


def test_a_column_that_stands_twice_is_refused(tmp_path) -> None:
    path = tmp_path / "p.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 2, names=["image", "image"]), path)
    for read in (tables.column_names, lambda path: read_table(path, SAMPLES)):
        with pytest.raises(InputError, match=r"p\.parquet: column image appears twice"):
            read(path)


def test_an_index_of_pandas_is_a_column_like_others(tmp_path) -> None:
    path = tmp_path / "s.parquet"
    pd.DataFrame({"image": ["a", "b"], "age": [1, None]}).set_index("image").to_parquet(path)
    assert read_table(path, SAMPLES)["image"].tolist() == ["a", "b"]


@pytest.mark.parametrize("word", ["NA", "nan", "None"])
def test_people_whose_name_is_not_known_are_not_one_person(tmp_path, word) -> None:
    path = tmp_path / "s.csv"
    path.write_text(f"image,person,age,gender\na.jpg,,{word},{word}\nb.jpg,{word},3,male\n")
    with pytest.raises(InputError, match=f"line 3 .*person must be empty .* got '?{word}"):
        read_table(path, SAMPLES)


@pytest.mark.parametrize("name", ["pipe.csv", "pipe.parquet"])
def test_a_pipe_is_no_table_and_nobody_waits_for_it(tmp_path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=rf"{name}: must be a regular file; got a pipe or device"):
        read_table(tmp_path / name, SAMPLES)
