"""The ``type`` of an option: a number within limits, or a path that is checked before any work."""

import argparse
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mmmask.files import check_folder, check_output


@dataclass(frozen=True)
class Number:
    """The ``type`` of an argument that is a number: its limits, both included."""

    least: float
    most: float
    kind: type[int] | type[float]
    zero: str | None = None  # a word for 0

    def __call__(self, text: str) -> int | float:
        """Return the number; an error names the limits and what was received."""
        if text == self.zero:
            return self.kind(0)
        with suppress(ValueError):  # of more than 4,300 digits too
            value = self.kind(text)
            if self.least <= value <= self.most:
                return value
        what = "a whole number" if self.kind is int else "a number"
        what = what if self.zero is None else f"{self.zero} or {what}"
        got = text if len(text) <= 40 else f"{text[:40]}..."
        got = got if re.match(r"[-+]?\.?\d", got) else repr(got)
        raise argparse.ArgumentTypeError(
            f"must be {what} from {self.least:.15g} to {self.most:.15g}; got {got}"
        )


def whole(least: int, most: int = 1_000_000, *, zero: str | None = None) -> Number:
    """Return the ``type`` of an argument that is a whole number; ``zero`` is a word for 0."""
    return Number(least, most, int, zero)


def number(least: float, most: float) -> Number:
    """Return the ``type`` of an argument that is any number."""
    return Number(least, most, float)


#: What each of the generators of random numbers takes, one a little above it too.
SEED = whole(0, 2**31 - 1)
SHARE = number(0, 1)
FEW = whole(1, 1000)  # runs, folds, processes
PORT = whole(0, 65535)


def output_file(path: str) -> Path:
    """Return the path of a file that a tool writes; :func:`parser_of` checks it when parsing.

    As ``type`` of an argument.
    """
    return Path(path)


def made_file(path: str) -> Path:
    """Return, likewise, that of a file which is read where it is there, and made where not."""
    return Path(path)


def output_folder(path: str) -> Path:
    """Return, likewise, that of a folder in which a tool writes."""
    return Path(path)


def output_path(path: str) -> Path:
    """Return, likewise, that of a file or a folder, which other arguments decide."""
    return Path(path)


#: The ``type`` of an argument that names what is written -> how it is checked before any work.
OUTPUTS: Mapping[Any, Callable[[Path], None]] = MappingProxyType(
    {
        output_file: check_output,
        made_file: lambda path: None if path.is_file() else check_output(path),
        output_folder: check_folder,
        output_path: lambda path: (check_folder if path.is_dir() else check_output)(path),
    }
)
