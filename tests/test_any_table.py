"""Any content of any table is read as it was written, or refused in one sentence.

``--hypothesis-profile torture`` draws many more cases.
"""

import csv
import datetime
import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmmask import table_checks, tables
from mmmask.csv_files import read_csv
from mmmask.errors import InputError
from mmmask.reading import one_form
from mmmask.table_checks import Column
from mmmask.tables import read_provenance, read_table, write_table

DEFINITIONS: dict[str, Mapping[str, Column]] = {
    name: value
    for name, value in {**vars(tables), **tables.ATTRIBUTE_PREDICTIONS}.items()
    if isinstance(value, Mapping) and all(isinstance(one, Column) for one in value.values())
}
SUFFIXES = st.sampled_from([".csv", ".parquet"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
#: Texts that readers of csv files take for something else.
TRICKY = st.sampled_from(
    [
        *("NA", "null", "nan", " a", "a ", '"', 'a"b', ",", "a,b", "\n", "\r", "a\r\nb", "007"),
        *("1e5", "1_0", "-0", "true", "=1+1", "\ufeff", "'", "#", "\\", "\t", ";", "\x1a"),
        *("\u2028", "\x85"),
    ]
)
ODD = st.one_of(
    *(TEXTS, TRICKY, st.none(), st.integers(), st.floats(), st.booleans(), st.binary(max_size=4)),
    st.sampled_from([300, -1, 18, 10**30, "9" * 5000, float("nan"), float("inf")]),
)
#: Values of columns of parquet files that are neither texts nor plain numbers.
FOREIGN = [
    pa.array([[1, 2], [3]]),
    pa.array([{"a": 1}, {"a": 2}]),
    pa.array([b"a", b"\xff"]),
    pa.array([datetime.datetime(2020, 1, 1), datetime.datetime(2021, 1, 1)]),
    pa.array([datetime.date(2020, 1, 1), None]),
    pa.array([datetime.time(1), None]),
    pa.array([datetime.timedelta(1), None]),
    pa.array([2**62, 2**63 - 1]),
    pa.array([2**64 - 1, 0], pa.uint64()),
    pa.array([Decimal("1e30"), Decimal("0.5")]),
    pa.array([1.5, float("nan")]),
    pa.array([True, False]),
    pa.array([None, None]),
    pa.array(["x", "y"]).dictionary_encode(),
    pa.array([1, 2]).dictionary_encode(),
    pa.array(["1", " 2 "]),
    pa.array(["1", "2"], pa.large_string()),
    pa.array(np.array([np.inf, 0], dtype=np.float16)),
]


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:  # tmp_path would be one for all examples
        yield Path(name)


def values_of(column: Column) -> st.SearchStrategy[Any]:
    """Return what a column holds where its definition is kept."""
    if column.allowed is not None:
        values = st.sampled_from(column.allowed)
    elif column.dtype == "str":
        values = TEXTS | TRICKY
    elif column.dtype.startswith("Int"):
        low, high, _ = table_checks._limits(column)
        values = st.integers(int(low), int(high))
    else:
        width = int(column.dtype.removeprefix("float"))
        low, high, _ = table_checks._limits(column)
        values = st.floats(low, high, width=width, allow_subnormal=False)
    return values if column.complete else values | st.none()


@st.composite
def contents(draw: st.DrawFn, columns: Mapping[str, Column]) -> pd.DataFrame:
    """Draw a table within its definition, but that shares need not sum to 1, and texts be ours."""
    rows = draw(st.integers(0, 3))
    once = [name for name in columns if name not in tables.YEARS]
    years = draw(st.lists(st.sampled_from(tables.YEARS), max_size=3, unique=True))
    given = {}
    for name in [*once, *(name for name in years if name in columns)]:
        if columns[name].required or draw(st.booleans()):
            listed = st.lists(values_of(columns[name]), min_size=rows, max_size=rows)
            given[name] = pd.Series(draw(listed), dtype=object)
    if draw(st.booleans()):
        given["of others"] = pd.Series(
            draw(st.lists(TEXTS | TRICKY, min_size=rows, max_size=rows)), dtype=object
        )
    table = pd.DataFrame(given)
    for name in table.columns.intersection(tables._NAMES):
        table[name] = table[name].map(one_form, na_action="ignore")  # as they are compared
    wholes = {columns[name].share_of for name in given if name in columns} - {None}
    for whole in wholes if rows else ():
        names = [name for name in given if name in columns and columns[name].share_of == whole]
        shares = table[names].astype(float) + 1e-3
        table[names] = shares.div(shares.sum(axis=1), axis=0)
    return table


def plain(table: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the values of a table, with an empty text for a missing one: csv files have one."""
    objects = table.astype(object)
    return objects.where(objects.notna(), "").to_dict("list")


@pytest.mark.parametrize("name", DEFINITIONS)
@given(st.data(), SUFFIXES)
def test_a_table_is_read_as_it_was_written_or_refused(name, data, suffix) -> None:
    columns = DEFINITIONS[name]
    table = data.draw(contents(columns))
    with folder() as at:
        path = at / f"t{suffix}"
        try:
            write_table(path, table, columns)
            read = read_table(path, columns)
        except InputError as error:
            assert str(error).startswith(str(path))
            return
    given = table_checks.checked(table, columns, "given")
    assert plain(read) == plain(given)
    for column in table:
        if column in columns and columns[column].dtype != "str":
            assert read[column].dtype == given[column].dtype == columns[column].dtype


@pytest.mark.parametrize("name", DEFINITIONS)
@given(st.data())
def test_a_csv_of_any_cells_keeps_the_definition_or_is_refused(name, data) -> None:
    columns = DEFINITIONS[name]
    names = [one for one in columns if one not in tables.YEARS]
    cells = st.one_of(*(values_of(columns[one]) for one in names), ODD).map(str)
    rows = data.draw(st.lists(st.lists(cells, min_size=len(names), max_size=len(names))))
    text = io.StringIO()
    csv.writer(text).writerows([names, *rows])
    with folder() as at:
        (at / "t.csv").write_text(text.getvalue(), errors="replace", newline="")
        _keeps_its_definition(at / "t.csv", columns)


@pytest.mark.parametrize("foreign", range(len(FOREIGN)))
@pytest.mark.parametrize("name", DEFINITIONS)
def test_columns_of_other_types_are_read_alike_or_refused(name, foreign) -> None:
    columns, values = DEFINITIONS[name], FOREIGN[foreign]
    given = {
        one: pa.array(["x", "x"] if column.dtype == "str" else [0, 0])
        for one, column in columns.items()
        if one not in tables.YEARS
    }
    with folder() as at:
        for one in given:
            path = at / "t.parquet"
            pq.write_table(pa.table({**given, one: values, "of others": values}), path)
            _keeps_its_definition(path, {one: columns[one]}, values.to_pylist())


def _keeps_its_definition(
    path: Path, columns: Mapping[str, Column], given: list[Any] | None = None
) -> None:
    """Read a table: it is refused in one sentence, or is of its definition, and as ``given``."""
    try:
        table = read_table(path, columns)
    except InputError as error:
        assert str(error).startswith(str(path))
        assert len(str(error)) < 2000 + len(str(path))
        return
    again = table_checks.checked(table, columns, "read")
    assert plain(again) == plain(table)
    if given is not None:
        (name,) = columns
        for ours, theirs in zip(table[name], given, strict=True):
            if pd.isna(ours):
                assert theirs is None or theirs != theirs
            elif columns[name].dtype == "str":
                assert ours == str(theirs)
            else:
                assert float(ours) == pytest.approx(float(theirs))


@given(st.data(), SUFFIXES, st.integers(1, 3))
def test_damaged_bytes_are_refused_or_change_nothing(data, suffix, accidents) -> None:
    columns = tables.SAMPLES
    table = pd.DataFrame(
        {
            "image": [f"train/images/{row:06d}_male/mask{row % 5}.jpg" for row in range(40)],
            "person": [f"{row // 7:06d}_male" for row in range(40)],
            "gender": "male",
            "age": [row % 90 for row in range(40)],
            "weight": np.linspace(0, 1, 40),
        }
    )
    with folder() as at:
        path = at / f"t{suffix}"
        write_table(path, table, columns, {"old_from": 60, "members": [{"path": "a.parquet"}]})
        whole, content = read_table(path, columns), bytearray(path.read_bytes())
        for _ in range(accidents):
            place = data.draw(st.integers(0, len(content) - 1))
            length = data.draw(st.sampled_from([1, 1, 1, 4, 300]))
            content[place : place + length] = data.draw(st.binary(max_size=4))
        path.write_bytes(content)
        try:
            read = read_table(path, columns)
        except InputError as error:
            assert str(error).startswith(str(path))
            return
    if suffix == ".parquet":  # whose pages have check sums; a csv has none
        assert plain(read) == plain(whole)
    assert plain(table_checks.checked(read, columns, "read")) == plain(read)


@given(st.binary(max_size=60) | TEXTS.map(str.encode))
def test_any_bytes_are_a_csv_or_refused(content) -> None:
    with folder() as at:
        path = at / "t.csv"
        path.write_bytes(content)
        try:
            table = read_csv(path)
        except InputError as error:
            assert str(error).startswith(str(path))
            return
    assert len(table.columns)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(JSON.map(json.dumps).map(str.encode) | st.binary(max_size=20), st.binary(max_size=20))
def test_metadata_of_others_are_provenance_or_refused(stated, of_pandas) -> None:
    with folder() as at:
        path = at / "t.parquet"
        table = pa.table({"image": ["a"]}).replace_schema_metadata(
            {b"mmmask": stated, b"pandas": of_pandas}
        )
        pq.write_table(table, path)
        try:
            assert read_table(path, tables.SAMPLES).attrs["provenance"] == read_provenance(path)
        except InputError as error:
            assert str(error).startswith(str(path))
