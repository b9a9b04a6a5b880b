"""Corrections of wrong labels: a small csv that a person can read, review and extend."""

from pathlib import Path

import pandas as pd

from mmmask.csv_files import row_place
from mmmask.errors import InputError, nearest
from mmmask.labels import GENDERS, MASKS, OLDEST
from mmmask.tables import CORRECTIONS, read_table

#: Label errors of the competition's training data that public solutions agree on.
KNOWN = Path(__file__).with_name("known_corrections.csv")

SWAP = "swap incorrect and normal"
_SWAPPED = {"incorrect": "normal", "normal": "incorrect"}


def read_corrections(path: str | Path) -> pd.DataFrame:
    """Read a corrections csv: person, photo or ``*``, field, value, reason."""
    table = read_table(path, CORRECTIONS)
    check_corrections(table, path)
    return table


def check_corrections(table: pd.DataFrame, where: str | Path) -> None:
    """Refuse rows that say what cannot be: a value of another field, or half a swap.

    Raises:
        InputError: Names the row of ``where``, the field, what is allowed and the value.
    """
    kinds = table.get("kind", table["field"])  # of label issues: which label is doubted
    for row, (one, kind) in enumerate(zip(table.itertuples(index=False), kinds, strict=True)):
        try:
            check_value(one.field, one.value)
            if kind != one.field and not pd.isna(kind):
                raise InputError(f"kind and field must be the same; got {kind} and {one.field}")
            if one.value == SWAP and one.photo != "*":
                raise InputError(f"photo must be * where the value is {SWAP!r}; got {one.photo!r}")
        except InputError as error:
            raise InputError(f"{row_place(where, row)}: {error}") from error


def check_value(field: str, value: str) -> None:
    """Refuse a value that a field cannot be corrected to.

    Raises:
        InputError: Names the field, what is allowed and the value.
    """
    allowed: tuple[str, ...]
    if field == "age":
        allowed = (f"whole years from 0 to {OLDEST}",)
        right = str(value).isdecimal() and len(value) <= 3 and int(value) <= OLDEST
    else:
        allowed = GENDERS if field == "gender" else (*MASKS, SWAP)
        right = value in allowed
    if not right:
        raise InputError(f"{field} must be {' or '.join(allowed)}; got {value[:60]!r}")


def folders_by_name(samples: pd.DataFrame) -> dict[str, list[str]]:
    """Return the folders that a correction may mean by a name: a folder's own, or its id."""
    folders = [str(person) for person in samples["person"].unique()]
    by_id: dict[str, list[str]] = {}
    for folder in folders:
        by_id.setdefault(folder.split("_")[0], []).append(folder)
    return by_id | {folder: [folder] for folder in folders}


def correct(samples: pd.DataFrame, corrections: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return the samples with the corrections applied in order, changed rows marked ``corrected``.

    A correction names a person by the folder or by an id that only one person has.

    Raises:
        InputError: A correction fits no photo, or its id fits two people. ``where`` is named.
    """
    samples = samples.assign(corrected=pd.array([0] * len(samples), dtype="Int8"))
    folders_of = folders_by_name(samples)
    stems = samples["image"].str.rsplit("/", n=1).str[1].str.rsplit(".", n=1).str[0]
    rows_of = dict(samples.groupby("person").groups)
    for row, correction in enumerate(corrections.itertuples(index=False)):
        people = folders_of.get(correction.person, [])
        if len(people) != 1:
            raise InputError(
                f"{row_place(where, row)}: "
                + (
                    f"id {correction.person} fits {' and '.join(people)}; name the folder"
                    if people
                    else f"no person {correction.person!r} among the {len(rows_of)} in the data"
                    f"{nearest(correction.person, folders_of)}"
                )
            )
        rows = rows_of[people[0]]
        if correction.photo != "*":
            of_person = stems[rows]
            rows = rows[of_person == correction.photo]
            if not len(rows):
                raise InputError(
                    f"{row_place(where, row)}: {people[0]} has no photo {correction.photo!r}"
                    f"{nearest(correction.photo, of_person)}"
                )
        if correction.value == SWAP:
            if not samples.loc[rows, "mask"].isin(_SWAPPED).any():
                raise InputError(
                    f"{row_place(where, row)}: {SWAP!r} needs a photo that is "
                    f"{' or '.join(_SWAPPED)}; {people[0]} has none"
                )
            samples.loc[rows, "mask"] = samples.loc[rows, "mask"].replace(_SWAPPED)
        elif correction.field == "age":
            samples.loc[rows, "age"] = int(correction.value)
        else:
            samples.loc[rows, correction.field] = correction.value
        samples.loc[rows, "corrected"] = 1
    return samples
