"""Find a user's files by their names, and read them within limits."""

import errno
import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mmmask.errors import InputError, MissingFileError

#: The largest file of a photo that is read, in bytes.
MOST_BYTES = 100_000_000


def read_bytes(path: str | Path, most: float = MOST_BYTES) -> bytes:
    """Return what a file holds; links are followed.

    Raises:
        MissingFileError: There is no such file.
        InputError: It cannot be read, has more than ``most`` bytes, or is no regular file: a pipe
            or a device, of which reading may never end.
    """
    with _opened(path) as (handle, size):
        if size > most:
            raise InputError(f"{path}: must have at most {most / 1e6:g} MB; got {size / 1e6:.1f}")
        with open(handle, "rb", buffering=0, closefd=False) as file:
            return file.read()


def check_file(path: str | Path) -> None:
    """Refuse what :func:`read_bytes` refuses, whatever the size, before something else reads it."""
    with _opened(path):
        pass


@contextmanager
def _opened(path: str | Path) -> Iterator[tuple[int, int]]:
    """Yield the handle and the size of a regular file."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # not to wait for who writes to a pipe
    try:
        handle = os.open(on_disk(path), flags)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
                raise InputError(f"{path}: must be a regular file; got {kind}")
            yield handle, status.st_size
        finally:
            os.close(handle)
    except InputError:
        raise
    except ValueError as error:  # a name that holds NUL, which no file has
        raise MissingFileError(f"{str(path)!r}: no such file") from error
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise MissingFileError(f"{path}: no such file") from error
        raise InputError(f"{path}: not a readable file: {error.strerror}") from error


def one_form(name: str) -> str:
    """Return a name in the one form of Unicode (NFC) in which names are compared.

    Tables mostly have it, and disks the other, where macOS has unpacked files.
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def real_paths(root: str | Path, names: Iterable[str]) -> list[str]:
    """Return where photos lie, by which the same photo is found under another name.

    Args:
        root: What names are relative to where they are not absolute.
        names: Paths of photos, perhaps by links.
    """
    return [one_form(os.path.realpath(os.path.join(root, name))) for name in names]


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
