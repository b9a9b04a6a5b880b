"""What command lines share: options, exit statuses and one-line errors."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mmmask.errors import DivergedError, InputError
from mmmask.packages import missing_packages


class _TableOption(argparse.Action):
    """Write a table into the options of the config, as ``data.table`` or ``data.eval_table``."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        listed = values if isinstance(values, list) else [values]
        value = listed[0] if len(listed) == 1 else f"[{','.join(listed)}]"
        namespace.options = [*namespace.options, f"data.{self.dest}={value}"]


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
        "--data-root": {"metavar": "DIR", "help": "holds train/; default: the config's"},
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
            "help": "photos of your own: tables of what is known of them, see docs/cookbook.md",
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
        "--local-rank": {"type": int, "default": 0, "help": argparse.SUPPRESS},
        "--old-from": {
            "type": int,
            "metavar": "AGE",
            "help": "move the age cut, of a model of years",
        },
        "--pack": {
            "metavar": "FILE",
            "help": "packed photos (.arrow); made first where missing or stale",
        },
        "--pretrained": {"metavar": "none|PATH|URL", "help": "as for tools/train.py"},
        "--samples": {
            "action": "extend",
            "nargs": "+",
            "default": [],
            "metavar": "TABLE",
            "help": "further samples",
        },
        "--submission": {"metavar": "CSV", "help": "submission in info.csv's order"},
        "--teacher": {
            "action": "extend",
            "nargs": "+",
            "default": [],
            "metavar": "TABLE",
            "help": "predictions to learn from beside the labels, of train/ out of fold; {fold} in "
            "a path stands for the fold held out",
        },
        "--unreadable": {
            "choices": ("refuse", "prior"),
            "default": "refuse",
            "help": "answer photos to predict that cannot be read by the class shares of training",
        },
        "--weight": {"type": float, "default": 1.0, "help": "of each in the loss; default 1"},
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
    """A parser whose help speaks of subcommands where the tool runs as one of ``mmmask``."""

    def format_help(self) -> str:
        text = super().format_help()
        if self.prog.startswith("mmmask "):
            text = re.sub(r"(?:python )?\btools/(\w+)\.py", r"mmmask \1", text)
            text = re.sub(r"\bconfigs/(?:spaces/)?(\w+)\.py", r"\1", text)
        return text


def add_shared(parser: argparse._ActionsContainer, *names: str, **other: Any) -> None:
    """Add arguments of ``SHARED`` by name; ``other`` keywords replace those of all of them."""
    for name in names:
        parser.add_argument(name, **{**SHARED[name], **other})


def command(main: Callable[[], None], *, diverged: int = 1) -> int:
    """Run ``main`` and return the exit status: 0 done, 2 the input is at fault, 130 interrupted.

    ``diverged`` is the status of a training that did. The message of an :class:`InputError` or
    :class:`DivergedError` goes to standard error on one line, and so does the name of a package
    that is not installed. Any other exception is a defect and passes through with its traceback
    (Python then exits with status 1).
    """
    limit_thread_spinning()
    try:
        main()
    except InputError as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 2
    except DivergedError as error:
        print(f"error: {error}", file=sys.stderr)
        return diverged
    except ModuleNotFoundError as error:
        sentence = missing_packages(error.name)
        if sentence is None:
            raise
        print(f"error: {sentence}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read the output wants no more of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def limit_thread_spinning() -> None:
    """Let compute threads sleep soon when they wait; :func:`command` calls it before torch loads.

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
        return re.sub(rf"^{re.escape(InputError.__module__)}\.\w+: ", "", lines[-1])
    return " ".join(lines)
