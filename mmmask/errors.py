"""The errors that a user's input can cause.

Command lines print the message of an :class:`InputError` on one line and exit with status 2,
that of a :class:`DivergedError` likewise with status 1, and what the system refuses, an
``OSError``, with status 2; any other exception is a defect of ours and keeps its traceback.
"""

import os
from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Input at fault: the message names the file or field, what is allowed, what was received."""


class MissingFileError(InputError, FileNotFoundError):
    """A file that the user named, or that the data layout asks for, does not exist."""

    def __str__(self) -> str:
        return ValueError.__str__(self)


class UnreadablePhotoError(InputError):
    """A file that is there, and no photo that can be decoded."""


class ToldError(InputError):
    """A process that was started has told the user already what is at fault with its input."""


class WriteError(InputError):
    """A file or folder cannot be written: the message names it, and says what the system says."""


class DivergedError(RuntimeError):
    """A training came to numbers that are not finite: the message says where, and what may help.

    ``alone``: the other processes of the training go on, and do not know.
    """

    def __init__(self, message: str, *, alone: bool = False) -> None:
        super().__init__(message)
        self.alone = alone


class EndedBySignal(KeyboardInterrupt):
    """Somebody asked the process to end by a signal: what is under way ends as by Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def interruption_of(error: BaseException | None) -> KeyboardInterrupt | None:
    """Return the interruption that an error is or came of; None where there was none.

    Data workers that get the same signal end too, and torch reports that as an error.
    """
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, which is enough for one sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def reason_of(error: OSError) -> str:
    """Return what the system says of a failing call, such as ``No space left on device``."""
    said = os.strerror(error.errno) if error.errno else ""
    stated = error.strerror or first_line(error)
    return said if said and said in stated else stated


def nearest(name: str, known: Iterable[str], most: int = 1) -> str:
    """Return ``; did you mean X or Y``: the known names most like a misspelt one; empty if none.

    Those come first that differ by their leading zeros alone, which spreadsheets drop.
    """
    names = [str(one) for one in known]
    numbers = [one for one in names if one.lstrip("0") == name.lstrip("0")]
    close = list(dict.fromkeys([*numbers, *get_close_matches(name, names, n=most)]))[:most]
    return f"; did you mean {' or '.join(close)}" if close else ""
