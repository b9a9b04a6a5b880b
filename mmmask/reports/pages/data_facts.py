"""What is known of a data set: the content of its page."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.datasets.splits import known_of_people
from mmmask.known import age_spans
from mmmask.labels import OLDEST


@dataclass(frozen=True)
class DataFacts:
    """What is known of a data root or a table of photos.

    Attributes:
        root: Its path.
        photos: A samples table of ``train/`` and then ``eval/`` with ``part`` (train or eval) and,
            missing where a photo cannot be read, ``light`` (0 to 255), ``width`` and ``height``
            (pixels). ``mask``, ``gender`` and ``age`` are always there, missing where unknown.
            ``label`` has the competition's age cut; ``fold`` is of the usual split.
        colours: Mean and standard deviation of the pixels of ``train/``, RGB on the scale 0 to 255.
        outliers: The table ``mmmask.tables.OUTLIERS``, of both parts.
        copies: Photos that equal an earlier one pixel by pixel: image, of.
        files: Files with a problem: path, problem (see ``mmmask.datasets.folder_facts``).
        shared_ids: People of whom others have the same id: id, person.
        corrections: Known corrections that would change labels: image, field, value, reason; None
            where the list is of other data.
        of_table: Whether a table lists the photos: all are of part train then, and nothing is
            expected of folders.
        given_folds: Whether the table says who is held out together.
    """

    root: str
    photos: pd.DataFrame
    colours: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    outliers: pd.DataFrame
    copies: pd.DataFrame
    files: pd.DataFrame
    shared_ids: pd.DataFrame
    corrections: pd.DataFrame | None
    of_table: bool = False
    given_folds: bool = False

    @property
    def train(self) -> pd.DataFrame:
        """The photos of ``train/``."""
        return self.photos[self.photos["part"] == "train"]

    @property
    def eval(self) -> pd.DataFrame:
        """The photos of ``eval/``."""
        return self.photos[self.photos["part"] == "eval"]

    @property
    def grouping(self) -> str:
        """The column by which photos are told apart: the part, or in a table the source."""
        return "source" if self.of_table else "part"

    @property
    def named(self) -> pd.Series:
        """Whether the table names the person of each photo of ``train/``."""
        return self.train["person"] != self.train["image"]

    @cached_property
    def people(self) -> pd.DataFrame:
        """One row per person of ``train/``, as their photos tell.

        ``gender``, ``age_group`` and ``age`` in years are missing where unknown; the age is from
        ``age_from`` to ``age_to``, as the photo says that knows it best.
        """
        train = self.train
        told = known_of_people(train).replace("", None).set_index("person")
        first, last = age_spans(train)
        spans = train[["person"]].assign(age_from=first, age_to=last)
        best = spans.iloc[np.argsort(last - first, kind="stable")].drop_duplicates("person")
        best = best.set_index("person").assign(gender=told["gender"], age_group=told["age_group"])
        people = train[["person", "fold"]].drop_duplicates("person").join(best, on="person")
        exact = people["age_from"] == people["age_to"]
        return people.assign(age=people["age_from"].astype("Int16").where(exact))


def has_age(people: pd.DataFrame) -> pd.Series:
    """Return of which people something is known of the age."""
    return (people["age_from"] > 0) | (people["age_to"] < OLDEST)


def called_old(people: pd.DataFrame, cut: int) -> pd.Series:
    """Return 1 for people who are old from ``cut`` on, 0 for others, missing where unknown."""
    old = (people["age_from"] >= cut).astype("Int8")
    return old.where((people["age_from"] >= cut) | (people["age_to"] < cut))


def age_in_words(first: int, last: int) -> str:
    """Return an age, or a range of ages; empty where nothing is known."""
    if first == last:
        return f"{first}"
    if last == OLDEST:
        return f"from {first}" if first else ""
    return f"{first}-{last}" if first else f"to {last}"
