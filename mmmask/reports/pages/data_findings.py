"""The sentences on what stands out in a data set."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.labels import CLASSES, NUM_CLASSES, OLD_FROM
from mmmask.reports.output import counted
from mmmask.reports.pages.data_facts import DataFacts, called_old, has_age
from mmmask.reports.pages.parts import Finding, by_weight

#: Weight -> what is counted -> section, and what to call it; in the order of the page.
_COUNTED: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "act": {
        "unreadable": ("outliers", "Photos that cannot be read"),
        "corrections": ("corrections", "Label errors here that other teams agree on"),
        "row and name differ": (
            "files",
            "People whose gender or age in train.csv is not that in the name of their folder",
        ),
        "missing": ("files", "Photos missing of the seven that everybody should have"),
        "odd name": ("files", "Photos left out because their name tells no state of the mask"),
        "twice": ("files", "Photos beside another of one name; training uses both"),
        "train and eval": ("outliers", "Photos of eval/ that are in train/ too, pixel by pixel"),
        "two people": ("outliers", "Photos that two people have, pixel by pixel"),
        "no person": ("outliers", "Photos without a person that are there twice, pixel by pixel"),
    },
    "look": {
        "one person": ("outliers", "Photos that one person has twice, pixel by pixel"),
        "near_duplicate": ("outliers", "Photos that nearly equal one of somebody else"),
        "dark": ("outliers", "Dark photos"),
        "small": ("outliers", "Small photos"),
        "ids": ("files", "People who share their id with somebody, so that the folder names them"),
        "nobody's": ("files", "Folders that belong to nobody in train.csv"),
        "not listed": ("files", "Photos of eval/ that are not in info.csv"),
    },
    "know": {
        "junk": ("files", "Junk files among the photos, which nothing reads"),
        "sizes": ("photos", "Different sizes of photos"),
    },
}


def find(facts: DataFacts) -> list[Finding]:
    """Return what stands out: first what is wrong, then what may be, then what to reckon with."""
    counts = _counts(facts)
    found = [
        Finding(weight, f"{words}: {counts[name]:,}.", section)
        for weight, things in _COUNTED.items()
        for name, (section, words) in things.items()
        if counts.get(name)
    ]
    return by_weight([*found, *_unknown(facts), *_classes(facts), *_ages(facts)])


def class_sizes(train: pd.DataFrame) -> NDArray[np.int64]:
    """Return the number of photos of each class, (18,), of those whose class is known."""
    known = train["label"].dropna().to_numpy(dtype=np.int64)
    return np.bincount(known, minlength=NUM_CLASSES)


def where_copied(facts: DataFacts) -> pd.Series:
    """Return for each copy where it and its original are.

    The values are "one person", "two people", "no person", "train and eval" and "eval".
    """
    photos = facts.photos.set_index("image")[["part", "person"]]
    one, other = (photos.loc[facts.copies[name]].reset_index(drop=True) for name in ("image", "of"))
    where = pd.Series("two people", index=one.index)
    where[one["person"] == other["person"]] = "one person"
    alone = (one["person"] == facts.copies["image"]) | (other["person"] == facts.copies["of"])
    where[alone] = "no person"
    where[one["part"] == "eval"] = "eval"
    where[one["part"] != other["part"]] = "train and eval"
    return where


def _counts(facts: DataFacts) -> dict[str, int]:
    """Return how often each thing occurs that a sentence may tell."""
    sizes = facts.photos.groupby(["width", "height"]).ngroups
    return {
        **facts.files["problem"].value_counts(),
        **facts.outliers["reason"].value_counts(),
        **where_copied(facts).value_counts(),
        "ids": len(facts.shared_ids),
        "sizes": sizes if sizes > 1 else 0,
        "corrections": 0 if facts.corrections is None else len(facts.corrections),
    }


def _unknown(facts: DataFacts) -> Iterator[Finding]:
    unnamed = int((~facts.named).sum())
    if unnamed:
        yield Finding(
            "look",
            f"{unnamed:,} photos name no person, and each counts as one: where several show the "
            "same person, scores of people held out are too high. tools/group_people.py fills the "
            "column.",
            "known",
        )
    people = facts.people
    told = {
        "mask": facts.train["mask"].notna(),
        "gender": people["gender"].notna(),
        "age": has_age(people),
    }
    for name, known in told.items():
        if not known.any():
            yield Finding(
                "know",
                f"No photo tells the {name}: a model of all 18 classes needs another table beside "
                "this one, which does.",
                "known",
            )


def _classes(facts: DataFacts) -> Iterator[Finding]:
    sizes, photos = class_sizes(facts.train), len(facts.train)
    if not sizes.any():
        return
    least, most = sizes.argmin(), sizes.argmax()
    known = "" if sizes.sum() == photos else f"Of {sizes.sum():,} photos the class is known. "
    yield Finding(
        "know",
        f"{known}The largest class, {CLASSES[most]}, has {counted(sizes[most], 'photos')}; the "
        f"smallest, {CLASSES[least]}, has {sizes[least]:,}, and counts as much in macro F1.",
        "classes",
    )


def _ages(facts: DataFacts) -> Iterator[Finding]:
    people = facts.people
    old, earlier = called_old(people, OLD_FROM), called_old(people, 58)
    known, both = old.notna(), old.notna() & earlier.notna()
    if not known.any():
        return
    all_known, some = both.all(), f"the {known.sum():,} people whose age tells it"
    yield Finding(
        "know",
        f"{100 * old[known].mean():.1f} % of {'the people' if known.all() else some} are called old"
        + (f"; with the cut at 58 it would be {100 * earlier.mean():.1f} %" if all_known else "")
        + ". The test set may hold another share.",
        "ages",
    )
    ages = people["age"].dropna()
    if ages.empty:
        return
    counts, oldest = ages.value_counts(), int(ages.max())
    near = counts.reindex([oldest - 1, oldest - 2], fill_value=0).mean()
    if oldest == OLD_FROM and counts[oldest] > 2 * near:
        yield Finding(
            "know",
            f"Nobody is older than {oldest}, and {counts[oldest]:,} people are exactly that: the "
            "ages look clipped, and the years above are lost.",
            "ages",
        )
