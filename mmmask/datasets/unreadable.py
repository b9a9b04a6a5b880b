"""Photos that cannot be read: found all at once, and told with the way out."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from mmmask.datasets.photos import load_photo
from mmmask.errors import InputError, MissingFileError, UnreadablePhotoError
from mmmask.tables import OUTLIERS, read_table

#: What may be done with photos to learn from, and with those to predict.
DROP = (
    "tools/data_stats.py --out drop.csv lists them, and data.drop=drop.csv in --cfg-options "
    "leaves them out"
)
PREDICT = (
    "--unreadable prior of test.py, kfold.py and linear_probe.py answers them by the class shares "
    "of training"
)
REPAIR = "repair or remove them"
#: The reason of ``tools/data_stats.py``'s table for a photo that cannot be read.
REASON = "unreadable"
_MOST_NAMED = 20


def unreadable_photos(paths: Sequence[str]) -> list[str]:
    """Return which photos are there and cannot be read, in order; all are decoded, small."""

    def readable(path: str) -> bool:
        try:
            load_photo(path, at_least=(1, 1))
        except MissingFileError:
            return True
        except UnreadablePhotoError:
            return False
        return True

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(readable, paths))
    return [path for path, is_one in zip(paths, found, strict=True) if not is_one]


def all_unreadable(
    error: UnreadablePhotoError, paths: Sequence[str], way_out: str = REPAIR
) -> InputError:
    """Return an error that names all photos of a list that cannot be read, not the first alone."""
    first = str(error)
    others = [path for path in unreadable_photos(paths) if not first.startswith(f"{path}: ")]
    rest = len(others) - _MOST_NAMED
    more = f" and {rest:,} more" if rest > 0 else ""
    named = ", ".join(others[:_MOST_NAMED]) + more
    also = f"; cannot be read either, of {len(paths):,} photos: {named}" if others else ""
    return InputError(f"{first}{also}; {way_out}")


def dropped_as_unreadable(drop: str | None) -> set[str]:
    """Return the photos of a csv of ``data.drop`` that nobody can read."""
    if drop is None:
        return set()
    table = read_table(drop, OUTLIERS)
    return set(table["image"][table["reason"] == REASON]) if "reason" in table else set()
