"""Where photos lie and what is known of them: the competition's folders, or tables of one's own.

Either gives the same samples table, and everything behind it works from that alone.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from mmmask.csv_files import row_place
from mmmask.datasets.layout import has_eval, read_eval, read_train, with_labels
from mmmask.errors import InputError, MissingFileError, nearest
from mmmask.known import age_spans
from mmmask.labels import GENDERS, MASKS, decode, group_slices
from mmmask.reading import is_table, is_there, real_paths
from mmmask.table_checks import checked
from mmmask.tables import KNOWN, SAMPLES, column_names, photo_index, read_table

if TYPE_CHECKING:
    from mmengine.config import Config

#: A table, or several: a path, or a dict of ``table`` (its path) and perhaps ``name``, ``weight``.
Stated: TypeAlias = str | Sequence[str | Mapping[str, Any]] | None

logger = logging.getLogger("mmmask")


@dataclass(frozen=True)
class SampleTable:
    """A table of photos.

    Attributes:
        path: csv or parquet with columns of :data:`mmmask.tables.SAMPLES`.
        name: What it is called in the column ``source``, unless the table has that itself.
        weight: Its share of a batch, relative to the other tables; None: each photo counts alike.
    """

    path: Path
    name: str
    weight: float | None = None


@dataclass(frozen=True)
class DataSource:
    """What a config or command line says about its photos.

    Attributes:
        root: Folder that ``image`` of the samples is relative to.
        tables: Of photos to learn from; none: ``root`` has the competition's layout.
        eval_table: Of photos to predict; None: those of ``root/eval/info.csv``, where it exists.
    """

    root: Path
    tables: tuple[SampleTable, ...] = ()
    eval_table: Path | None = None

    @classmethod
    def at(cls, place: str | Path) -> "DataSource":
        """Return what a command line names by one path: a folder, or a table of photos."""
        if is_table(place):
            return cls(Path(place).parent, sample_tables(str(place)))
        return cls(Path(place))

    @classmethod
    def of(cls, cfg: "Config") -> "DataSource":
        """Return what the block ``data`` of a config says."""
        data = cfg.data
        given = data.get("eval_table")
        return cls(
            Path(data.data_root),
            sample_tables(data.get("table")),
            None if given is None else Path(given),
        )

    def train(self) -> pd.DataFrame:
        """Return the samples to learn from, one row per photo; ``label`` is not set.

        Without tables, those of :func:`mmmask.datasets.layout.read_train`. With tables, their rows
        in order, with ``image`` relative to the root where it is not absolute, ``person`` (each
        photo its own where a table names none), and ``source``.

        Raises:
            MissingFileError: A table or a photo is not there.
            InputError: A table is unusable; the message names file and row.
        """
        if not self.tables:
            return read_train(self.root)
        parts = [_read(table, self.root) for table in self.tables]
        if len(parts) == 1:
            return parts[0]
        samples = pd.concat(parts, ignore_index=True)
        owners = np.repeat([str(table.path) for table in self.tables], list(map(len, parts)))
        photos = pd.Series(real_paths(self.root, samples["image"]))
        again = photos[photos.duplicated()]
        if len(again):
            same = photos == again.iloc[0]
            raise InputError(
                f"{' and '.join(dict.fromkeys(owners[same]))}: two rows for one photo, "
                f"{' and '.join(dict.fromkeys(samples['image'][same]))}; keep one of them"
            )
        return checked(samples, SAMPLES, "data.table")

    @property
    def has_eval(self) -> bool:
        """Whether there are photos to predict."""
        return self.eval_table is not None or (not self.tables and has_eval(self.root))

    def eval(self) -> pd.DataFrame:
        """Return the samples to predict, in order, without labels.

        Raises:
            MissingFileError: There are none, or a photo is not there.
            InputError: The table is unusable.
        """
        if self.eval_table is not None:
            table = _read(SampleTable(self.eval_table, self.eval_table.stem), self.root, known=())
            return table.drop(columns=[*KNOWN, "fold", "weight"], errors="ignore")
        if self.tables and not has_eval(self.root):
            raise MissingFileError(
                "there are no photos to predict: data.eval_table (--eval-table) names a table of "
                f"them, and {self.root}/eval/info.csv does not exist"
            )
        return read_eval(self.root)

    def images(self, *, with_eval: bool = True) -> Iterator[str]:
        """Yield all photos, those to learn from first, as far as there are some."""
        if self.tables or (self.root / "train" / "train.csv").is_file() or not self.has_eval:
            yield from self.train()["image"]
        if with_eval and self.has_eval:
            yield from self.eval()["image"]

    def count_test_photos(self, images: Iterable[str]) -> int:
        """Return how many photos, by their paths, are among those to predict."""
        if not self.has_eval:
            return 0
        asked = set(real_paths(self.root, self.eval()["image"]))
        return sum(path in asked for path in real_paths(self.root, images))

    @cached_property
    def weights(self) -> dict[str, float] | None:
        """Source -> its share of a batch, relative to the others; None: none is stated."""
        given = {table.name: table.weight for table in self.tables if table.weight is not None}
        return given or None


def sample_tables(stated: Stated) -> tuple[SampleTable, ...]:
    """Return the tables that a config states.

    Raises:
        InputError: A table is stated wrongly, two have the same name, or only some have a weight.
    """
    if stated is None:
        return ()
    tables = tuple(map(_sample_table, [stated] if isinstance(stated, str) else stated))
    if not tables:
        raise InputError("data.table must name a table or be None; got an empty list")
    names = pd.Series([table.name for table in tables])
    if names.duplicated().any():
        raise InputError(
            f"data.table: two tables are called {names[names.duplicated()].iloc[0]}; give one of "
            "them another name by dict(table=..., name=...)"
        )
    weighted = [table.weight is not None for table in tables]
    if any(weighted) and (not all(weighted) or len(tables) == 1):
        raise InputError(
            "data.table: a weight must be stated for each of several tables, or for none"
        )
    return tables


def _sample_table(item: str | Mapping[str, Any]) -> SampleTable:
    given = dict(item) if isinstance(item, Mapping) else {"table": item}
    for key in given:
        if key not in ("table", "name", "weight"):
            raise InputError(f"data.table: the keys must be table, name or weight; got {key!r}")
    path, weight = given.get("table"), given.get("weight")
    if not isinstance(path, str):
        raise InputError(f"data.table must name a file (.csv or .parquet); got {path!r}")
    if weight is not None and not (isinstance(weight, int | float) and 0 < weight < float("inf")):
        raise InputError(f"data.table: weight of {path} must be above 0; got {weight!r}")
    return SampleTable(Path(path), str(given.get("name") or Path(path).stem), weight)


def read_rows(path: Path, root: Path) -> pd.DataFrame:
    """Return the rows of a table of photos, ``image`` relative to the root or absolute.

    Raises:
        MissingFileError: The table or a photo is not there.
        InputError: The table is unusable; the message names file and row.
    """
    _check_columns(path)
    table = read_table(path, SAMPLES).drop(columns="fits", errors="ignore")
    if table.empty:
        raise InputError(f"{path}: has no rows")
    table["image"] = _found(path, table["image"], root)
    photo_index(path, table["image"])
    _check_ages(path, table)
    return table


def _read(source: SampleTable, root: Path, known: Sequence[str] = KNOWN) -> pd.DataFrame:
    """Return the rows of a table as samples whose photos are there."""
    path, table = source.path, read_rows(source.path, root)
    if "label" in table:
        table = _spelled_out(table)
    if known:
        knows = table[[name for name in known if name in table]].notna().any(axis=1)
        if not knows.any():
            raise InputError(
                f"{path}: must say something of at least one photo, in one of the columns "
                f"{', '.join(known)}; got none"
            )
        if not knows.all():
            _warn_once(
                f"{path}: {(~knows).sum()} of {len(table)} photos are left out, as nothing is "
                f"known of them, such as {table['image'][~knows].iloc[0]}"
            )
            table = table[knows].reset_index(drop=True)
    alone = table["person"].fillna("") == "" if "person" in table else table["image"].notna()
    given = table.get("person", table["image"])
    table["person"] = given.where(~alone, table["image"])
    if known and alone.any():
        _warn_once(
            f"{path}: {alone.sum()} of {len(table)} photos name no person, and each counts as one: "
            "where several show the same person, scores of people held out are too high; "
            "tools/group_people.py fills the column"
        )
    if "source" not in table or source.weight is not None:
        table["source"] = source.name
    table["source"] = table["source"].fillna(source.name)
    return checked(table, SAMPLES, str(path))


def _spelled_out(table: pd.DataFrame) -> pd.DataFrame:
    """Return the samples with classes as mask, gender and ages: what can be corrected or cut anew.

    Raises:
        InputError: A class contradicts what else is known of its photo.
    """
    with_labels(table)  # refuses contradictions
    given = table["label"].notna()
    parts = decode(table["label"].fillna(0).to_numpy(dtype=np.int64))
    for name, values in (("mask", MASKS), ("gender", GENDERS)):
        said = pd.Series(np.take(values, parts[name]), table.index, dtype="str").where(given)
        table[name] = table[name].fillna(said) if name in table else said
    bounds = [(part.start, part.stop - 1) for part in group_slices()]
    first, last = age_spans(table)
    for name, known, side, inner in (
        ("age_from", first, 0, np.maximum),
        ("age_to", last, 1, np.minimum),
    ):
        bound = np.take([one[side] for one in bounds], parts["age"])
        span = pd.Series(np.where(given, inner(known, bound), known), table.index)
        table[name] = span.astype("Int16")
    return table.drop(columns="label")


def _check_columns(path: Path) -> None:
    """Refuse a column whose name is nearly one of ours."""
    names = column_names(path)
    for name in names:
        meant = nearest(str(name).strip().lower(), set(SAMPLES) - set(names) - {"fits"})
        if name not in SAMPLES and meant:
            raise InputError(f"{path}: unknown column {name}{meant}")


def _found(path: Path, images: pd.Series, root: Path) -> pd.Series:
    """Return the paths of photos relative to the root, or absolute; refuse those not there.

    Relative ones are relative to the table's folder or, where they are not all there, to the root.
    """
    missing: list[tuple[Path, list[str]]] = []
    for base in dict.fromkeys((path.parent, root)):
        lost = [name for name in images if not is_there(os.path.join(base, name))]
        if not lost:
            prefix = os.path.relpath(base, root)
            return images.map(lambda name, prefix=prefix: _name(prefix, name)).astype("str")
        missing.append((base, lost))
    looked = ", ".join(f"{len(lost)} of {len(images)} below {base}" for base, lost in missing)
    raise MissingFileError(
        f"{path}: photos are missing, {looked}, the first is {missing[0][1][0]}; paths are "
        "relative to the table or to data.data_root, or absolute"
    )


def _name(prefix: str, image: str) -> str:
    """Return a path below a folder as tables write it; an absolute one as it is."""
    return Path(os.path.normpath(os.path.join(prefix, image))).as_posix()


def _check_ages(path: Path, table: pd.DataFrame) -> None:
    """Refuse an age outside its range, and a range that ends before it begins."""
    first, last = age_spans(table.drop(columns="age", errors="ignore"))
    wrong = first > last
    if "age" in table:
        age = table["age"].to_numpy(dtype="float64", na_value=float("nan"))
        wrong |= (age < first) | (age > last)
    if wrong.any():
        row = int(wrong.argmax())
        given = table.iloc[row]
        said = ", ".join(
            f"{name} {given[name]}"
            for name in ("age", "age_from", "age_to")
            if pd.notna(given.get(name))
        )
        raise InputError(
            f"{row_place(path, row)} ({given['image']}): age must lie from age_from to age_to; "
            f"got {said}"
        )


@cache
def _warn_once(message: str) -> None:
    logger.warning(message)  # training and validation read the same tables
