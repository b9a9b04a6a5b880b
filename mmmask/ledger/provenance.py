"""Where a table or a run comes from: hashes of files and photos, code, packages, machine, time."""

import ast
import hashlib
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from mmmask import __version__

#: The fork of OpenMMLab's packages has their import names, and names of its own on the index.
_VERSIONED = (
    *("torch", "mmengine", "onedl-mmengine", "mmpretrain", "onedl-mmpretrain"),
    *("onnxruntime", "numpy", "opencv-python"),
)
_PACKAGE = Path(__file__).parents[1]
#: Where training and prediction start: weights and predictions depend on all that these import.
_ENTRY_POINTS = ("register", "workflows.train", "workflows.testing", "deploy.predictor")
#: Rooms that only record and show what comes out.
_WITHOUT_EFFECT = ("ledger", "reports")

#: Python 3.11 fails now and then where two threads parse sources at once.
_ONE_THREAD = threading.Lock()

#: What a checkpoint says of photos that it learned without true labels -> how it learned them.
WITHOUT_TRUTH = {"pseudo_labels": "with labels that a model gave them", "unlabelled": "unlabelled"}


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(
    samples: pd.DataFrame, columns: Sequence[str] = ("image", "person", "label")
) -> str:
    """Return a hash of which photos with which labels a table holds, in its order.

    With the default columns, as far as the table has them, it is the fingerprint of a data set
    wherever one is stated; the photos' pixels are not read.
    """
    known = [name for name in columns if name in samples]
    return text_hash(samples[known].to_csv(index=False))


def versions() -> dict[str, str]:
    """Return the versions of the packages that a result depends on, as far as installed."""
    found = {"mmmask": __version__}
    for name in _VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # an exported model needs few of them
            continue
    return found


@cache
def code_version() -> dict[str, Any]:
    """Return which code runs.

    Returns:
        ``version`` of the package; ``commit`` of the checkout and whether it is ``dirty``, that
        is, has changed or new files (both None outside a checkout, or where git is missing);
        ``hash`` of the sources that training and prediction import, comments and docstrings
        aside, which also tells two dirty states apart.
    """
    digest = hashlib.sha256()
    with _ONE_THREAD:
        trees = _decisive_sources()
    for module, tree in sorted(trees.items()):
        digest.update(repr((module, _meaning(tree))).encode())
    commit = dirty = None
    if (_PACKAGE.parent / ".git").exists():
        commit, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
        dirty = None if status is None else bool(status)
    return {"version": __version__, "commit": commit, "dirty": dirty, "hash": digest.hexdigest()}


def _decisive_sources() -> dict[str, ast.Module]:
    """Return module -> its syntax tree, of all that training and prediction import of mmmask."""
    found: dict[str, ast.Module] = {}
    waiting = list(_ENTRY_POINTS)
    while waiting:
        module = waiting.pop()
        path = _PACKAGE / f"{module.replace('.', '/')}.py"
        if module in found or module.split(".")[0] in _WITHOUT_EFFECT or not path.is_file():
            continue
        found[module] = ast.parse(path.read_bytes())
        for node in _statements(found[module]):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):  # a module, or names of one
                names = [f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            waiting += [name.removeprefix("mmmask.") for name in names if "mmmask." in name]
    return found


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements of a syntax tree, but not their expressions, which are most of it."""
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        for statement in getattr(node, block, ()):
            yield statement
            yield from _statements(statement)


def _meaning(node: Any) -> Any:
    """Return a syntax tree as nested lists, without docstrings, the same in every Python."""
    if isinstance(node, list):
        return [_meaning(item) for item in node if not _is_docstring(item)]
    if not isinstance(node, ast.AST):
        return node
    found: list[Any] = [type(node).__name__]
    for name in node._fields:
        part = getattr(node, name, None)
        if part != [] and name != "ctx":
            found += (name, _meaning(part))
    return found


def _is_docstring(node: Any) -> bool:
    text = getattr(node, "value", None)
    return isinstance(node, ast.Expr) and isinstance(getattr(text, "value", None), str)


def machine() -> dict[str, Any]:
    """Return where this process runs."""
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }


def now() -> str:
    """Return the local time with its offset, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def command_line() -> str:
    """Return the command that runs, as it can be given again."""
    program, *arguments = sys.argv  # ``mmmask train`` are two words
    return " ".join([program, *map(shlex.quote, arguments)])


def made_now() -> dict[str, Any]:
    """Return what every table says of its making: the versions of packages and code, the time."""
    return {"versions": versions(), "code": code_version(), "time": now()}


def learned_from_test_set(provenance: Mapping[str, Any]) -> str | None:
    """Return a sentence about models that learned from photos of the test set; None: none did.

    The provenance of the tables that one was made from may stand inside its own.
    """
    records = (
        (part[name], words)
        for part in nested(provenance)
        for name, words in WITHOUT_TRUTH.items()
        if isinstance(part.get(name), Mapping)
    )
    used = {
        f"{record['from_test_set']:,} {words}"
        for record, words in records
        if record.get("from_test_set")
    }
    if not used:
        return None
    return (
        f"trained on photos of the test set ({', '.join(sorted(used))}), which some hold to be "
        "leakage: say so beside the score"
    )


def nested(content: Any) -> Iterator[Mapping[str, Any]]:
    """Yield a provenance and all mappings inside it, at any depth."""
    if isinstance(content, Mapping):
        yield content
        content = list(content.values())
    if isinstance(content, list):
        for value in content:
            yield from nested(value)


def checkpoint_hashes(provenance: Mapping[str, Any]) -> frozenset[str]:
    """Return the hashes of the checkpoints whose predictions a table holds or was made of."""
    return frozenset(part["checkpoint_hash"] for part in _sources(provenance, "checkpoint_hash"))


def configs(provenance: Mapping[str, Any]) -> list[str]:
    """Return the texts of the configs of these models, one for all folds of a k-fold."""
    return [part["config"] for part in _sources(provenance, "config")]


def _sources(part: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    """Yield the provenance that states ``key``: of a table, else of those that it is made of."""
    if part.get(key):
        yield part
        return
    for member in (*(part.get("members") or ()), *(part.get("composed_of") or ())):
        yield from _sources({**member, **(member.get("provenance") or {})}, key)


def _git(*arguments: str) -> str | None:
    # Without optional locks it does not get in the way of a git command of the user.
    command = ["git", "--no-optional-locks", "-C", str(_PACKAGE.parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
