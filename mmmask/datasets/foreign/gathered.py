"""The rows that a reader of foreign data finds, those that it does not understand, and the rest."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmmask.datasets.foreign.facts import Facts, joined
from mmmask.datasets.layout import PHOTO_SUFFIXES, is_photo
from mmmask.datasets.walk import files_below
from mmmask.errors import InputError
from mmmask.reading import is_there

_SHOWN = 5


class Gathered:
    """What a reader has found.

    Args:
        given: What is true of all photos.

    Attributes:
        rows: One per photo: ``image``, the path of the photo, and what is known of it.
        problems: One sentence for each row that is not understood: file, line, what it says.
        left_out: What was left out as it should be -> how often.
    """

    def __init__(self, given: Facts) -> None:
        self._given = given
        self.rows: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.left_out: Counter[str] = Counter()

    @contextmanager
    def row(self, where: object) -> Iterator[None]:
        """Note an :class:`InputError` as the problem of one row, which ``where`` names."""
        try:
            yield
        except InputError as error:
            self.problems.append(f"{where}: {error}")

    def add(self, photo: Path, *facts: Facts, **other: str | None) -> None:
        """Add a photo with what is known of it, and other columns of its row.

        Raises:
            InputError: What is known of it contradicts itself.
        """
        self.rows.append({"image": photo, **joined(self._given, *facts), **other})

    def some_problems(self) -> str:
        """Return the first problems, and how many more there are."""
        rest = len(self.problems) - _SHOWN
        more = f"; and {rest:,} more" if rest > 0 else ""
        return "; ".join(self.problems[:_SHOWN]) + more


def check_photo(photo: Path) -> None:
    """Refuse a path that is no photo, or not there."""
    if not is_photo(photo.name):
        raise InputError(f"a photo must end in {', '.join(PHOTO_SUFFIXES)}; got {photo.name!r}")
    if not is_there(photo):
        raise InputError(f"{photo} is not there")


def photos_below(folder: Path, found: Gathered) -> Iterator[Path]:
    """Yield the photos of :func:`files_below`; count the other files by their suffix."""
    for path in files_below(folder):
        if not is_photo(path.name):
            kind = f"files ending in {path.suffix.lower()}" if path.suffix else "other files"
            found.left_out[kind] += 1
        elif path.is_file():
            yield path
        else:
            found.problems.append(f"{path}: a link that leads nowhere, or no file")
