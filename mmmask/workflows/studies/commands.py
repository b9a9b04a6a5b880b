"""Training and testing as command lines, and the folders that they fill: for many runs at once."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmmask.config import parse_options
from mmmask.errors import InputError, MissingFileError
from mmmask.files import atomic_write
from mmmask.ledger.config_differences import changes, flat_config
from mmmask.ledger.provenance import file_hash

#: Files of a config whose content decides a run as well as their names.
_FILES = ("data.corrections", "data.drop", "data.samples")


def tool(script: Path, *arguments: object, **options: object) -> list[str]:
    """Return the command line of a file of ``tools/``.

    Args:
        script: The file.
        arguments: Its positional arguments.
        options: Name (``data_root`` for ``--data-root``) -> value; True for a bare flag, a
            sequence for many values; None, False and an empty sequence leave the option out.
    """
    command = [sys.executable, str(script), *map(str, arguments)]
    for name, value in options.items():
        if value is None or value is False or (isinstance(value, Sequence) and not len(value)):
            continue
        command.append(f"--{name.replace('_', '-')}")
        if isinstance(value, Sequence) and not isinstance(value, str):
            command += map(str, value)
        elif value is not True:
            command.append(str(value))
    return command


def plan_of(config: Path, options: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted name -> value of all that decides a run: its config, and what is ``given``."""
    plan = flat_config(config, parse_options(options))
    return {**plan, **{key: value for key, value in given.items() if value is not None}}


def contents(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return the hash of each file whose content decides the runs of a plan.

    Raises:
        MissingFileError: One of them is not there.
    """
    named = [plan.get(key) or [] for key in _FILES]
    listed = [[value] if isinstance(value, str) else value for value in named]
    root = Path(plan["data.data_root"])
    paths = [root / "train" / "train.csv", *(Path(path) for part in listed for path in part)]
    for path in paths:
        if not path.is_file():
            raise MissingFileError(f"{path}: no such file")
    return {f"sha256 of {path}": file_hash(path) for path in paths}


def claim(folder: Path, plan: Mapping[str, Any]) -> None:
    """Write down what a run is made of; refuse a folder that holds a run of something else."""
    path = folder / "plan.json"
    text = json.dumps(plan, default=str, indent=1, sort_keys=True)
    if not path.exists():
        with atomic_write(path) as partial:
            partial.write_text(text)
        return
    different = changes(json.loads(path.read_text()), json.loads(text))
    if different:
        key, (was, now) = next(iter(different.items()))
        raise InputError(
            f"{folder}: holds a run of another config, {len(different)} values differ: {key} was "
            f"{was}, is {now}; use another --out, or delete the folder"
        )


def last_checkpoint(folder: Path) -> Path:
    """Return the checkpoint that a work directory, moved or not, names as its last."""
    return folder / Path((folder / "last_checkpoint").read_text().strip()).name
