import pandas as pd
import pytest

from mmmask.csv_files import read_csv, row_place
from mmmask.errors import InputError
from mmmask.files import write_csv


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"image;mask\na.jpg;wear\n",
            "separated by semicolons; save it as csv of UTF-8 with commas",
        ),
        (b"image\tmask\na.jpg\twear\n", "separated by tabs; save it as csv of UTF-8 with commas"),
        ("image,person\na.jpg,\uae40\n".encode("cp949"), "is not UTF-8 text; save it as csv of"),
        ("image,person\na.jpg,x\n".encode("utf-16"), "is not UTF-8 text; save it as csv of"),
        (b"image,mask,mask\na.jpg,wear,normal\n", "column mask appears twice; keep one of them"),
    ],
)
def test_a_csv_of_a_spreadsheet_is_told_how_to_be_saved(tmp_path, content, message) -> None:
    path = tmp_path / "photos.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_csv(path)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a,b\n1,2\n3,4\n", 3),
        ("\n\na,b\n\n1,2\n  \n3,4\n", 7),
        ('a,b\r\n"1\r\n1",2\r\n3,4\r\n', 4),
        ("a,b\r1,2\r\r3,4", 4),
        ('\ufeff"a\n\n",b\n1,2\n3,4\n', 5),
    ],
)
def test_lines_are_counted_as_editors_do(tmp_path, content, line) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode())
    assert read_csv(path).to_numpy()[1].tolist() == ["3", "4"]
    assert row_place(path, 1) == f"{path}, line {line}"


def test_rows_of_other_tables_are_counted_from_1(tmp_path) -> None:
    assert row_place(tmp_path / "t.parquet", 0) == f"{tmp_path}/t.parquet, row 1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n\n1\n", "t.csv, line 3: has 1 fields, but the header 2; put double quotes around"),
        ("a,b\n1,2,3\n", "t.csv, line 2: has 3 fields, but the header 2"),
        ("a,b\n1,2,\n", "t.csv, line 2: has 3 fields, but the header 2"),  # pandas takes 1 as index
        ('a,b\n\n"1,2\n3,4\n', "t.csv, line 3: not readable as csv: unexpected end of data"),
        ('a,b\n"1"1,2\n', "t.csv, line 2: not readable as csv: ',' expected after"),
        ("a,b\n1,\0\n", "t.csv: is not UTF-8 text; save it as csv of UTF-8 with commas"),
        ("", "t.csv: is empty; a csv begins with the names of its columns"),
        ("\n \n", "t.csv: is empty; a csv begins with the names of its columns"),
        (f"a\n{'1' * 200_000}\n", "t.csv, line 2: not readable as csv: field larger than field"),
    ],
)
def test_a_csv_that_is_none_is_refused_by_line(tmp_path, content, message) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(InputError) as refused:
        read_csv(tmp_path / "t.csv")
    assert f"{tmp_path}/{message}" in str(refused.value)


def test_a_field_is_missing_where_it_is_empty_and_only_there(tmp_path) -> None:
    (tmp_path / "t.csv").write_text('a, b,\n NA, null,0\n,"",1\n')
    table = read_csv(tmp_path / "t.csv")
    assert list(table) == ["a", "b", "Unnamed: 2"]
    assert table.fillna("-").to_numpy().tolist() == [["NA", "null", "0"], ["-", "-", "1"]]


def test_a_header_alone_is_a_table_without_rows(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("a,b")
    table = read_csv(tmp_path / "t.csv")
    assert list(table) == ["a", "b"]
    assert len(table) == 0


@pytest.mark.parametrize("text", [chr(code) for code in range(1, 0x3001) if chr(code).isspace()])
def test_a_value_of_white_space_is_no_blank_line(tmp_path, text) -> None:
    given = pd.DataFrame({"image": [text, f"{text}{text}", "a.jpg"]})
    write_csv(tmp_path / "t.csv", given)
    assert read_csv(tmp_path / "t.csv")["image"].tolist() == given["image"].tolist()
