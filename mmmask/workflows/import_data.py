"""From data of other people's making to a samples table."""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mmmask.datasets.foreign.class_folders import read_class_folders
from mmmask.datasets.foreign.competition import read_competition
from mmmask.datasets.foreign.facts import joined, pairs, value_of
from mmmask.datasets.foreign.fairface import read_fairface
from mmmask.datasets.foreign.gathered import Gathered
from mmmask.datasets.foreign.maskedface_net import read_maskedface_net
from mmmask.datasets.foreign.plain_csv import read_plain_csv
from mmmask.datasets.foreign.utkface import read_utkface
from mmmask.datasets.foreign.voc import Crops, read_voc
from mmmask.datasets.layout import PHOTO_SUFFIXES, with_labels
from mmmask.errors import InputError, MissingFileError, nearest
from mmmask.files import folder_written_whole
from mmmask.ledger.provenance import made_now
from mmmask.table_checks import checked
from mmmask.tables import SAMPLES, check_table_name, write_table

#: Kind of data -> what adds its rows; its keywords are the options that the kind takes.
READERS: Mapping[str, Callable[..., None]] = {
    "competition": read_competition,
    "folders": read_class_folders,
    "utkface": read_utkface,
    "fairface": read_fairface,
    "maskedface_net": read_maskedface_net,
    "voc": read_voc,
    "csv": read_plain_csv,
}
#: What a command line calls an option, where it is not the same.
_OPTIONS = {"mapping": "map", "eval_photos": "eval"}


@dataclass(frozen=True)
class Imported:
    """What was written, and what was not."""

    samples: pd.DataFrame
    problems: Sequence[str]  # of the rows that are not understood, one sentence each
    left_out: Mapping[str, int]  # what was left out as it should be -> how often


def import_data(
    kind: str,
    src: str | Path,
    out: str | Path,
    *,
    given: Sequence[str] = (),
    source: str | None = None,
    skip: bool = False,
    absolute: bool = False,
    **options: Any,
) -> Imported:
    """Write the samples table of a foreign data set.

    Args:
        kind: One of :data:`READERS`.
        src: The folder or csv.
        out: The table to write, .csv or .parquet.
        given: ``FIELD=VALUE``, true of all photos, such as ``mask=normal``.
        source: Name of the data set; by default that of ``src``.
        skip: Leave out the rows that are not understood, in place of refusing all.
        absolute: Write all paths of photos whole. By default those below the folder of ``out``
            are relative to it.
        **options: Of the reader of the kind; None where not given. ``crops`` is the folder to
            write crops to.

    Raises:
        InputError: A row is not understood, or an option does not fit the kind.
    """
    src, out = Path(src), Path(out)
    check_table_name(out)
    options = {name: value for name, value in options.items() if value is not None}
    reader = _reader(kind, options)
    if not src.exists():
        raise MissingFileError(f"{src}: no such file or folder")
    found = Gathered(_given(given))
    with ExitStack() as stack:
        if "crops" in options:
            folder = Path(options["crops"])
            if folder.resolve() in out.resolve().parents:
                raise InputError(f"{out}: the table must not lie in {folder}, which --crops makes")
            options["crops"] = Crops(folder, stack.enter_context(folder_written_whole(folder)))
        reader(src, found, **options)
        if found.problems and not skip:
            one = len(found.problems) == 1
            raise InputError(
                f"{src}: {len(found.problems):,} row{' is' if one else 's are'} not understood, "
                f"nothing is written; --skip leaves {'it' if one else 'them'} out: "
                f"{found.some_problems()}"
            )
        samples = _samples(found, src, out, source=source, absolute=absolute)
        provenance = {"kind": kind, "from": os.path.abspath(src), "photos": len(samples)}
        write_table(out, samples, SAMPLES, {**provenance, **made_now()})
    return Imported(samples, found.problems, found.left_out)


def _reader(kind: str, options: Mapping[str, Any]) -> Callable[..., None]:
    """Return the reader of a kind; refuse options that it does not take."""
    if kind not in READERS:
        raise InputError(f"KIND must be one of {', '.join(READERS)}; got {kind!r}"
                         f"{nearest(kind, READERS)}")  # fmt: skip
    takes = inspect.signature(READERS[kind]).parameters
    for name in options:
        if name not in takes:
            kinds = [
                k for k, reader in READERS.items() if name in inspect.signature(reader).parameters
            ]
            option = _OPTIONS.get(name, name).replace("_", "-")
            raise InputError(f"--{option} is an option of {', '.join(kinds)}; got {kind}")
    return READERS[kind]


def _given(texts: Sequence[str]) -> dict[str, Any]:
    """Return what is true of all photos."""
    try:
        return joined(*(value_of(*pair) for pair in pairs(texts, "--set").items()))
    except InputError as error:
        raise InputError(f"--set: {str(error).removeprefix('--set ')}") from error


def _samples(
    found: Gathered, src: Path, out: Path, *, source: str | None, absolute: bool
) -> pd.DataFrame:
    """Return the samples table of the rows found."""
    if not found.rows:
        why = f"; {found.some_problems()}" if found.problems else ""
        raise InputError(f"{src}: holds no photo to import ({', '.join(PHOTO_SUFFIXES)}){why}")
    _refuse_twice(src, found)
    home = Path(os.path.abspath(out.parent))
    rows = []
    for row in found.rows:
        photo = Path(os.path.abspath(row["image"]))
        below = not absolute and home in photo.parents
        rows.append({**row, "image": (photo.relative_to(home) if below else photo).as_posix()})
    names = [name for name in SAMPLES if any(row.get(name) is not None for row in rows)]
    samples = pd.DataFrame(rows).reindex(columns=list(dict.fromkeys((*names, "source"))))
    own = src.stem if src.is_file() else Path(os.path.abspath(src)).name
    samples["source"] = samples["source"].fillna(own) if source is None else source
    samples = checked(samples, SAMPLES, str(src))
    with_labels(samples)  # refuses what contradicts itself, such as a class and another mask
    return samples


def _refuse_twice(src: Path, found: Gathered) -> None:
    """Refuse two rows for one photo, links followed."""
    seen: dict[str, Path] = {}
    for row in found.rows:
        photo = os.path.realpath(row["image"])
        if photo in seen:
            raise InputError(
                f"{src}: two rows for one photo, {seen[photo]}"
                + (f" and {row['image']}" if row["image"] != seen[photo] else "")
            )
        seen[photo] = row["image"]
