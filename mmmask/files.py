"""Write files whole or not at all, and one process at a time."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from csv import QUOTE_MINIMAL, QUOTE_NONNUMERIC
from pathlib import Path
from typing import TYPE_CHECKING

from mmmask.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def is_table(path: str | Path) -> bool:
    """Say whether a path means a table of photos, not a folder."""
    return Path(path).suffix in (".csv", ".parquet") and not Path(path).is_dir()


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; rename it onto ``path`` when the block succeeds.

    Missing parent folders are made. If the block raises, ``path`` keeps its former content and
    the partial file is removed.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix
    )
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        umask = os.umask(0)
        os.umask(umask)
        partial.chmod(0o666 & ~umask)  # mkstemp makes it private; the result is an ordinary file
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a folder beside ``path`` to write to; it becomes ``path`` when the block succeeds.

    Missing parent folders are made. If the block raises, what it wrote is removed.

    Raises:
        InputError: ``path`` is there and not an empty folder.
    """
    target = Path(path)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(f"{path}: must be a new or an empty folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as partial:
        folder = Path(partial) / target.name
        folder.mkdir()
        yield folder
        if target.exists():
            target.rmdir()
        folder.rename(target)


def write_csv(path: str | Path, table: "pd.DataFrame") -> None:
    """Write a table without its index, whole or not at all.

    Texts stand in quotes only where one of them would be read as another without.
    """
    texts = table.select_dtypes(["string", "object"])
    odd = any(texts[name].astype("str").str.contains(r"^ |\r", na=False).any() for name in texts)
    with atomic_write(path) as partial:
        table.to_csv(partial, index=False, quoting=QUOTE_NONNUMERIC if odd else QUOTE_MINIMAL)


def check_picture(path: str | Path | None) -> None:
    """Refuse a file name that no picture of ours can have; None is no file."""
    if path is not None and Path(path).suffix != ".png":
        raise InputError(f"{path}: a picture ends in .png")


@contextmanager
def locked(path: str | Path, refusal: str | None = None) -> Iterator[None]:
    """Let one process at a time work on ``path``, which need not exist.

    The lock is the empty file ``.NAME.lock`` beside it; it ends with its process, however that
    does. Missing parent folders are made. An :class:`InputError` tells other processes the
    ``refusal``; None lets them wait here until the block ends.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(f".{path.name}.lock"), "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal is not None else 0))
        except BlockingIOError as error:
            raise InputError(f"{path}: {refusal}") from error
        yield


def onto_disk(path: str | Path) -> None:
    """Wait until a file or folder is on the disk as it is: not even a power failure loses it.

    Some network drives cannot promise that of a folder, which is the names in it.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        if not os.path.isdir(path):
            raise
    finally:
        os.close(handle)
