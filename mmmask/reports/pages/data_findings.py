"""What is known of a data set, and the sentences on what stands out in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.labels import CLASSES, NUM_CLASSES, OLD_FROM
from mmmask.reports.pages.parts import Finding

#: First ages called old that teams used.
AGE_CUTS = (57, 58, 59, 60)


@dataclass(frozen=True)
class DataFacts:
    """What is known of a data root.

    Attributes:
        root: Its path.
        photos: A samples table of ``train/`` and then ``eval/`` with ``part`` (train or eval) and,
            missing where a photo cannot be read, ``light`` (0 to 255), ``width`` and ``height``
            (pixels). ``label`` has the competition's age cut; ``fold`` is of the usual split.
        colours: Mean and standard deviation of the pixels of ``train/``, RGB on the scale 0 to 255.
        outliers: The table ``mmmask.tables.OUTLIERS``, of both parts.
        copies: Photos that equal an earlier one pixel by pixel: image, of.
        files: Files with a problem: path, problem (see ``mmmask.datasets.folder_facts``).
        shared_ids: People of whom others have the same id: id, person.
        corrections: Known corrections that would change labels: image, field, value, reason; None
            where the list is of other data.
    """

    root: str
    photos: pd.DataFrame
    colours: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    outliers: pd.DataFrame
    copies: pd.DataFrame
    files: pd.DataFrame
    shared_ids: pd.DataFrame
    corrections: pd.DataFrame | None

    @property
    def train(self) -> pd.DataFrame:
        """The photos of ``train/``."""
        return self.photos[self.photos["part"] == "train"]

    @property
    def eval(self) -> pd.DataFrame:
        """The photos of ``eval/``."""
        return self.photos[self.photos["part"] == "eval"]

    @property
    def people(self) -> pd.DataFrame:
        """One row per person of ``train/``, their first photo."""
        return self.train.drop_duplicates("person")


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
    return [*found, *_labels_and_ages(facts)]


def class_sizes(train: pd.DataFrame) -> NDArray[np.int64]:
    """Return the number of photos of each class, (18,)."""
    return np.bincount(train["label"].to_numpy(dtype=np.int64), minlength=NUM_CLASSES)


def where_copied(facts: DataFacts) -> pd.Series:
    """Return for each copy where it and its original are.

    The values are "one person", "two people", "train and eval" and "eval".
    """
    photos = facts.photos.set_index("image")[["part", "person"]]
    one, other = (photos.loc[facts.copies[name]].reset_index(drop=True) for name in ("image", "of"))
    where = pd.Series("two people", index=one.index)
    where[one["person"] == other["person"]] = "one person"
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


def _labels_and_ages(facts: DataFacts) -> Iterator[Finding]:
    sizes, ages = class_sizes(facts.train), facts.people["age"]
    least, most = sizes.argmin(), sizes.argmax()
    yield Finding(
        "know",
        f"The largest class, {CLASSES[most]}, has {sizes[most]:,} photos; the smallest, "
        f"{CLASSES[least]}, has {sizes[least]:,}, and counts as much in macro F1.",
        "classes",
    )
    yield Finding(
        "know",
        f"{100 * (ages >= OLD_FROM).mean():.1f} % of the people are called old; with the cut at "
        f"58 it would be {100 * (ages >= 58).mean():.1f} %. The test set may hold another share.",
        "ages",
    )
    counts, oldest = ages.value_counts(), int(ages.max())
    near = counts.reindex([oldest - 1, oldest - 2], fill_value=0).mean()
    if oldest == OLD_FROM and counts[oldest] > 2 * near:
        yield Finding(
            "know",
            f"Nobody is older than {oldest}, and {counts[oldest]:,} people are exactly that: the "
            "ages look clipped, and the years above are lost.",
            "ages",
        )
