"""The tables that flow between files, models and submissions: their only definition.

``samples`` has one row per photo that a model learns from or predicts; ``predictions`` has one row
per photo that a model has seen. Parquet keeps dtypes and provenance, csv can be edited by hand;
the suffix of the path decides.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mmmask.csv_files import check_columns, check_once, read_csv
from mmmask.errors import InputError, first_line
from mmmask.files import atomic_write, write_csv
from mmmask.json_files import check_kinds, json_object
from mmmask.labels import AGE_GROUPS, ATTRIBUTES, GENDERS, MASKS, NUM_CLASSES, OLDEST
from mmmask.reading import check_file, one_form
from mmmask.table_checks import LARGEST, Column, checked

#: Columns that name photos and people.
_NAMES = ("image", "of", "person", "photo")

_PROVENANCE_KEY = b"mmmask"
#: Field of a provenance that is read by its name -> its type.
_STATED = {
    **dict.fromkeys(("checkpoint", "checkpoint_hash", "path", "hash", "config", "split"), str),
    **dict.fromkeys(("attribute", "config_hash", "data_fingerprint", "time", "vote"), str),
    **dict.fromkeys(("code", "versions", "provenance", "unlabelled", "pseudo_labels"), dict),
    "preprocessing": dict,
    "calibrated": bool,
    **dict.fromkeys(("unlabelled.from_test_set", "pseudo_labels.from_test_set"), int),
    "tta": list[str],
    "old_from": int,
    **dict.fromkeys(("members", "composed_of"), list[dict]),
    "chosen": dict,
    "chosen.by": str,
    "chosen.epochs": list,
    "chosen.flattery": float,
}


PROBABILITIES = tuple(f"p{label:02d}" for label in range(NUM_CLASSES))
YEARS = tuple(f"year_{age}" for age in range(OLDEST + 1))

_FROM_0, _FROM_1, _0_TO_1 = (0, LARGEST), (1, LARGEST), (0, 1)
_CLASS, _AGE = (0, NUM_CLASSES - 1), (0, OLDEST)

_IMAGE = Column(
    "str",
    "path of the photo relative to the data root and separated by /, or absolute",
    complete=True,
)
_TRUE_AGE = Column("Int16", "true age in years", required=False, limits=_AGE)

_PERSON = Column(
    "str", "who it is; in the competition's layout the directory, as ids are not unique"
)
_SOURCE = Column("str", "name of the data set that the photo is from", required=False)
#: All that is known of a photo, by column; each may be missing.
KNOWN = (*ATTRIBUTES, "age_from", "age_to", "label")

SAMPLES: Mapping[str, Column] = {
    "image": _IMAGE,
    "person": replace(_PERSON, required=False),
    "mask": Column("str", "state of the mask", MASKS, required=False),
    "gender": Column("str", "gender", GENDERS, required=False),
    "age": _TRUE_AGE,
    "age_from": replace(_TRUE_AGE, meaning="least age in years, where the age is not known"),
    "age_to": replace(_TRUE_AGE, meaning="highest age in years, where the age is not known"),
    "label": Column("Int8", "class 0-17, missing where unknown", required=False, limits=_CLASS),
    "fits": Column(
        "Int32",
        "bit c is set where class c agrees with what is known; made where labels are missing",
        required=False,
        limits=(1, 2**NUM_CLASSES - 1),
    ),
    "source": _SOURCE,
    "corrected": Column(
        "Int8", "1 where corrections changed what is known", required=False, limits=_0_TO_1
    ),
    "weight": Column(
        "float32", "weight of the photo in the loss, missing for 1", required=False, limits=_FROM_0
    ),
    "fold": Column("Int8", "fold that holds the person out", required=False, limits=_FROM_0),
}


def _predictions(probabilities: Sequence[str], of: str) -> dict[str, Column]:
    """Return the definition of a predictions table with these probabilities."""
    probability = Column(
        "float32", f"probability of the {of}", limits=_0_TO_1, complete=True, share_of=of
    )
    year = replace(
        probability,
        meaning="probability of the age in years; 0 where absent",
        required=False,
        share_of="year",
    )
    answer = Column(
        "Int8",
        "class to submit, where not the most probable",
        required=False,
        limits=(0, len(probabilities) - 1),
        complete=True,
    )
    return {
        "image": _IMAGE,
        **dict.fromkeys(probabilities, probability),
        "label": Column("Int8", "true class 0-17", required=False, limits=_CLASS),
        "fits": SAMPLES["fits"],
        "person": SAMPLES["person"],
        "age": _TRUE_AGE,
        "source": _SOURCE,
        "fold": Column(
            "Int8", "fold whose model made the prediction", required=False, limits=_FROM_0
        ),
        "answer": answer,
        **dict.fromkeys(YEARS, year),
    }


PREDICTIONS: Mapping[str, Column] = _predictions(PROBABILITIES, "class")

#: Attribute -> the columns of its values, in the order of ``mmmask.labels.ATTRIBUTES``.
ATTRIBUTE_PROBABILITIES: Mapping[str, tuple[str, ...]] = {
    name: tuple(f"{name}_{value}" for value in range(len(values)))
    for name, values in ATTRIBUTES.items()
}
#: Attribute -> the predictions of a model of it alone; ``p00`` to ``p17`` are absent.
ATTRIBUTE_PREDICTIONS: Mapping[str, Mapping[str, Column]] = {
    name: _predictions(columns, name) for name, columns in ATTRIBUTE_PROBABILITIES.items()
}

CORRECTIONS: Mapping[str, Column] = {
    "person": Column("str", "the person, or an id that only one directory has", complete=True),
    "photo": Column(
        "str", "file stem such as mask1, or * for all photos of the person", complete=True
    ),
    "field": Column("str", "what to correct", (*ATTRIBUTES,), complete=True),
    "value": Column("str", "new value; for mask also 'swap incorrect and normal'", complete=True),
    "reason": Column("str", "why, for the next reader", required=False),
}

#: Proposed corrections to review, best first within a kind; a valid table of corrections as it is.
LABEL_ISSUES: Mapping[str, Column] = {
    "kind": Column("str", "which label is doubted", (*ATTRIBUTES,)),
    **{name: column for name, column in CORRECTIONS.items() if name != "reason"},
    "probability": Column(
        "float64", "of a wrong label, as models estimate it", required=False, limits=_0_TO_1
    ),
    "reason": CORRECTIONS["reason"],
}

OUTLIERS: Mapping[str, Column] = {
    "image": _IMAGE,
    "reason": Column("str", "unreadable, dark, small or near_duplicate", required=False),
    "value": Column(
        "float64", "luminance 0-255, pixels, or hash bits of 64", required=False, limits=_FROM_0
    ),
    "of": Column("str", "the photo that a near-duplicate resembles", required=False),
}

_PIXELS = Column(
    "Int32", "size of the photo in pixels, EXIF rotation applied", limits=_FROM_1, complete=True
)

BOXES: Mapping[str, Column] = {
    "image": _IMAGE,
    "width": _PIXELS,
    "height": _PIXELS,
    "x0": Column("float32", "left edge of the face in pixels, missing where none was found"),
    "y0": Column("float32", "upper edge of the face in pixels"),
    "x1": Column("float32", "right edge of the face in pixels"),
    "y1": Column("float32", "lower edge of the face in pixels"),
    "score": Column("float32", "how sure the detector is, 0 to 1", limits=_0_TO_1),
}

SUBMISSIONS: Mapping[str, Column] = {
    "number": Column(
        "Int32", "counts the submissions of a ledger from 1", limits=_FROM_1, complete=True
    ),
    "time": Column("str", "local time with offset"),
    "path": Column("str", "file that was written"),
    "answers": Column("str", "hash of photos and classes: equal for equal submissions"),
    "photos": Column("str", "hash of the photos: which test set it answers"),
    "score": Column(
        "float64", "macro F1 of the leaderboard, once entered", required=False, limits=_0_TO_1
    ),
    "predictions": Column("str", "table that the classes are from", required=False),
    "checkpoints": Column("str", "weights behind it, separated by a space", required=False),
    "config_hash": Column("str", "hash of the config's text", required=False),
    "command": Column("str", "command line that wrote it", required=False),
    "learned": Column("str", "warning of photos of the test set it learned from", required=False),
    "note": Column("str", "for the next reader", required=False),
}

SCORES: Mapping[str, Column] = {
    "time": Column("str", "local time with offset"),
    "checkpoint": Column("str", "file name of the weights"),
    "split": Column("str", "val, train, all or eval"),
    "views": Column("str", "views of test-time augmentation, separated by a space", required=False),
    "old_from": Column(
        "Int16", "first age called old by the predictions", required=False, limits=_AGE
    ),
    "photos": Column("Int32", "photos scored", limits=_FROM_1, complete=True),
    "macro_f1": Column("float64", "macro F1", limits=_0_TO_1, complete=True),
    "low": Column("float64", "lower bound of its 95 % interval", required=False, limits=_0_TO_1),
    "high": Column("float64", "upper bound", required=False, limits=_0_TO_1),
    "resampled": Column("str", "what the interval resamples", ("people", "photos"), required=False),
    "predictions": Column("str", "table that was scored"),
}

#: Of the people held out; beside these, ``epoch_N``, the answers of a validated epoch.
EPOCH_ANSWERS: Mapping[str, Column] = {
    "image": _IMAGE,
    "person": replace(_PERSON, complete=True),
    "label": PREDICTIONS["label"],
    "fits": PREDICTIONS["fits"],
}

SHARES: Mapping[str, Column] = {
    "of": Column("str", "what has shares that sum to 1", ("class", *ATTRIBUTES)),
    "value": Column("str", "class 0-17, or a value of the attribute such as >=60"),
    "share": Column(
        "float64", "share of the photos to predict, 0 to 1", limits=_0_TO_1, complete=True
    ),
    "low": Column(
        "float64", "lower bound of the share's 95 % interval", required=False, limits=_0_TO_1
    ),
    "high": Column("float64", "upper bound", required=False, limits=_0_TO_1),
}

ANSWERS: Mapping[str, Column] = {
    "image": Column("str", "the photo, as its prediction names it", complete=True),
    "answer": Column("Int8", "most probable class 0-17", required=False, limits=_CLASS),
    "mask": Column("str", "mask of the answer", MASKS, required=False),
    "gender": Column("str", "gender of the answer", GENDERS, required=False),
    "age_group": Column("str", "age group of the answer", AGE_GROUPS, required=False),
    "probability": Column("float32", "probability of the answer", limits=_0_TO_1, complete=True),
    **{
        f"{name}_probability": Column(
            "float32", f"probability of its {name} alone", required=False, limits=_0_TO_1
        )
        for name in ATTRIBUTES
    },
    "median_age": Column("Int16", "age in years, of a model of years", required=False, limits=_AGE),
}

FACE_ANSWERS: Mapping[str, Column] = {
    "image": ANSWERS["image"],
    "face": Column(
        "Int16", "number of the face in the photo, from left to right, from 0", limits=_FROM_0
    ),
    **{edge: BOXES[edge] for edge in ("x0", "y0", "x1", "y1", "score")},
    **{name: column for name, column in ANSWERS.items() if name != "image"},
}


def read_table(
    path: str | Path, columns: Mapping[str, Column], *, only: Collection[str] | None = None
) -> pd.DataFrame:
    """Read a csv or parquet file and check it against the definition of its columns.

    Names of photos and people come in the form of :func:`mmmask.reading.one_form`, in which they
    are compared. The provenance of a parquet file stands in ``table.attrs['provenance']``. ``only``
    names the columns to read of those that the file has, of shares all or none; None reads all.
    """
    path = Path(path)
    names = column_names(path)
    check_columns([name for name, column in columns.items() if column.required], names, path)
    wanted = names if only is None else [name for name in names if name in only]
    if path.suffix == ".csv":
        return _in_one_form(checked(read_csv(path)[wanted], columns, str(path), file=True))
    with _readable(path):
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            arrow, rows = file.read(columns=wanted), file.metadata.num_rows
        # What pandas noted of its own dtypes says nothing that the definition does not.
        frame = arrow.replace_schema_metadata(None).to_pandas()
    if len(frame) != rows:
        raise InputError(f"{path}: is damaged: of {rows} rows, {len(frame)} are there")
    table = _in_one_form(checked(frame, columns, str(path), file=True))
    table.attrs["provenance"] = _provenance(arrow.schema, path)
    return table


def _in_one_form(table: pd.DataFrame) -> pd.DataFrame:
    for name in _NAMES:
        if name in table and not table[name].str.isascii().fillna(True).all():
            table[name] = table[name].map(one_form, na_action="ignore").astype("str")
    return table


def column_names(path: str | Path) -> list[str]:
    """Return the names of the columns of a csv or parquet file."""
    path = Path(path)
    check_file(path)
    if path.suffix == ".parquet":
        with _readable(path):
            names = list(pq.read_schema(path).names)
        check_once(names, path)
        return names
    check_table_name(path)
    return list(read_csv(path, rows=0))


def check_table_name(path: str | Path) -> None:
    """Refuse a file name that no table can have."""
    if (suffix := Path(path).suffix) not in {".parquet", ".csv"}:
        raise InputError(
            f"{path}: a table must end in .parquet or .csv; got {suffix or 'no suffix'}"
        )


def read_provenance(path: str | Path) -> dict[str, Any]:
    """Return the provenance in a parquet file, without its rows; empty where there is none."""
    with _readable(path):
        schema = pq.read_schema(path)
    return _provenance(schema, path)


@contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    """Name a file that is no parquet file."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable parquet file: {first_line(error)}") from error


def _provenance(schema: pa.Schema, path: str | Path) -> dict[str, Any]:
    stored = (schema.metadata or {}).get(_PROVENANCE_KEY, b"{}")
    where = f"{path}: its provenance"
    try:
        stated = json_object(stored, where, infinite=True)
        _check_stated(stated, where)
    except InputError as error:
        raise InputError(f"{error}; make it anew, or save it as csv, which has none") from error
    return stated


def _check_stated(stated: dict[str, Any], where: str) -> None:
    """Refuse a provenance with a field of another type, in those inside it too."""
    check_kinds(deepcopy(stated), _STATED, where)
    inner = [*(stated.get("members") or ()), *(stated.get("composed_of") or ())]
    for one in [*inner, stated.get("provenance") or {}]:
        if one:
            _check_stated(one, where)


def write_table(
    path: str | Path,
    table: pd.DataFrame,
    columns: Mapping[str, Column],
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Check a table and write it whole, as parquet with its provenance or as csv without."""
    path = Path(path)
    table = checked(table, columns, str(path))
    check_table_name(path)
    if path.suffix == ".csv":
        write_csv(path, table)
        return
    with atomic_write(path) as partial:
        table.attrs = {}  # pandas would write them a second time
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        metadata = {**(arrow.schema.metadata or {})}
        metadata[_PROVENANCE_KEY] = json.dumps(dict(provenance or {}), sort_keys=True).encode()
        pq.write_table(arrow.replace_schema_metadata(metadata), partial, write_page_checksum=True)


def photo_index(table: object, images: pd.Series) -> pd.Index:
    """Return the photos of a table as an index; an :class:`InputError` if one appears twice.

    ``table`` names it in the message.
    """
    index = pd.Index(images)
    if index.has_duplicates:
        raise InputError(f"{table}: {index[index.duplicated()][0]} appears twice")
    return index


def rows_like(
    first: object,  # names the table of ``images`` in messages
    images: pd.Series,
    other: object,  # names the table of ``others``
    others: pd.Series,
) -> NDArray[np.intp] | None:
    """Return the rows of ``others`` that hold the photos ``images``, (N,); None: all in order.

    An :class:`InputError` says that they are not the same photos, or that one appears twice.
    """
    index = photo_index(other, others)
    if index.equals(pd.Index(images)):
        return None
    rows = index.get_indexer(images)
    if len(rows) != len(index) or (rows < 0).any():
        different = index.symmetric_difference(pd.Index(images))
        raise InputError(
            f"{first} and {other} have different photos, {len(different)} are in one alone, "
            f"such as {different[0]}"
        )
    return rows


def check_finite(model: object, *outputs: NDArray[np.floating] | None) -> None:
    """Refuse outputs of a model, None being absent ones, that are not finite numbers.

    Raises:
        InputError: Names ``model``, its file.
    """
    if not all(np.isfinite(values).all() for values in outputs if values is not None):
        raise InputError(
            f"{model}: the model's outputs are not finite numbers; its weights probably hold NaN"
        )


def probabilities(predictions: pd.DataFrame) -> NDArray[np.float32]:
    """Return the probabilities of a predictions table: (N, 18), or (N, 3 or 2) of an attribute."""
    _, names = prediction_columns(attribute_of(predictions))
    return predictions[list(names)].to_numpy(dtype=np.float32)


def answers(predictions: pd.DataFrame) -> NDArray[np.int64]:
    """Return the classes to submit, (N,): the column ``answer``, else the most probable."""
    if "answer" in predictions:
        return predictions["answer"].to_numpy(dtype=np.int64)
    return probabilities(predictions).argmax(axis=1)


def prediction_columns(attribute: str | None) -> tuple[Mapping[str, Column], tuple[str, ...]]:
    """Return the columns of the predictions of an attribute, None: of the 18 classes.

    Returns:
        Their definition, and the names of the probabilities.
    """
    if attribute is None:
        return PREDICTIONS, PROBABILITIES
    return ATTRIBUTE_PREDICTIONS[attribute], ATTRIBUTE_PROBABILITIES[attribute]


def attribute_of(predictions: Collection[str]) -> str | None:
    """Return which attribute a table, or names of its columns, is about; None: the 18 classes."""
    if set(PROBABILITIES) & set(predictions):
        return None
    found = (name for name, columns in ATTRIBUTE_PROBABILITIES.items() if columns[0] in predictions)
    return next(found, None)


def read_predictions(path: str | Path, *, only: Collection[str] | None = None) -> pd.DataFrame:
    """Read predictions of the 18 classes or of one attribute, as the columns say.

    ``only`` names the columns to read beside the probabilities; None reads all.
    """
    columns, names = prediction_columns(attribute_of(column_names(path)))
    table = read_table(path, columns, only=None if only is None else {*names, *only})
    if table.empty:
        raise InputError(f"{path}: has no rows; predictions must be of at least one photo")
    return table


def predictions_table(
    photos: pd.DataFrame,  # what is known of them, such as ``image``, ``label`` and ``person``
    probabilities: NDArray[np.floating],  # (N, 18), or (N, C) of a model of one attribute
    years: NDArray[np.floating] | None = None,  # (N, 121), of a model of years
    *,
    attribute: str | None = None,  # what the model predicts alone
) -> pd.DataFrame:
    """Return a predictions table."""
    _, names = prediction_columns(attribute)
    parts = [photos, pd.DataFrame(probabilities.astype(np.float32), columns=list(names))]
    if years is not None:
        parts.append(year_columns(years))
    return pd.concat(parts, axis=1)


def years_of(predictions: pd.DataFrame) -> NDArray[np.float32] | None:
    """Return the probabilities of the ages 0 to 120, (N, 121), or None where there are none."""
    if not set(YEARS) & set(predictions):
        return None
    return predictions.reindex(columns=list(YEARS), fill_value=0).to_numpy(dtype=np.float32)


def year_columns(years: NDArray[np.floating]) -> pd.DataFrame:
    """Return the columns of the years that have a probability, from (N, 121)."""
    used = np.flatnonzero(years.any(axis=0))
    columns = [YEARS[age] for age in used]
    return pd.DataFrame(years[:, used].astype(np.float32), columns=columns)
