"""The space of a sweep: which values of a config it tries, read from a file and checked."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmmask.blocks import plain
from mmmask.config import RUNNER_KEYS, load_config
from mmmask.errors import InputError, first_line
from mmmask.ledger.config_differences import decides_weights, flat_config
from mmmask.shipped import find_space

if TYPE_CHECKING:
    from optuna.trial import Trial

#: Options of each type of parameter; all must be given but `log`.
_OPTIONS = {
    "float": ("low", "high", "log"),
    "int": ("low", "high", "log"),
    "categorical": ("choices",),
}
#: To change these would score other people or labels, choose the luckiest seed, or move the run.
_FIXED = (
    "data.data_root", "data.table", "data.eval_table", "data.folds", "data.fold",
    "data.split_seed", "data.corrections", "randomness", "work_dir", "load_from",
    "resume", "launcher",
)  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One value of a config and what it may be."""

    name: str  # dotted name in the config
    type: str  # ``float``, ``int`` or ``categorical``
    default: Any  # what the config has
    low: float = 0  # smallest number
    high: float = 0  # largest number
    log: bool = False  # whether numbers are drawn evenly on a logarithmic scale
    choices: Sequence[Any] = ()  # the values of a categorical parameter

    def holds(self, value: Any) -> bool:
        """Say whether a value is one of those allowed."""
        if self.type == "categorical":
            return any(_same(choice, value) for choice in self.choices)
        return self.is_number(value) and self.low <= value <= self.high

    def is_number(self, value: Any) -> bool:
        """Say whether a value is a number of this type."""
        return _is_number(value) and (self.type != "int" or isinstance(value, int))

    @property
    def options(self) -> dict[str, Any]:
        """What the space states of it."""
        return {"type": self.type, **{key: getattr(self, key) for key in _OPTIONS[self.type]}}

    @property
    def largest(self) -> Any:
        """The largest number allowed."""
        return max(self.choices) if self.type == "categorical" else self.high

    @property
    def other(self) -> Any:
        """An allowed value that is not the config's."""
        allowed = self.choices if self.type == "categorical" else (self.low, self.high)
        return next(value for value in allowed if not _same(value, self.default))

    def suggest(self, trial: "Trial") -> Any:
        """Return the value that a trial takes."""
        if self.type == "float":
            return trial.suggest_float(self.name, self.low, self.high, log=self.log)
        if self.type == "int":
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.log)
        stored = [as_stored(choice) for choice in self.choices]
        return self.choices[stored.index(trial.suggest_categorical(self.name, stored))]

    @property
    def start(self) -> Any:
        """The config's own value, as a study keeps it."""
        if self.type != "categorical":
            return self.default
        return as_stored(next(value for value in self.choices if _same(value, self.default)))


def as_stored(value: Any) -> Any:
    """Return a choice as Optuna can store it: lists and dicts by what they look like."""
    simple = value is None or isinstance(value, (bool, int, float, str))
    return value if simple else repr(value)


def read_space(path: str | Path, config: str | Path, options: Mapping[str, Any]) -> list[Parameter]:
    """Read the space of a config.

    A space is a Python file that states ``space = {dotted name: dict(type=..., ...), ...}``:
    ``float`` and ``int`` have ``low``, ``high`` and perhaps ``log=True``, ``categorical`` has
    ``choices``.

    Raises:
        MissingFileError: No such file.
        InputError: The file is no such space; the config has no value of that name, or one that
            is not allowed; another value would change nothing, or what trials are compared by.
    """
    given = _read(find_space(path))
    tree = plain(load_config(config, options).to_dict())
    composed = _composed(config, options)
    parameters = []
    for name, entry in given.items():
        where = f"{path}: space[{name!r}]"
        for fixed in _FIXED:
            if _is_part(name, fixed) or _is_part(fixed, name):
                raise InputError(f"{where}: {fixed} must be the same for all trials")
        for other in given:
            if other != name and _is_part(name, other):
                raise InputError(f"{where}: is part of {other}, which is in the space too")
        default = _value(tree, name, where, config)
        parameter = _parameter(where, name, entry, default)
        if not parameter.holds(default):
            allowed = {key: entry[key] for key in _OPTIONS[parameter.type] if key in entry}
            raise InputError(
                f"{where}: must allow the config's own value, {default!r}, which trials are "
                f"measured against; got {allowed}; widen it, or set that value by --cfg-options"
            )
        try:
            changed = _composed(config, {**options, name: parameter.other})
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        if changed == composed:
            raise InputError(f"{where}: would change nothing in training with {config}")
        parameters.append(parameter)
    return parameters


def read_python(path: Path, what: str, names: Sequence[str]) -> dict[str, Any]:
    """Return what a file of Python states, which must be these names and no others.

    Raises:
        InputError: It does not end in .py, cannot be run, or states something else.
    """
    from mmengine.config import Config

    if path.suffix != ".py":
        raise InputError(f"{path}: a {what} must end in .py; got {path.suffix or 'no suffix'}")
    try:
        stated = Config.fromfile(path).to_dict()
    except Exception as error:  # it is a program, which may fail in any way
        raise InputError(f"{path}: not a readable {what}: {first_line(error)}") from error
    if set(stated) != set(names):
        got = ", ".join(sorted(stated)) or "nothing"
        wanted = " and ".join(f"`{name}`" for name in names)
        raise InputError(f"{path}: must state {wanted} and nothing else; got {got}")
    return stated


def _read(path: Path) -> dict[str, Any]:
    """Return the space that a file states."""
    space = read_python(path, "space", ["space"])["space"]
    if not isinstance(space, dict) or not space or not all(isinstance(n, str) for n in space):
        raise InputError(f"{path}: space must be a dict of dotted name -> dict; got {space!r}")
    return space


def _parameter(where: str, name: str, entry: Any, default: Any) -> Parameter:
    """Return one parameter of a space, its options checked."""
    if not isinstance(entry, dict) or entry.get("type") not in _OPTIONS:
        got = entry.get("type") if isinstance(entry, dict) else entry
        raise InputError(f"{where}: type must be one of {', '.join(_OPTIONS)}; got {got!r}")
    known = _OPTIONS[entry["type"]]
    needed = [key for key in known if key != "log"]
    unknown, missing = set(entry) - {"type", *known}, [key for key in needed if key not in entry]
    if unknown or missing:
        got = f"got {sorted(unknown)[0]}" if unknown else f"{missing[0]} is missing"
        raise InputError(f"{where}: {entry['type']} has the options {', '.join(known)}; {got}")
    parameter = Parameter(name=name, default=default, **entry)
    if parameter.type == "categorical":
        _check_choices(where, parameter.choices)
    else:
        _check_bounds(where, parameter)
    return parameter


def _check_choices(where: str, choices: Any) -> None:
    if not isinstance(choices, (list, tuple)) or len(choices) < 2:
        raise InputError(f"{where}: choices must be a list of at least 2; got {choices!r}")
    for index, choice in enumerate(choices):
        if as_stored(choice) in map(as_stored, choices[:index]):
            raise InputError(f"{where}: choices must differ; got {choice!r} twice")


def _check_bounds(where: str, parameter: Parameter) -> None:
    low, high = parameter.low, parameter.high
    if not (parameter.is_number(low) and parameter.is_number(high) and low < high):
        kind = "whole numbers" if parameter.type == "int" else "numbers"
        raise InputError(f"{where}: low < high must be {kind}; got {low!r} and {high!r}")
    if not isinstance(parameter.log, bool) or (parameter.log and low <= 0):
        raise InputError(f"{where}: log must be True, with low above 0, or False; got {low!r}")


def _value(tree: Any, name: str, where: str, config: str | Path) -> Any:
    """Return the value of a dotted name in a plain config."""
    value = tree
    for part in name.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            near = difflib.get_close_matches(name, flat_config(config, {}), n=1)
            but = f", but {near[0]}" if near else ""
            raise InputError(
                f"{where}: {config} has no such value{but}; one that it leaves to its default can "
                "be stated by --cfg-options"
            )
    return value


def _composed(config: str | Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what MMEngine's Runner gets of a config."""
    from mmmask.engine.runner_config import load_checked

    cfg = plain(load_checked(config, options).to_dict())
    return {key: cfg[key] for key in RUNNER_KEYS if key in cfg and decides_weights(key)}


def _is_part(name: str, of: str) -> bool:
    return f"{name}.".startswith(f"{of}.")


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _same(one: Any, other: Any) -> bool:
    """Say whether two values are the same in a config, where lists and tuples are alike."""
    one, other = plain(one), plain(other)
    if isinstance(one, dict):
        one = {key: item for key, item in one.items() if key != "_delete_"}
    numbers = _is_number(one) and _is_number(other)
    return (numbers or type(one) is type(other)) and one == other
