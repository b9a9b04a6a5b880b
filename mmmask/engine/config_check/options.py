"""The options of a constructor or function: their names, kinds and which must be given."""

import ast
import inspect
import textwrap
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Options:
    """What a constructor takes by name."""

    kinds: Mapping[str, Any]  # name -> annotation, :data:`typing.Any` where it has none
    required: frozenset[str] = frozenset()
    any_name: bool = False  # it passes further ones on to where they cannot be read
    #: Whether the annotations are to be trusted; those of other packages are often loose.
    own: bool = field(default=False)

    def without(self, *names: str) -> "Options":
        """Return the options but those that a config does not give."""
        kinds = {name: kind for name, kind in self.kinds.items() if name not in names}
        return replace(self, kinds=kinds, required=self.required - {*names})

    def plus(self, **kinds: Any) -> "Options":
        """Return the options and further ones."""
        return replace(self, kinds={**self.kinds, **kinds})


@dataclass(frozen=True)
class _Filled:
    """What a constructor gives to that of its parent: by name, and how many by position."""

    names: frozenset[str] = frozenset()
    positional: int = 0


@cache
def options_of(built: Callable) -> Options:
    """Return the options of a class or function.

    What a constructor takes as ``**kwargs`` and passes to ``super().__init__`` are the options of
    the next class that it inherits from.
    """
    own = str(getattr(built, "__module__", "")).startswith("mmmask.")
    constructors: list[Any] = [built]
    if inspect.isclass(built):
        constructors = [vars(one)["__init__"] for one in built.__mro__ if "__init__" in vars(one)]
    kinds: dict[str, Any] = {}
    required: set[str] = set()
    filled = _Filled()  # by the class before
    for constructor in constructors:
        try:
            signature = inspect.signature(constructor)
        except (TypeError, ValueError):  # written in C
            return Options(kinds, frozenset(required), any_name=True, own=own)
        hints = _hints(constructor)
        parameters = {name: one for name, one in signature.parameters.items() if name != "self"}
        first = [*parameters][: filled.positional]
        for name, parameter in parameters.items():
            if name in kinds or parameter.kind in _VARIABLE:
                continue
            if name in first or name in filled.names:
                continue
            kinds[name] = _kind(hints.get(name, Any), parameter.default, own=own)
            if parameter.default is inspect.Parameter.empty:
                required.add(name)
        rest = [name for name, one in parameters.items() if one.kind is _VARIABLE[1]]
        if not rest:
            break
        if typing.get_origin(hints.get(rest[0])) is typing.Unpack:
            (options,) = typing.get_args(hints[rest[0]])
            kinds = {**typing.get_type_hints(options), **kinds}
            break
        kinds = {**dict.fromkeys(keys_read(constructor, rest[0]), Any), **kinds}
        passed_on = _passed_on(constructor, rest[0])
        if passed_on is None:
            return Options(kinds, frozenset(required), any_name=True, own=own)
        filled = passed_on
    return Options(kinds, frozenset(required), own=own)


def _kind(hint: Any, default: Any, *, own: bool) -> Any:
    """Return the kind of a parameter; a default tells what an annotation of others forgets."""
    if hint is Any and isinstance(default, bool | int | float):
        hint = type(default)
    none = default is None or (not own and default is not inspect.Parameter.empty)
    return hint | None if none else hint


def keys_read(function: Callable, variable: str) -> set[str]:
    """Return the keys that a function or class reads of a dict, by ``[...]``, get, pop or in.

    ``variable`` is the name of the dict, or of the attribute that holds it. This is how the names
    that a dict without a type may have are found where no signature tells them.
    """
    keys: set[str] = set()
    for node in ast.walk(_syntax(function)):
        found: Any = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            if node.func.attr in ("get", "pop", "setdefault") and _is(node.func.value, variable):
                found = node.args[0]
        elif isinstance(node, ast.Subscript) and _is(node.value, variable):
            found = node.slice
        elif isinstance(node, ast.Compare) and _is(node.comparators[0], variable):
            found = node.left
        if isinstance(found, ast.Constant) and isinstance(found.value, str):
            keys.add(found.value)
    return keys


def _is(node: ast.AST, variable: str) -> bool:
    return variable in (getattr(node, "id", None), getattr(node, "attr", None))


def _passed_on(constructor: Callable, rest: str) -> _Filled | None:
    """Return what a constructor gives to its parent's beside ``**rest``; None: rest stays."""
    for node in ast.walk(_syntax(constructor)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr == "__init__" and any(
            one.arg is None and _is(one.value, rest) for one in node.keywords
        ):
            names = frozenset(one.arg for one in node.keywords if one.arg is not None)
            positional = [one for one in node.args if not isinstance(one, ast.Starred)]
            return _Filled(names, len(positional))
    return None


@cache
def _syntax(function: Callable) -> ast.AST:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # made at run time
        return ast.Module([], [])


def _hints(constructor: Callable) -> dict[str, Any]:
    try:
        return typing.get_type_hints(constructor)
    except (NameError, TypeError, AttributeError):  # of names that are not imported at run time
        return {}
