"""What command lines share: options, exit statuses and one-line errors."""

import argparse
import atexit
import os
import re
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn, TextIO

from mmmask.errors import (
    DivergedError,
    EndedBySignal,
    InputError,
    ToldError,
    interruption_of,
    reason_of,
)
from mmmask.files import UNWRITABLE
from mmmask.option_types import OUTPUTS, made_file, number, output_file, output_path, whole
from mmmask.packages import missing_packages


class _TableOption(argparse.Action):
    """Write a table into the options of the config, as ``data.table`` or ``data.eval_table``."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        listed = values if isinstance(values, list) else [values]
        value = listed[0] if len(listed) == 1 else f"[{','.join(listed)}]"
        namespace.options = [*namespace.options, f"data.{self.dest}={value}"]


#: Signals that ask a process to end.
_ENDING = (signal.SIGTERM, signal.SIGHUP)
#: What a file to write is called in help -> how its name ends.
_ENDS: Mapping[Any, tuple[str, ...]] = MappingProxyType(
    {
        "CSV": (".csv",),
        "HTML": (".html", ".htm"),
        "JSON": (".json",),
        "TABLE": (".parquet", ".csv"),
    }
)


def _check_suffix(path: Path, metavar: Any) -> None:
    if path.suffix not in _ENDS.get(metavar, (path.suffix,)):
        ends = " or ".join(_ENDS[metavar])
        raise InputError(f"{path}: must end in {ends}; got {path.suffix or 'no suffix'}")


#: Arguments of several tools; a tool may say something else in their help.
SHARED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "config": {"help": "config of the run"},
        "checkpoint": {"help": "such as work_dirs/.../best_macro_f1_epoch_9.pth"},
        "--amp": {"action": "store_true", "help": "bfloat16 autocast, on any device"},
        "--calibration": {"action": "extend", "nargs": "+", "default": [], "metavar": "JSON"},
        "--cfg-options": {
            "action": "extend",  # given twice, both count
            "dest": "options",
            "nargs": "+",
            "default": [],
            "metavar": "k=v",
            "help": "override config values",
        },
        "--corrections": {"metavar": "CSV", "help": "label corrections"},
        "--data-root": {
            "metavar": "DIR",
            "help": "folder that holds train/; default: the config's",
        },
        "--decision": {
            "metavar": "macro-f1|argmax",
            "default": "argmax",
            "help": "answer for the best expected macro F1, of calibrated probabilities; it loses "
            "where class shares are not those of training. Default: the most probable class",
        },
        "--table": {
            "action": _TableOption,
            "nargs": "+",
            "default": argparse.SUPPRESS,
            "metavar": "TABLE",
            "help": "tables of your own photos and what is known of them, see docs/cookbook.md",
        },
        "--eval-table": {
            "action": _TableOption,
            "default": argparse.SUPPRESS,
            "metavar": "TABLE",
            "help": "photos to predict, in place of eval/",
        },
        "--device": {"default": "cpu", "help": "such as cuda; default: cpu"},
        "--labels": {"metavar": "CSV"},
        "--launcher": {"choices": ("none", "pytorch"), "default": "none"},
        "--local-rank": {"type": whole(0), "default": 0, "help": argparse.SUPPRESS},
        "--old-from": {
            "type": whole(0, 120),
            "metavar": "AGE",
            "help": "move the age cut, of a model of years",
        },
        "--pack": {
            "type": made_file,
            "metavar": "FILE",
            "help": "packed photos (.arrow); made first if missing or stale",
        },
        "--pretrained": {
            "metavar": "none|PATH|URL",
            "help": "weights to start from; default: the config's",
        },
        "--samples": {
            "action": "extend",
            "nargs": "+",
            "default": [],
            "metavar": "TABLE",
            "help": "further training samples",
        },
        "--submission": {
            "type": output_file,
            "metavar": "CSV",
            "help": "submission in info.csv's order",
        },
        "--teacher": {
            "action": "extend",
            "nargs": "+",
            "default": [],
            "metavar": "TABLE",
            "help": "out-of-fold predictions of train/, to learn from beside the labels; {fold} in "
            "a path stands for the fold held out",
        },
        "--unreadable": {
            "choices": ("refuse", "prior"),
            "default": "refuse",
            "help": "prior: answer photos that cannot be read by the class shares of training",
        },
        "--weight": {
            "type": number(0, 1e6),
            "default": 1.0,
            "help": "weight of each sample in the loss; default: 1",
        },
    }
)


def parser_of(text: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help shows the docstring of a tool as it is."""
    return _Parser(
        prog=Path(sys.argv[0]).name,  # ``train.py``, or ``mmmask train``
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


class _Parser(argparse.ArgumentParser):
    """A parser that checks outputs, and whose help speaks of subcommands of ``mmmask``."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and refuse an output that cannot be written, is read, or that two options name.

        Raises:
            InputError: The message names the path and the option.
        """
        for word in sys.argv[1:] if args is None else args:
            if re.fullmatch(r"(--[\w-]+=)?", word):
                raise InputError(f"an argument is empty ({word!r}); is a variable not set?")
        found = super().parse_args(args, namespace)
        outputs = {action.dest: action for action in self._actions if action.type in OUTPUTS}
        read = set(_read_by(found, outputs))
        taken: dict[str, str] = {}
        for name, action in outputs.items():
            path = getattr(found, name, None)
            if path is None:
                continue
            option = action.option_strings[0]
            try:
                OUTPUTS[action.type](path)
                if action.type in (output_file, output_path) and os.path.realpath(path) in read:
                    raise InputError(f"{path}: must not be written, as it is read")
                _check_suffix(path, action.metavar)
            except InputError as error:
                raise InputError(f"{option} {error}") from error
            twin = taken.setdefault(os.path.realpath(path), option)
            if twin != option:
                raise InputError(f"{twin} and {option} both name {path}; give each its own")
        return found

    def error(self, message: str) -> NoReturn:
        """Refuse a command line in one sentence, as any other input.

        Raises:
            InputError: Always.
        """
        raise InputError(re.sub(r"^argument (\S+): (?=must )", r"\1 ", message))

    def format_help(self) -> str:
        text = super().format_help()
        if self.prog.startswith("mmmask "):
            text = re.sub(r"(?:python )?\btools/(\w+)\.py", r"mmmask \1", text)
            text = re.sub(r"\bconfigs/(?:spaces/)?(\w+)\.py", r"\1", text)
        return text


def _read_by(found: argparse.Namespace, outputs: Collection[str]) -> Iterator[str]:
    """Yield the real paths of what a command line names and is there, but for outputs."""
    for name, value in vars(found).items():
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, str | Path) or name in outputs:
                continue
            parts = re.split(r"[=,\[\]]", str(each))[1:]  # of an option of the config, maybe a list
            for path in (str(each), *filter(None, parts)):
                with suppress(ValueError):  # NUL
                    if os.path.exists(path):
                        yield os.path.realpath(path)


def add_shared(parser: argparse._ActionsContainer, *names: str, **other: Any) -> None:
    """Add arguments of ``SHARED`` by name; ``other`` keywords replace those of all of them."""
    for name in names:
        parser.add_argument(name, **{**SHARED[name], **other})


def command(main: Callable[[], None], *, diverged: int = 1) -> int:
    """Run ``main`` and return the exit status: 0 done, 2 the input is at fault, 130 interrupted.

    A signal that asks to end (see :func:`end_on_signals`) gives 128 and its number; so does, as
    SIGPIPE, an output that nobody reads any more, where work was left.

    ``diverged`` is the status of a training that did. The message of an :class:`InputError` or
    :class:`DivergedError` goes to standard error on one line, and so does the name of a package
    that is not installed, and what the system refused: a file, a full disk. Any other exception is
    a defect and passes through with its traceback (Python then exits with status 1).
    """
    limit_thread_spinning()
    handled = end_on_signals()
    os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")  # we say ourselves what is wrong of photos
    ended: BaseException | None = None
    with _named(sys.stdout, "standard output"), _named(sys.stderr, "standard error"):
        try:
            main()
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            ended = error
        lost = _lost(sys.stdout)
    if sys.unraisablehook is _end_where_ignored:
        signal.setitimer(signal.ITIMER_REAL, 0)
    for each in handled:  # nothing is left to be put in order, and Python ends by itself
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, signal.SIG_DFL)
    # Python's own end would show Ctrl+C as a traceback; before it begins, this runs first.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_DFL)
    if ended is None or (lost is not None and isinstance(ended, OSError | SystemExit)):
        ended = lost
    if ended is None:
        return 0
    status, sentence = _status_of(ended, diverged)
    with suppress(OSError):  # standard error may be full too
        print(sentence, file=sys.stderr)
    _lost(sys.stderr)
    return status


def _status_of(error: BaseException, diverged: int) -> tuple[int, str]:
    """Return the exit status and what is said; a defect is raised."""
    interruption = interruption_of(error)
    if isinstance(interruption, EndedBySignal):
        return 128 + interruption.number, f"ended by {signal.Signals(interruption.number).name}"
    if interruption is not None:
        return 130, "interrupted"
    if isinstance(error, DivergedError):
        return diverged, f"error: {error}"
    if isinstance(error, InputError | OSError):
        return 2, f"{'' if isinstance(error, ToldError) else 'error: '}{message_of(error)}"
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        # Python's stand-in for bytes of a file name; neither tables nor pages can hold it.
        name = error.object[max(error.start - 100, 0) : error.end + 100]
        return 2, f"error: {name!r}: a file name must be UTF-8; rename it"
    missing = missing_packages(error.name) if isinstance(error, ModuleNotFoundError) else None
    if missing is None:
        raise error
    return 2, f"error: {missing}"


@contextmanager
def _named(stream: TextIO | None, name: str) -> Iterator[None]:
    """Let the errors of writing a stream, which name no file, have its name.

    Where nobody reads it any more, the work ends as by SIGPIPE, of which Python makes an error that
    others catch: logging would print a traceback, and a bar of rich end with status 1.
    """

    def named(write: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*given: Any) -> Any:
            try:
                return write(*given)
            except BrokenPipeError as error:
                raise EndedBySignal(signal.SIGPIPE) from error
            except OSError as error:
                error.filename = name
                raise

        return wrapper

    methods = ("write", "flush") if stream is not None else ()
    for method in methods:
        setattr(stream, method, named(getattr(stream, method)))
    try:
        yield
    finally:
        for method in methods:
            delattr(stream, method)


def _lost(stream: TextIO | None) -> OSError | None:
    """Return what writing the rest of a stream meets, whose end is then lost; None: nothing.

    It is no loss where whoever read it wants no more of it.
    """
    if stream is None:  # closed from the start
        return None
    try:
        stream.flush()
    except (OSError, EndedBySignal) as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # Python ends with a flush
        return error if isinstance(error, OSError) else None
    return None


def end_on_signals() -> list[signal.Signals]:
    """Let SIGTERM and SIGHUP end this process as Ctrl-C does, unless they are handled or ignored.

    Returns those of which this is so now.

    Later ones are ignored, so that what the first one ends can be put in order: services send
    them to a process and to its whole group. Other processes of a distributed run have nothing to
    put in order, and may wait in a call that lets no handler run: they just end.
    """
    if os.environ.get("RANK", "0") != "0":
        return []
    own = os.getpid()

    def end(received: int, frame: object) -> None:
        if os.getpid() != own:  # a fork that has nothing to put in order
            signal.signal(received, signal.SIG_DFL)
            os.kill(os.getpid(), received)
        for each in _ENDING:
            signal.signal(each, signal.SIG_IGN)
        # Data workers that got the same signal end too; torch would raise that as an error.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        raise EndedBySignal(received)

    handled = [each for each in _ENDING if signal.getsignal(each) is signal.SIG_DFL]
    for each in handled:
        signal.signal(each, end)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _end_where_ignored
    return handled


def _end_where_ignored(unraisable: Any) -> None:
    """Raise once more, in a moment, an interruption that came within a destructor.

    Python only prints what is raised there, and the work would go on. Of a signal that came just
    before it was to be ignored it prints a traceback, too; nobody misses that.
    """
    error = unraisable.exc_value
    if isinstance(error, OSError) and "ignored due to race condition" in str(error):
        return
    if not isinstance(error, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return

    def again(received: int, frame: object) -> None:
        raise error

    signal.signal(signal.SIGALRM, again)
    signal.setitimer(signal.ITIMER_REAL, 0.01)


def limit_thread_spinning() -> None:
    """Let compute threads sleep soon when they wait; :func:`command` calls it before torch loads.

    By default they spin for long, which takes the cores from data workers and from others: on a
    busy machine a training step takes up to twice as long. Not to spin at all
    (``OMP_WAIT_POLICY=PASSIVE``) costs a fifth on an idle one.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def message_of(error: InputError | OSError) -> str:
    """Return the message on one line, also where a data worker wrapped it in its traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("Caught "):  # torch.utils.data re-raises worker errors so
        return re.sub(r"^[\w.]+(Error|Exception): ", "", lines[-1])
    if isinstance(error, InputError):
        return " ".join(lines)
    named = error.filename
    if named is not None:
        return f"{os.fsdecode(named) if isinstance(named, bytes) else named}: {reason_of(error)}"
    unwritten = "a file could not be written: " if error.errno in UNWRITABLE else ""
    return f"{unwritten}{reason_of(error)}"
