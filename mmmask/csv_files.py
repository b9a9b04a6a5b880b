"""Read csv files as text, row by row, and say at which line of the file a row stands."""

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import pandas as pd

from mmmask.errors import InputError
from mmmask.reading import read_bytes

#: What a spreadsheet is asked for.
_CSV = "UTF-8 with commas"


def read_csv(
    path: str | Path, columns: Sequence[str] = (), *, rows: int | None = None
) -> pd.DataFrame:
    """Read a csv file, or its first rows, as text, so that ids keep their zeros.

    A field is missing where it is empty, and only there: a person may be called NA. Blank lines
    are no rows.

    Raises:
        InputError: It is no csv file of UTF-8 and commas, a column stands twice, a row has more or
            fewer fields than the header, or one of ``columns`` is missing.
    """
    path = Path(path)
    records = _records(path)
    line, header = next(records, (1, []))
    names = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(header)]
    _check_header(path, names)
    content = []
    for line, fields in islice(records, rows):
        if len(fields) != len(names):
            raise InputError(
                f"{path}, line {line}: has {len(fields)} fields, but the header {len(names)}; "
                "put double quotes around a field that holds a comma"
            )
        content.append([field or None for field in fields])
    check_columns(columns, names, path)
    by_column = zip(*content, strict=True) if content else ([] for _ in names)
    series = [pd.Series(list(values), dtype="str") for values in by_column]
    return pd.DataFrame(dict(zip(names, series, strict=True)), columns=names)


def row_places(path: str | Path) -> Callable[[int], str]:
    """Return how messages name a row of a file, counted from 0.

    In a csv by the line where the row begins, counted from 1 with blank lines and the header, as
    editors do; elsewhere by its number from 1.
    """
    if Path(path).suffix != ".csv" or not Path(path).is_file():
        return lambda row: f"{path}, row {row + 1}"
    lines = [line for line, _ in _records(Path(path))]
    return lambda row: f"{path}, line {lines[row + 1]}"


def row_place(path: str | Path, row: int) -> str:
    """Return how messages name one row of a file, see :func:`row_places`."""
    return row_places(path)(row)


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the header and the rows of a csv file, each with the line where it begins."""
    try:
        text = read_bytes(path, most=math.inf).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text; save it as csv of {_CSV}") from error
    if "\0" in text:
        raise InputError(f"{path}: is not UTF-8 text; save it as csv of {_CSV}")
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines, skipinitialspace=True, strict=True)
    while True:
        start = reader.line_num
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise InputError(f"{path}, line {start + 1}: not readable as csv: {error}") from error
        if fields is None:
            return
        # Of one column, a value may be another white space, such as that of Chinese.
        if len(fields) > 1 or "".join(lines[start : reader.line_num]).strip(" \t\r\n"):
            yield start + 1, fields


def _check_header(path: Path, names: Sequence[str]) -> None:
    """Refuse a header that is one name by other separators than commas, or has a name twice."""
    if not names:
        raise InputError(f"{path}: is empty; a csv begins with the names of its columns")
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and separator in names[0]:
            raise InputError(f"{path}: columns are separated by {word}; save it as csv of {_CSV}")
    check_once(names, path)


def check_once(names: Sequence[str], where: str | Path) -> None:
    """Refuse a table that has two columns of one name."""
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise InputError(f"{where}: column {twice} appears twice; keep one of them")


def check_columns(required: Sequence[str], names: Sequence[str], where: str | Path) -> None:
    """Refuse a table without one of its required columns."""
    missing = [name for name in required if name not in names]
    if missing:
        raise InputError(
            f"{where}: column {', '.join(missing)} is missing; "
            f"columns received: {', '.join(map(str, names)) or 'none'}"
        )
