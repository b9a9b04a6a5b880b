"""What is odd about the files of a data root: junk, names, photos that are missing or too many."""

import os
from pathlib import Path

import pandas as pd

from mmmask.csv_files import read_csv
from mmmask.datasets.layout import MASK_OF_STEM, is_photo
from mmmask.reading import one_form

#: Problem -> what it means and what becomes of such a file.
PROBLEMS = {
    "junk": "not a photo by its name; left out",
    "odd name": "no state of the mask by its name; left out",
    "missing": "the person has no such photo",
    "twice": "a second photo of the same name; both are used",
    "nobody's": "a folder that train.csv does not list; left out",
    "row and name differ": "gender or age of train.csv is not that of the folder's name",
    "not listed": "a photo of eval/ that info.csv does not list; left out",
}


def folder_facts(root: str | Path | None) -> pd.DataFrame:
    """Return the files and folders with a problem: path relative to ``root``, and problem.

    ``root`` is None where tables list the photos: nothing is expected of a folder then.
    """
    rows: list[tuple[str, str]] = []
    root = Path(root or os.devnull)
    if (root / "train" / "train.csv").is_file():
        rows += _train(root)
    if (root / "eval" / "info.csv").is_file():
        rows += _eval(root)
    return pd.DataFrame(rows, columns=["path", "problem"])


def shared_ids(people: pd.Series) -> pd.DataFrame:
    """Return the people of whom others have the same id: id and person.

    An id is what stands before the first ``_`` of the folder, a suffix such as ``-1`` left out.
    """
    folders = pd.Series(people.unique(), dtype="str")
    table = pd.DataFrame({"id": folders.str.split("_").str[0], "person": folders})
    bare = table["id"].str.split("-").str[0]
    shared = bare.map(bare.value_counts()) > 1
    return table[shared].sort_values(["id", "person"], ignore_index=True)


def _train(root: Path) -> list[tuple[str, str]]:
    people = read_csv(root / "train" / "train.csv", ("gender", "age", "path"))
    rows = []
    for gender, age, name in people[["gender", "age", "path"]].itertuples(index=False):
        parts = str(name).split("_")
        if len(parts) == 4 and (parts[1], parts[3]) != (gender, age):
            rows.append((f"train/images/{name}", "row and name differ"))
    listed = set(people["path"].map(one_form))
    for entry in sorted(os.scandir(root / "train" / "images"), key=lambda entry: entry.name):
        path = f"train/images/{entry.name}"
        if not entry.is_dir():
            rows.append((path, "junk"))
        elif one_form(entry.name) not in listed:
            rows.append((path, "nobody's"))
        else:
            rows += [(f"{path}/{name}", problem) for name, problem in _person(Path(entry.path))]
    return rows


def _person(folder: Path) -> list[tuple[str, str]]:
    """Return (file name, problem) of one person; the name of a missing photo is its stem."""
    rows, seen = [], set()
    for name in sorted(os.listdir(folder)):
        stem = os.path.splitext(name)[0]
        if not is_photo(name):
            rows.append((name, "junk"))
        elif stem not in MASK_OF_STEM:
            rows.append((name, "odd name"))
        elif stem in seen:
            rows.append((name, "twice"))
        else:
            seen.add(stem)
    return rows + [(stem, "missing") for stem in MASK_OF_STEM if stem not in seen]


def _eval(root: Path) -> list[tuple[str, str]]:
    listed = set(read_csv(root / "eval" / "info.csv", ("ImageID",))["ImageID"].map(one_form))
    images = root / "eval" / "images"
    there = sorted(os.listdir(images)) if images.is_dir() else []
    others = [name for name in there if one_form(name) not in listed]
    return [(f"eval/images/{name}", "not listed" if is_photo(name) else "junk") for name in others]
