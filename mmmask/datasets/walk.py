"""The files below a folder, links followed."""

import os
from collections.abc import Iterator
from pathlib import Path

from mmmask.errors import InputError, MissingFileError


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and its subfolders in the order of their names.

    Hidden files and folders are left out. A link to a folder is followed, but not one that leads
    back to a folder around it.

    Raises:
        MissingFileError: There is no such folder.
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder")
    yield from _below(folder, frozenset())


def _below(folder: Path, around: frozenset[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in around:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{folder}: not a readable folder: {error.strerror}") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if os.path.isdir(entry.path):  # unlike the entry's, of a link that leads in a circle too
            yield from _below(folder / entry.name, around | {real})
        else:
            yield folder / entry.name
