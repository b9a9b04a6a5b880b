"""The competition's folders on disk -> samples tables.

``ROOT/train/train.csv`` lists the people, ``ROOT/train/images/{path}/`` holds their photos and
the file name tells the state of the mask; ``ROOT/eval/info.csv`` lists unlabelled photos in the
order of the submission.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from mmmask.csv_files import read_csv, row_place
from mmmask.datasets.walk import files_below
from mmmask.errors import InputError, MissingFileError, nearest
from mmmask.known import age_spans
from mmmask.labels import (
    GENDERS,
    MASKS,
    NUM_CLASSES,
    OLD_FROM,
    OLDEST,
    fitting_classes,
    to_bits,
)
from mmmask.reading import on_disk, one_form
from mmmask.table_checks import checked
from mmmask.tables import KNOWN, SAMPLES

#: File stem -> state of the mask.
MASK_OF_STEM = {f"mask{i}": "wear" for i in range(1, 6)} | {
    "incorrect_mask": "incorrect",
    "normal": "normal",
}
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp")
#: Of pictures that cannot be read.
_OTHER_PICTURES = (
    *(".heic", ".heif", ".avif", ".gif", ".tif", ".tiff", ".jp2", ".jxl", ".dng", ".cr2", ".nef"),
    *(".arw", ".raw"),
)
#: Where the photos with labels, and those to be classified, lie, as tables name them.
TRAIN_IMAGES, EVAL_IMAGES = "train/images/", "eval/images/"

logger = logging.getLogger("mmmask")


def count_test_photos(images: Iterable[str]) -> int:
    """Return how many photos, by paths relative to their data root, lie in ``eval/``."""
    test_set = Path(os.path.abspath("eval"))
    return sum(test_set in Path(os.path.abspath(image)).parents for image in images)


def read_train(root: str | Path) -> pd.DataFrame:
    """Return one row for each photo of each person in train.csv, ordered by person and file.

    Extensions may be mixed; hidden files such as ``._mask1.jpg`` are junk and left out; a photo
    with an unknown name or a picture that cannot be read is left out and a person with fewer than 7
    photos is kept, each with a warning. ``label`` is not set: it depends on the age cut (see
    :func:`with_labels`).

    Raises:
        MissingFileError: train.csv or a person's folder is not there.
        InputError: A row of train.csv is unusable; the message names it.
    """
    root = Path(root)
    if not (root / "train" / "train.csv").is_file():
        raise MissingFileError(
            f"{root}/train/train.csv: no such file; --data-root names the folder that holds train/"
        )
    people = _read_people(root / "train" / "train.csv")
    images = root / "train" / "images"
    rows: list[tuple] = []
    unnamed: list[str] = []
    unread: list[str] = []
    incomplete: list[str] = []
    for person in people.itertuples(index=False):
        photos, others = _photos_of(images / person.path)
        unnamed += [f"{person.path}/{name}" for name in others if is_photo(name)]
        unread += others
        if len(photos) != len(MASK_OF_STEM):
            incomplete.append(f"{person.path} ({len(photos)})")
        for name, mask in photos:
            image = f"{TRAIN_IMAGES}{person.path}/{one_form(name)}"
            rows.append((image, person.path, mask, person.gender, person.age))
    if unnamed:
        known = ", ".join(MASK_OF_STEM)
        _warn_once(f"{images}: left out, no mask state by name ({known}): {_some(unnamed)}")
    tell_unread(images, unread)
    if incomplete:
        _warn_once(f"{images}: people without exactly 7 photos: {_some(incomplete)}")
    if not rows:
        raise InputError(f"{images}: none of the {len(people)} people in train.csv has a photo")
    samples = pd.DataFrame(rows, columns=["image", "person", "mask", "gender", "age"])
    samples["source"] = "train"
    samples["weight"] = 1.0
    return checked(samples, SAMPLES, str(root))


def has_eval(root: str | Path) -> bool:
    """Say whether a data root lists photos to predict."""
    return (Path(root) / "eval" / "info.csv").is_file()


def read_eval(root: str | Path) -> pd.DataFrame:
    """Return one row for each line of eval/info.csv, in its order, without labels."""
    root = Path(root)
    info = read_csv(root / "eval" / "info.csv", ("ImageID", "ans"))
    names = info["ImageID"]
    if names.isna().any():
        place = row_place(root / "eval" / "info.csv", int(names.isna().to_numpy().argmax()))
        raise InputError(f"{place}: ImageID is empty")
    names = names.map(one_form)
    if names.duplicated().any():
        raise InputError(
            f"{root}/eval/info.csv: ImageID {names[names.duplicated()].iloc[0]} appears twice"
        )
    images = root / "eval" / "images"
    present = set(map(one_form, _names_in(images)))
    missing = [name for name in names if name not in present]
    if missing:
        raise MissingFileError(
            f"{images}: {len(missing)} of the {len(names)} photos in info.csv are missing, "
            f"the first is {missing[0]}{nearest(missing[0], present)}"
        )
    samples = pd.DataFrame({"image": EVAL_IMAGES + names, "person": ""})
    return checked(samples, SAMPLES, str(root))


def find_photos(folder: str | Path) -> pd.DataFrame:
    """Return a samples table of the photos in a folder and its subfolders, ordered by path.

    ``image`` is relative to the folder, ``person`` is empty, as it is unknown. Links to folders
    are followed. Hidden files are left out, and pictures that cannot be read, with a warning.

    Raises:
        MissingFileError: There is no such folder.
        InputError: It holds no photo.
    """
    folder = Path(folder)
    if folder.is_file():
        raise InputError(f"{folder}: must be a folder of photos; it is a file")
    files = list(files_below(folder))
    images = sorted(file.relative_to(folder).as_posix() for file in files if is_photo(file.name))
    tell_unread(folder, [file.name for file in files])
    if not images:
        raise InputError(f"{folder}: holds no photo ({', '.join(PHOTO_SUFFIXES)})")
    return checked(pd.DataFrame({"image": images, "person": ""}), SAMPLES, str(folder))


def tell_unread(folder: Path, names: Iterable[str]) -> None:
    """Warn of pictures that cannot be read, by their suffixes; the other files are none."""
    suffixes = (os.path.splitext(name)[1].lower() for name in names if not name.startswith("."))
    counts = Counter(suffix for suffix in suffixes if suffix in _OTHER_PICTURES)
    if counts:
        found = ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items()))
        _warn_once(f"{folder}: left out, pictures that cannot be read: {found}; save them as jpg")


def is_photo(name: str) -> bool:
    """Say whether a file is a photo by its name; hidden files such as ``._mask1.jpg`` are junk."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in PHOTO_SUFFIXES


def with_labels(samples: pd.DataFrame, old_from: int = OLD_FROM) -> pd.DataFrame:
    """Return the samples with ``label`` from what is known of them under the given age cut.

    Where not all is known of each photo, ``fits`` says which classes agree with what is, and
    ``label`` is missing where these are several.

    Raises:
        InputError: What is known of a photo contradicts itself.
    """
    mask, gender = (
        pd.Categorical(samples[name], categories=values).codes
        if name in samples
        else np.full(len(samples), -1)
        for name, values in (("mask", MASKS), ("gender", GENDERS))
    )
    fits = fitting_classes(mask, gender, *age_spans(samples), old_from)
    if "label" in samples:
        label = samples["label"].fillna(-1).to_numpy(dtype=np.int64)[:, None]
        fits &= (label == np.arange(NUM_CLASSES)) | (label < 0)
    count = fits.sum(axis=1)
    if (count == 0).any():
        row = samples.iloc[int((count == 0).argmax())]
        known = ", ".join(f"{name} {row[name]}" for name in KNOWN if pd.notna(row.get(name)))
        raise InputError(f"{row['image']}: no class from 0 to {NUM_CLASSES - 1} has {known}")
    label = pd.array(fits.argmax(axis=1), dtype="Int8")
    if (count == 1).all():
        return samples.drop(columns="fits", errors="ignore").assign(label=label)
    label[count > 1] = pd.NA
    return samples.assign(label=label, fits=pd.array(to_bits(fits), dtype="Int32"))


def _read_people(path: Path) -> pd.DataFrame:
    """Return train.csv with one checked row per person: path, gender and age in years."""
    people = read_csv(path, ("id", "gender", "race", "age", "path"))
    for field in ("gender", "age", "path"):
        empty = people.index[people[field].isna()]
        if len(empty):
            raise InputError(f"{row_place(path, empty[0])}: {field} is empty")
        people[field] = people[field].str.strip().map(one_form)
    ages, folders = pd.to_numeric(people["age"], errors="coerce"), people["path"]
    # The folder is joined to the data root: keep a hostile or mistaken csv inside it.
    outside = folders.str.contains(r"[/\\]", regex=True) | folders.isin((".", ".."))
    for field, allowed, right in (
        ("gender", f"be one of {', '.join(GENDERS)}", people["gender"].isin(GENDERS)),
        ("age", f"be whole years from 0 to {OLDEST}", ages.between(0, OLDEST) & (ages % 1 == 0)),
        ("path", "name one folder of train/images, each once", ~outside & ~folders.duplicated()),
    ):
        if not right.all():
            row = people.index[~right][0]
            got = people.loc[row, field]
            raise InputError(f"{row_place(path, row)}: {field} must {allowed}; got {got[:99]!r}")
    return people.assign(age=ages.astype("Int16"))


def _photos_of(folder: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """Return (file name, mask state) of a person's photos by name, and the other files."""
    try:
        names = sorted(entry.name for entry in os.scandir(on_disk(folder)) if entry.is_file())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(
            f"{folder}: train.csv names this folder, but it is not there"
            f"{nearest(folder.name, _names_in(folder.parent))}"
        ) from error
    photos, others = [], []
    for name in names:
        stem = os.path.splitext(name)[0]
        if is_photo(name) and stem in MASK_OF_STEM:
            photos.append((name, MASK_OF_STEM[stem]))
        else:
            others.append(name)
    return photos, others


def _names_in(folder: Path) -> set[str]:
    """Return the names in a folder; none where it is not there."""
    return set(os.listdir(folder)) if folder.is_dir() else set()


def _some(names: list[str], most: int = 3) -> str:
    """Return the first few names and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


@cache
def _warn_once(message: str) -> None:
    logger.warning(message)  # training and validation read the same folders
