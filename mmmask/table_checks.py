"""What a column of a table may hold, and the check of a table against its definition."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from mmmask.csv_files import check_columns, check_once, row_place
from mmmask.errors import InputError, nearest

#: How far probabilities of a row may be from a sum of 1: a csv may have rounded them.
ROUNDING = 0.01
#: How far a number may lie outside of its range, by floating-point arithmetic.
_SLACK = 1e-6
LARGEST = sys.float_info.max
#: What stands for a missing value where no text can be meant; the first alone where one can.
_MISSING = ("", "NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NUMBERS = (int, float, np.integer, np.floating, np.bool_, Decimal)


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    dtype: str  # pandas dtype; capitalised integer types may hold missing values
    meaning: str  # what a value says, with its unit
    allowed: tuple[str, ...] | None = None  # the permitted values, where they are few
    required: bool = True  # whether a table without the column is refused
    #: Least and largest number, both included; by default any that is finite.
    limits: tuple[float, float] = (-LARGEST, LARGEST)
    complete: bool = False  # whether a row without a value is refused
    share_of: str | None = None  # the columns that are shares of the same sum to 1 in each row


class _RowError(ValueError):
    """A row, counted from 0, that the definition of its table does not allow."""

    def __init__(self, row: int, problem: str) -> None:
        super().__init__(problem)
        self.row = row


def checked(
    table: pd.DataFrame, columns: Mapping[str, Column], where: str, *, file: bool = False
) -> pd.DataFrame:
    """Return ``table`` with the defined dtypes; refuse missing columns and values that are none.

    Columns that the definition does not know are kept, behind the defined ones. ``file`` says that
    ``where`` is the file whose rows these are, in its order: messages count the lines of a csv.

    Raises:
        InputError: Names ``where``, the column, what is allowed and what was received.
    """
    names = list(table.columns)
    check_columns([name for name, column in columns.items() if column.required], names, where)
    check_once(names, where)
    table = table.copy()
    known = [name for name in columns if name in table]
    try:
        for name in known:
            convert = _texts if columns[name].dtype == "str" else _numbers
            table[name] = convert(table[name], name, columns[name])
        for whole in filter(None, dict.fromkeys(columns[name].share_of for name in known)):
            _check_sums(table, [name for name in known if columns[name].share_of == whole])
    except _RowError as fault:
        place = row_place(where, fault.row) if file else f"{where}, row {fault.row + 1}"
        image = table["image"].iloc[fault.row] if "image" in table else None
        photo = f" ({_cut(image)})" if isinstance(image, str) else ""
        raise InputError(f"{place}{photo}: {fault}") from fault
    return table[known + [name for name in table if name not in columns]]


def _texts(values: pd.Series, name: str, column: Column) -> pd.Series:
    """Return a column of texts; refuse what are none, or none that the definition allows."""
    if not isinstance(values.dtype, pd.StringDtype):
        objects = [_text(value, name, row) for row, value in enumerate(values.astype(object))]
        values = pd.Series(objects, index=values.index, dtype="str")
    if column.allowed is not None:
        values = values.mask(values.isin(_MISSING))
        wrong = values.notna() & ~values.isin(column.allowed)
        _refuse_texts(values, wrong, f"{name} must be one of {', '.join(column.allowed)}", column)
    if name == "person":  # all whose name is not known would be one person
        wrong = values.isin(_MISSING[1:])
        _refuse_texts(values, wrong, "person must be empty where it is not known", column)
    if column.complete:
        _refuse_texts(values, values.isna() | (values == ""), f"{name} must not be empty", column)
    return values


def _refuse_texts(values: pd.Series, wrong: pd.Series, must: str, column: Column) -> None:
    """Refuse the first text that is wrong, if one is."""
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        got = values.iloc[row]
        meant = nearest(str(got), column.allowed or ())
        raise _RowError(row, f"{must}; got {_shown(got)}{meant}")


def _text(value: Any, name: str, row: int) -> str | None:
    """Return a value of a column of texts; numbers are taken where they are whole, as of ids."""
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise _RowError(row, f"{name} must be UTF-8 text; got {value!r}") from error
        return value
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return str(value)
    raise _RowError(row, f"{name} must be text; got {_shown(value)} ({type(value).__name__})")


def _numbers(values: pd.Series, name: str, column: Column) -> pd.Series:
    """Return a column of numbers; refuse what are none, or none that the definition allows."""
    plain = str(values.dtype) == column.dtype and values.dtype.kind == "f"
    if plain:
        numbers = values.to_numpy()
    elif values.dtype.kind in "biuf":
        numbers = values.to_numpy(np.float64, na_value=np.nan)
    else:
        numbers = np.array([_number(value) for value in values.astype(object)], dtype=np.float64)
    low, high, whole = _limits(column)
    # The minimum is NaN where a number is. This is all that a good table costs.
    if plain and len(numbers) and low <= float(numbers.min()) and float(numbers.max()) <= high:
        return values
    numbers = numbers.astype(np.float64)  # in which the largest float is finite
    missing = np.isnan(numbers)
    wrong = ~((numbers >= low - _SLACK) & (numbers <= high + _SLACK))
    if whole:
        wrong |= numbers != np.floor(numbers)
    wrong = np.where(missing, column.complete, wrong)
    if wrong.any():
        row = int(wrong.argmax())
        value = numbers[row]
        shortly = f"{value:.15g}" if value == np.floor(value) else f"{value:g}"
        got = values.iloc[row] if np.isinf(value) else shortly
        must = _in_words(low, high)
        if whole and low <= numbers[row] <= high:
            must = "a whole number"
        raise _RowError(row, f"{name} must be {must}; got {_shown(got)}")
    return values if plain else pd.Series(numbers, index=values.index).astype(column.dtype)


def _number(value: Any) -> float:
    """Return a value of a column of numbers: NaN where it is missing, infinite where it is none."""
    if isinstance(value, str):
        text = value.strip()
        if text in _MISSING:
            return np.nan
        return float(text) if _NUMBER.fullmatch(text) else np.inf
    if value is None or value is pd.NA:
        return np.nan
    try:
        return float(value) if isinstance(value, _NUMBERS) else np.inf
    except (ValueError, OverflowError):
        return np.inf


def _limits(column: Column) -> tuple[float, float, bool]:
    """Return the least and largest number that a column holds, and whether all are whole."""
    low, high = column.limits
    if column.dtype.startswith("Int"):
        info = np.iinfo(column.dtype.lower())
        return max(low, float(info.min)), min(high, float(info.max)), True
    largest = float(np.finfo(column.dtype).max)
    return max(low, -largest), min(high, largest), False


def _in_words(low: float, high: float) -> str:
    """Return which numbers lie within limits."""
    endless = float(np.finfo(np.float32).max)
    if high < endless:
        return f"from {low:.15g} to {high:.15g}"
    return f"{low:.15g} or more, and finite" if low > -endless else "finite"


def _shown(value: Any) -> str:
    """Return a value as messages show it: numbers plain, texts in quotes, long ones cut."""
    text = str(value)
    number = isinstance(value, str) and (_NUMBER.fullmatch(value) or value == "nan")
    return _cut(text if number or not isinstance(value, str) else repr(value))


def _cut(text: str) -> str:
    """Return a text short enough for a message; a path of our own fits."""
    return text if len(text) <= 200 else f"{text[:100]}... ({len(text):,} characters)"


def _check_sums(table: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse a row whose shares, all from 0 to 1, do not sum to 1."""
    total = np.zeros(len(table), dtype=table[names[0]].dtype)
    for name in names:
        total += table[name].to_numpy()
    wrong = np.abs(total - 1) > ROUNDING
    if wrong.any():
        row = int(wrong.argmax())
        must = f"{names[0]} to {names[-1]} must sum to 1; got {total[row]:.4g}"
        raise _RowError(row, must)
