"""Write files whole or not at all, and one process at a time."""

import fcntl
import os
import stat
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mmmask.errors import InputError, MissingFileError

if TYPE_CHECKING:
    import pandas as pd

#: The largest file of a photo that is read, in bytes.
MOST_BYTES = 100_000_000


def read_bytes(path: str | Path, most: int = MOST_BYTES) -> bytes:
    """Return what a file holds; links are followed.

    Raises:
        MissingFileError: There is no such file.
        InputError: It cannot be read, has more than ``most`` bytes, or is no regular file: a pipe
            or a device, of which reading may never end.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # not to wait for who writes to a pipe
    try:
        handle = os.open(on_disk(path), flags)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
                raise InputError(f"{path}: must be a regular file; got {kind}")
            if status.st_size > most:
                raise InputError(
                    f"{path}: must have at most {most / 1e6:g} MB; got {status.st_size / 1e6:.1f}"
                )
            with open(handle, "rb", buffering=0, closefd=False) as file:
                return file.read()
        finally:
            os.close(handle)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: not a readable file: {error.strerror}") from error


def one_form(name: str) -> str:
    """Return a name in the one form of Unicode (NFC) in which names are compared.

    Tables mostly have it, and disks the other, where macOS has unpacked files.
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def on_disk(path: str | Path) -> str:
    """Return a path as the disk spells it, where it has it in another form of Unicode."""
    path = os.fspath(path)
    if path.isascii() or os.path.lexists(path):
        return path
    folder, name = os.path.split(path)
    if not name:
        return path
    folder = on_disk(folder)
    try:
        there = {one_form(entry): entry for entry in os.listdir(folder or ".")}
    except OSError:
        return path
    return os.path.join(folder, there.get(one_form(name), name))


def is_there(path: str | Path) -> bool:
    """Say whether a path, as :func:`on_disk` finds it, is that of a regular file."""
    return os.path.isfile(on_disk(path))


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
    """Write a table without its index, whole or not at all."""
    with atomic_write(path) as partial:
        table.to_csv(partial, index=False)


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
