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
    # Compute threads that spin while they wait take the cores from the data workers: on a busy
    # machine a training step takes several times as long. Read when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # MMPretrain imports Albumentations where it is installed, which then asks the network for news.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    try:
        main()
    except InputError as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def message_of(error: InputError) -> str:
    """Return the message on one line, also where a data worker wrapped it in its traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("Caught "):  # torch.utils.data re-raises worker errors so
        for kind in (InputError, MissingFileError):
            lines[-1] = lines[-1].removeprefix(f"{kind.__module__}.{kind.__qualname__}: ")
        return lines[-1]
    return " ".join(lines)
