"""FairFace: a csv of ranges of ages."""

from pathlib import Path

from mmmask.csv_files import read_csv, row_places
from mmmask.datasets.foreign.gathered import Gathered, check_photo
from mmmask.errors import InputError, nearest

_GENDERS = {"Male": "male", "Female": "female"}
#: Range of ages -> first and last year, both included.
_AGES = {
    "0-2": {"age_from": 0, "age_to": 2},
    "3-9": {"age_from": 3, "age_to": 9},
    **{f"{age}-{age + 9}": {"age_from": age, "age_to": age + 9} for age in range(10, 70, 10)},
    "more than 70": {"age_from": 70},  # the range after 60-69: 70 is among them
}


def read_fairface(src: Path, found: Gathered, *, images: Path | None = None) -> None:
    """Add the photos of a csv with the columns ``file,age,gender,race,service_test``.

    Source: https://github.com/joojs/fairface; Kärkkäinen and Joo: FairFace, WACV 2021.

    Args:
        src: The csv, such as fairface_label_train.csv.
        found: Takes the rows.
        images: What ``file`` is relative to; by default the folder of the csv.
    """
    table = read_csv(src, ("file", "age", "gender")).fillna("")
    place = row_places(src)
    for row, (file, age, gender) in enumerate(table[["file", "age", "gender"]].to_numpy()):
        with found.row(place(row)):
            for name, value, known in (("age", age, _AGES), ("gender", gender, _GENDERS)):
                if value not in known:
                    allowed = ", ".join(known)
                    close = nearest(value, known)
                    raise InputError(f"{name} must be one of {allowed}; got {value!r}{close}")
            photo = (src.parent if images is None else images) / file
            check_photo(photo)
            found.add(photo, _AGES[age], {"gender": _GENDERS[gender]})
