"""What every command line shares: exit statuses and one-line errors."""

import os
import sys
from collections.abc import Callable

from mmmask.errors import InputError, MissingFileError


def command(main: Callable[[], None]) -> int:
    """Run ``main`` and return the exit status: 0 done, 2 the input is at fault, 130 interrupted.

    The message of an :class:`InputError` goes to standard error on one line. Any other exception
    is a defect and passes through with its traceback (Python then exits with status 1).
    """
    limit_thread_spinning()
    try:
        main()
    except InputError as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def limit_thread_spinning() -> None:
    """Let compute threads sleep soon when they wait; to be called before torch is imported.

    By default they spin for long, which takes the cores from data workers and from others: on a
    busy machine a training step takes up to twice as long. Not to spin at all
    (``OMP_WAIT_POLICY=PASSIVE``) costs a fifth on an idle one.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def message_of(error: InputError) -> str:
    """Return the message on one line, also where a data worker wrapped it in its traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("Caught "):  # torch.utils.data re-raises worker errors so
        for kind in (InputError, MissingFileError):
            lines[-1] = lines[-1].removeprefix(f"{kind.__module__}.{kind.__qualname__}: ")
        return lines[-1]
    return " ".join(lines)
