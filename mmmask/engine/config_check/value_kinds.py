"""Whether a value of a config is of the kind that an annotation or a range asks for."""

import math
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import isclass
from itertools import pairwise
from numbers import Number
from typing import Any, Literal, Union

_UNIONS = (Union, types.UnionType)
_NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "text",
    type(None): "None",
}


def fits(value: Any, kind: Any, *, strict: bool = True) -> bool:
    """Return whether a value is of an annotated kind.

    A whole number is a number, and True is none. A list stands for a tuple, and a dict for an
    object that is built from it. Kinds that are not told apart here hold anything.

    Args:
        value: As a config has it.
        kind: Annotation of a parameter.
        strict: Whether the annotation is meant literally. Many of OpenMMLab's are not: there,
            only text is refused in place of a number, and what is neither True nor False.
    """
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in _UNIONS:
        return any(fits(value, one, strict=strict) for one in args)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in args)
    if kind is None or kind is type(None):
        return value is None
    if not strict:
        if kind is bool:
            return value is None or value in (True, False)
        if kind is dict:
            return isinstance(value, Mapping | list | tuple)
        return kind not in (int, float) or not isinstance(value, str)
    if kind is Any or kind is object:
        return True
    if kind is bool or kind is str:
        return isinstance(value, kind)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in (float, Number):
        return is_number(value)
    if isclass(origin or kind):
        return _fits_class(value, origin or kind, args)
    return True


def _fits_class(value: Any, kind: type, args: tuple) -> bool:
    """Return whether a value is of a class that may have arguments: list[int], Module."""
    if typing.is_typeddict(kind) or issubclass(kind, Mapping):
        kinds = args[-1:] if isinstance(value, Mapping) else ()
        return isinstance(value, Mapping) and all(
            fits(item, one) for one in kinds for item in value.values()
        )
    if issubclass(kind, tuple) and args and args[-1] is not ...:
        return (
            isinstance(value, list | tuple)
            and len(value) == len(args)
            and all(map(fits, value, args))
        )
    if issubclass(kind, Sequence) and kind is not str:
        return isinstance(value, list | tuple) and all(
            fits(item, one) for one in args[:1] for item in value
        )
    return isinstance(value, (kind, Mapping)) or callable(value)


def misfit(where: str, value: Any, kind: Any) -> tuple[str, Any, Any]:
    """Return the place, the kind that it asks for and the value of what does not fit.

    Of a dict it is the first item at fault, at any depth.
    """
    for one in typing.get_args(kind) if typing.get_origin(kind) in _UNIONS else (kind,):
        args = typing.get_args(one)
        if isinstance(value, Mapping) and len(args) == 2 and isclass(typing.get_origin(one)):
            for key, item in value.items():
                if not fits(item, args[1]):
                    return misfit(f"{where}.{key}", item, args[1])
    return where, kind, value


def words(kind: Any) -> str:
    """Return an annotated kind in words, for a message."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in _UNIONS:
        return " or ".join(dict.fromkeys(map(words, args)))
    if origin is Literal:
        return "one of " + ", ".join(map(repr, args))
    if kind in _NAMES:
        return _NAMES[kind]
    if origin is tuple and args and args[-1] is not ...:
        return f"({', '.join(map(words, args))})"
    base = origin or kind
    if isclass(base) and issubclass(base, Sequence):
        return "a list"
    if (isclass(base) and issubclass(base, Mapping)) or typing.is_typeddict(base):
        return "a dict"
    return f"a dict that describes a {getattr(base, '__name__', base)}"


def one_of(names: Iterable[str]) -> Any:
    """Return the annotation of a value that is one of some names."""
    return Literal[tuple(names)]


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Numbers:
    """Which numbers are possible."""

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    above: bool = False  # the low end itself is not possible
    below: bool = False  # the high end itself is not possible
    count: int | None = None  # how many of them, in a list
    many: bool = False  # one, or a list of any number of them
    rising: bool = False
    also: tuple = ()  # further values that are possible

    def hold(self, value: Any) -> bool:
        """Return whether a value is such a number, or such a list of them."""
        if value is None or isinstance(value, str):
            return value in self.also
        if self.many and isinstance(value, list | tuple):
            return all(map(self._holds, value))
        values = [value] if self.count is None else value
        if not isinstance(values, list | tuple) or not all(map(self._holds, values)):
            return False
        return (self.count is None or len(values) == self.count) and (
            not self.rising or all(a <= b for a, b in pairwise(values))
        )

    def _holds(self, value: Any) -> bool:
        return (
            is_number(value)
            and (isinstance(value, int) or not self.whole)
            and (self.low < value if self.above else self.low <= value)
            and (value < self.high if self.below else value <= self.high)
        )

    def __str__(self) -> str:
        many = self.count is not None
        text = f"{self.count} " * many + ("rising " if self.rising else "")
        text += "whole number" if self.whole else "number"
        text = f"{text}s" if many else f"a {text}"
        if self.low > -math.inf:
            text += f" above {self.low:g}" if self.above else f" from {self.low:.0f}"
        if self.high < math.inf:
            text += f" {'below' if self.below else 'to'} {self.high:.0f}"
        return text + "".join(f" or {value!r}" for value in self.also)
