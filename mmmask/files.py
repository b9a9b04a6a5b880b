"""Write files whole or not at all, and one process at a time."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from csv import QUOTE_MINIMAL, QUOTE_NONNUMERIC
from pathlib import Path
from typing import TYPE_CHECKING

from mmmask.errors import InputError, WriteError, reason_of

if TYPE_CHECKING:
    import pandas as pd

#: What a failing write alone says; the system names no file then.
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
#: Characters of a file's name that its partial file has too: both fit into 255 bytes.
_STEM = 50
_PROBE = 4096  # bytes
#: Folder of a data root -> the file in it that says what its photos are.
_DATA = {"train": "train.csv", "eval": "info.csv"}
_LOCK = ".lock"
#: Open files of the locks that this process holds.
_LOCKS: set[int] = set()


def check_output(path: str | Path) -> None:
    """Refuse, before any work, a path at which no file can be written or replaced.

    Raises:
        WriteError: It is a folder or a device, lies among the photos and labels of a data root, or
            :func:`check_folder` refuses its folder.
    """
    with writing(path, all_errors=True):
        target = _real(path)
        if target.is_dir():
            raise WriteError(f"{path}: must be a file to write; it is a folder")
        if target.exists() and not target.is_file():
            raise WriteError(f"{path}: must be a file to write; it is a device or a pipe")
        _check_outside_data(path, target)
        _check_room(path, target.parent, target.name)


def _check_outside_data(path: str | Path, target: Path) -> None:
    """Refuse the table of a data root, and what would lie among its photos."""
    for folder in target.parents:
        table = folder / _DATA.get(folder.name, ".")
        if table.is_file() and (target == table or folder / "images" in target.parents):
            raise WriteError(f"{path}: must not be among the photos and labels of {folder}")


def check_folder(path: str | Path) -> None:
    """Refuse, before any work, a path at which there is no folder to write in, nor can be one.

    Raises:
        WriteError: It, or where it would be, is a file, its name is too long, or no file can be
            made there. Permission alone does not tell: a drive may be read-only, or full.
    """
    with writing(path, all_errors=True):
        target = _real(path)
        if target.exists() and not target.is_dir():
            raise WriteError(f"{path}: must be a folder to write in; it is a file")
        _check_room(path, target)


def _check_room(path: str | Path, folder: Path, *names: str) -> None:
    """Make a file in the nearest folder that is there, as a test, and remove it."""
    missing = list(names)
    while not folder.exists():
        missing.append(folder.name)
        folder = folder.parent
    if not folder.is_dir():
        raise WriteError(f"{path}: cannot be written, as {folder} is a file, not a folder")
    for name in missing:
        with suppress(FileNotFoundError):
            os.lstat(folder / name)  # an OSError where it is too long
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=".mmmask-")
        try:
            with open(handle, "wb") as probe:
                probe.write(bytes(_PROBE))
        finally:
            os.unlink(name)
    except OSError as error:
        raise WriteError(
            f"{path}: cannot be written, as {folder} takes no file: {reason_of(error)}; name "
            "another place"
        ) from error


def _real(path: str | Path) -> Path:
    """Return what a path leads to: where it is a link, that stays, and its target is written."""
    if "\0" in str(path):
        raise WriteError(f"{str(path)!r}: a file name cannot hold the character NUL")
    return Path(os.path.realpath(path))


@contextmanager
def writing(path: str | Path, *, all_errors: bool = False) -> Iterator[None]:
    """Turn a failing write in this block into a :class:`WriteError` that names ``path``.

    An error of another file, which the block may read, passes through: those that the system gives
    no name are taken for the write where they speak of one; with ``all_errors`` all are.
    """
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        own = error.filename is None and error.errno in UNWRITABLE
        if not (all_errors or own):
            raise
        raise WriteError(f"{path}: could not be written: {reason_of(error)}") from error


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; rename it onto ``path`` when the block succeeds.

    Missing parent folders are made. If the block raises, ``path`` keeps its former content and
    the partial file is removed. That of a process that was killed is removed by the next one that
    writes there.

    Raises:
        WriteError: It cannot be written, or the disk is full.
    """
    with writing(path, all_errors=True):
        target = _real(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial, handle = _beside(target, target.stem, target.suffix[:_STEM], _made)
    try:
        with writing(path):
            yield partial
        with writing(path, all_errors=True):
            os.replace(partial, target)
    finally:
        with suppress(OSError):
            if _leads_to(handle, partial):  # else it was renamed, and may be another's by now
                partial.unlink()
        _release(handle)


@contextmanager
def folder_written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a folder beside ``path`` to write to; it becomes ``path`` when the block succeeds.

    Missing parent folders are made. If the block raises, what it wrote is removed; what a killed
    process wrote, by the next one that writes there.

    Raises:
        InputError: ``path`` is there and not an empty folder.
        WriteError: It cannot be written, or the disk is full.
    """
    target = Path(path)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(
            f"{path}: must be a new or an empty folder; it is there already and not empty"
        )
    with writing(path, all_errors=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial, handle = _beside(target, target.name, "", _made_folder)
    folder = partial / target.name
    try:
        with writing(path, all_errors=True):
            folder.mkdir()
        with writing(path):
            yield folder
        with writing(path, all_errors=True):
            if target.exists():
                target.rmdir()
            folder.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        _release(handle)


def _beside(
    target: Path, stem: str, suffix: str, make: Callable[[Path], int | None]
) -> tuple[Path, int]:
    """Make the first path beside a target that no living process uses; return it and its lock."""
    turn = 0
    while True:
        partial = target.with_name(f".{stem[:_STEM]}-{turn}.part{suffix}")
        handle = make(partial)
        if handle is not None:
            return partial, handle
        turn += 1


def _made(partial: Path) -> int | None:
    """Make an empty file, and return its lock; None where a living process has it."""
    try:
        return _take(partial, new=True)
    except FileExistsError:
        with suppress(OSError):  # somebody else's, or a link
            handle = _take(partial, sure=True)
            if handle is not None:
                partial.unlink(missing_ok=True)  # its process is gone
                _release(handle)
                with suppress(FileExistsError):
                    return _take(partial, new=True)
    return None


def _made_folder(partial: Path) -> int | None:
    """Make an empty folder, and return the lock in it; None where a living process has it."""
    for _ in range(2):
        with suppress(FileExistsError):
            partial.mkdir()
            with suppress(FileNotFoundError):  # another process took it for one that was left
                return _take(partial / _LOCK)
        with suppress(OSError):
            handle = _take(partial / _LOCK, sure=True)
            if handle is None:
                return None
            shutil.rmtree(partial, ignore_errors=True)  # its process is gone
            _release(handle)
    return None


def write_csv(path: str | Path, table: "pd.DataFrame") -> None:
    """Write a table without its index, whole or not at all.

    Texts stand in quotes only where one of them would be read as another without.
    """
    texts = table.select_dtypes(["string", "object"])
    odd = any(
        texts[name].astype("str").str.contains(r"^[ \t]|\r", na=False).any() for name in texts
    )
    with atomic_write(path) as partial:
        table.to_csv(partial, index=False, quoting=QUOTE_NONNUMERIC if odd else QUOTE_MINIMAL)


def check_picture(path: str | Path | None) -> None:
    """Refuse, before any work, where no picture of ours can be written; None is no file."""
    if path is not None:
        if Path(path).suffix != ".png":
            raise InputError(f"{path}: a picture must end in .png")
        check_output(path)


@contextmanager
def locked(path: str | Path, refusal: str | None = None, *, tidy: bool = False) -> Iterator[None]:
    """Let one process at a time work on ``path``, which need not exist.

    The lock is on the empty file ``.NAME.lock`` beside it, and ends with its process, however that
    does. Missing parent folders are made. An :class:`InputError` tells other processes the
    ``refusal``; None lets them wait here until the block ends.

    The file of the lock is removed where there is a refusal, and where it is to be ``tidy``: of
    machines that share a network drive, two that wait may then both get in, very rarely.
    """
    path = Path(path)
    lock = path.with_name(f".{path.name}{_LOCK}")
    with writing(path, all_errors=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _take(lock, wait=refusal is None)
    if handle is None:
        raise InputError(f"{path}: {refusal}")
    try:
        yield
    finally:
        if (tidy or refusal is not None) and handle in _LOCKS:
            lock.unlink(missing_ok=True)
        _release(handle)


def _take(path: Path, *, new: bool = False, wait: bool = False, sure: bool = False) -> int | None:
    """Return a lock on a file, which is made where missing; None where another holds it.

    Raises:
        FileExistsError: It is there, and was to be ``new``.
        OSError: Among others, the drive has no locks, and we must be ``sure`` that nobody has it.
    """
    while True:
        how = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | (os.O_EXCL if new else 0)
        handle = os.open(path, how, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError as error:  # some network drives have no locks: then nobody is kept out
            if sure or error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                os.close(handle)
                raise
        if _leads_to(handle, path):
            _LOCKS.add(handle)
            return handle
        os.close(handle)  # who held it has removed the file


def _leads_to(handle: int, path: Path) -> bool:
    """Say whether a path still leads to an open file."""
    return path.exists() and os.path.samestat(os.stat(path), os.fstat(handle))


def _release(handle: int) -> None:
    if handle in _LOCKS:
        _LOCKS.remove(handle)
        os.close(handle)


def _release_all() -> None:
    for handle in [*_LOCKS]:
        _release(handle)


# A lock ends with the process that took it, though its data workers may live on for seconds.
os.register_at_fork(after_in_child=_release_all)


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
