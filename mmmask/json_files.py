"""Read JSON without trusting it."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from mmmask.errors import InputError, first_line
from mmmask.reading import read_bytes

#: The deepest that JSON of ours may be nested; Python's own limit differs between its versions.
_DEEPEST = 100
#: Digits of a whole number of 64 bits, its sign included.
_MOST_DIGITS = 20
#: Type -> what a message calls its values.
_KINDS = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    int: "a whole number of 64 bits",
    float: "a finite number",
    bool: "true or false",
}


def read_json(path: str | Path, *, infinite: bool = False) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Args:
        path: The file.
        infinite: Accept NaN and Infinity, which are no JSON, but which Python writes.

    Raises:
        InputError: It cannot be read, see :func:`mmmask.reading.read_bytes`, or is no JSON of ours,
            see :func:`json_object`.
    """
    return json_object(read_bytes(path), str(path), infinite=infinite)


def json_object(text: str | bytes, where: str, *, infinite: bool = False) -> dict[str, Any]:
    """Return the object that a text of JSON holds; ``Args`` and ``Raises`` of :func:`json_value`.

    Raises:
        InputError: It is something else than an object.
    """
    value = json_value(text, where, infinite=infinite)
    if not isinstance(value, dict):
        raise InputError(f"{where}: must be a JSON object; got {shown(value)}")
    return value


def json_value(text: str | bytes, where: str, *, infinite: bool = False) -> Any:
    """Return what a text of JSON holds.

    Args:
        text: Of UTF-8.
        where: What messages call it.
        infinite: As of :func:`read_json`.

    Raises:
        InputError: It is not UTF-8, no JSON, nested too deep, or holds a number that is not finite
            or of too many digits.
    """

    def number(digits: str) -> float:
        value = float(digits)
        if not infinite and not math.isfinite(value):
            raise ValueError(f"{digits:.20} is not a finite number")
        return value

    try:
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        value = json.loads(text, parse_int=_whole, parse_float=number, parse_constant=number)
        _check_depth(value)
        if "\\ud" in text.lower():  # half a character, which no file or terminal takes
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise InputError(f"{where}: not readable JSON: nested too deep") from error
    except ValueError as error:
        raise InputError(f"{where}: not readable JSON: {first_line(error)}") from error
    return value


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [one for one in level if isinstance(one, (dict, list))]
        if not level:
            return
        level = [item for one in level for item in (one.values() if isinstance(one, dict) else one)]
    raise ValueError(f"nested more than {_DEEPEST} deep")


def check_kinds(content: dict[str, Any], kinds: Mapping[str, Any], where: str) -> None:
    """Refuse a field of another type than it should have; a missing one passes, None is removed.

    Args:
        content: What was read.
        kinds: Field -> type: one of :data:`_KINDS`, or a list of one of them such as
            ``list[int]``. ``a.b`` is ``b`` in the mapping ``a``, which stands before it. A whole
            number passes as a float.
        where: What messages call it.

    Raises:
        InputError: Names the field, what is allowed and what was found.
    """
    for name, kind in kinds.items():
        *places, last = name.split(".")
        holder: Any = content
        for place in places:
            holder = holder.get(place, {})
        value = holder.get(last)
        if value is None:
            holder.pop(last, None)
        elif not _is_of(value, kind):
            raise InputError(f"{where}: {name} must be {_words(kind)}; got {shown(value)}")


def _words(kind: Any) -> str:
    return _KINDS[kind] if kind in _KINDS else f"a list, each item {_KINDS[get_args(kind)[0]]}"


def _is_of(value: Any, kind: Any) -> bool:
    if get_origin(kind) is list:
        return isinstance(value, list) and all(_is_of(one, get_args(kind)[0]) for one in value)
    if kind in (int, float):
        number = isinstance(value, int if kind is int else (int, float))
        return number and not isinstance(value, bool) and abs(value) < 2**63
    return isinstance(value, kind)


def shown(value: Any) -> str:
    """Return a value in a few words, whatever it is."""
    if isinstance(value, str):
        return f"{value[:40]!r}"
    if value is None or isinstance(value, bool | float) or _is_of(value, int):
        return repr(value)
    if isinstance(value, int):  # Python has no digits for the largest
        return f"one of {value.bit_length()} bits"
    return type(value).__name__
