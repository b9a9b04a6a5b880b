"""What is known of a run: its curves and cards, and how it answered the photos held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.ages import Ages
from mmmask.evaluation.disagreement import disagreement
from mmmask.evaluation.intervals import score_intervals, units_to_draw
from mmmask.evaluation.jackknife import Interval
from mmmask.evaluation.parts import Part, parts_of
from mmmask.evaluation.slices import Members
from mmmask.known import truths_of
from mmmask.ledger.calibrated_people import calibrated_on_people
from mmmask.ledger.chosen_epoch import chosen_by_people
from mmmask.ledger.curves import Curves
from mmmask.ledger.provenance import learned_from_test_set
from mmmask.reports.pages.thumbnails import NO_THUMBNAILS, Thumbnails
from mmmask.tables import attribute_of

#: What slices of a single year of age are by.
BY_YEAR = "year of age"
#: Wrong answers that the page shows, and people whose photos disagree.
MOST_ERRORS, MOST_PEOPLE = 1000, 200


@dataclass(frozen=True)
class Scored:
    """Answers to photos of people whom the model was not trained on.

    Attributes:
        table: Predictions with ``label`` and, where it is known, ``person``; beside them ``age``
            (years) and ``light`` (0 to 255), NaN where unknown.
        slices: What photos are sliced by -> the slices.
        made_by: In words: the checkpoint and how.
    """

    table: pd.DataFrame
    slices: Mapping[str, Members]
    made_by: str

    @cached_property
    def truths(self) -> Mapping[str, NDArray[np.int64]]:
        """``class`` and attributes -> (N,) their true values, -1 where unknown."""
        return truths_of(self.table)

    @cached_property
    def attribute(self) -> str | None:
        """The attribute that the model predicts alone; None: the 18 classes."""
        return attribute_of(self.table)

    @cached_property
    def units(self) -> NDArray:
        """(N,) who is in each photo; where that is unknown each photo is by itself."""
        return units_to_draw(self.table)[0]

    @cached_property
    def parts(self) -> list[Part]:
        """As of :func:`mmmask.evaluation.parts.parts_of`: the class first, then attributes."""
        return parts_of(self.table)

    @property
    def known_parts(self) -> list[Part]:
        """The parts that photos know, each with these photos alone."""
        return [part.of_known for part in self.parts if part.known.any()]

    def units_of(self, name: str) -> NDArray:
        """:attr:`units` of the photos that know a part."""
        return self.units[self.truths[name] >= 0]

    @property
    def whole(self) -> Part:
        """The part whose answers are right or wrong."""
        return self.parts[0]

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """(N,) whether the answer agrees with all that is known."""
        return ~self.whole.wrong

    @cached_property
    def sure(self) -> NDArray[np.floating]:
        """(N,) the probability of the answer."""
        return self.whole.probabilities[np.arange(len(self.table)), self.whole.predicted]

    @cached_property
    def scores(self) -> dict[str, Interval]:
        """Scores as of :func:`mmmask.evaluation.intervals.score_intervals`."""
        answers = self.whole.truth, self.whole.predicted
        return score_intervals(self.units, *answers, self.attribute, values=self.truths)

    @cached_property
    def ages(self) -> Ages | None:
        """How far the ages of a model of years are from the true ones; None of other models."""
        return Ages.of(self.table)

    @cached_property
    def worst(self) -> NDArray[np.int64]:
        """Rows of the wrong answers that the page shows, the surest first."""
        wrong = np.flatnonzero(~self.right)
        return wrong[np.argsort(-self.sure[wrong], kind="stable")][:MOST_ERRORS]

    @cached_property
    def disagreeing(self) -> pd.DataFrame:
        """People whose photos disagree, as :func:`mmmask.evaluation.disagreement.disagreement`."""
        if units_to_draw(self.table)[1] != "people":
            return pd.DataFrame()
        return disagreement(self.table)

    @property
    def images(self) -> list[str]:
        """The photos that the page shows."""
        people = self.disagreeing.index[:MOST_PEOPLE]
        theirs = self.table["image"][self.table["person"].isin(people)] if len(people) else []
        return list(dict.fromkeys([*self.table["image"].iloc[self.worst], *theirs]))


@dataclass(frozen=True)
class Likeness:
    """Who looks alike, by frozen features.

    Attributes:
        places: One row per person on the map: ``row`` in the table of the answers, of the photo
            without mask, and ``x``, ``y``, from 0 to 1. Without rows there is no map.
        alike: (W, K) rows of the photos of other people, one of each, that are most like each of
            the W wrong answers in :attr:`Scored.worst`, the most alike first; -1 where there are
            fewer.
    """

    places: pd.DataFrame
    alike: NDArray[np.int64]


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run, or of the runs of a k-fold.

    Attributes:
        path: Its folder.
        config_name: Of the config it was started from; empty where that is unknown.
        curves: Name of a run -> its curves; "" where there is but one.
        cards: Likewise the cards, as of :mod:`mmmask.ledger.cards`, of the runs that have one.
        config: Text of the complete config, of the first fold; empty where there is none.
        scored: None where no photo is scored.
        folds: Of a k-fold: scores by fold, as :func:`mmmask.workflows.studies.folds.summarise`.
        missing: Sentences on what the page should have and has not.
        thumbnails: The photos of ``scored.images``, as far as they are there.
        heats: Image -> number of the thumbnail that shows where the evidence lies.
        likeness: None where there are no features to compare people by.
    """

    path: str
    config_name: str
    curves: Mapping[str, Curves]
    cards: Mapping[str, Mapping[str, Any]]
    config: str = ""
    scored: Scored | None = None
    folds: pd.DataFrame | None = None
    missing: Sequence[str] = ()
    thumbnails: Thumbnails = NO_THUMBNAILS
    heats: Mapping[str, int] | None = None
    likeness: Likeness | None = None

    @property
    def learned(self) -> str | None:
        """The warning of test photos that it learned from, as cards or predictions tell."""
        return learned_from_test_set({"cards": dict(self.cards), "predictions": self._told})

    @property
    def flattered(self) -> list[str]:
        """Sentences on scores by people who chose the epoch, or whom a calibration knows."""
        told = (chosen_by_people(self._told), calibrated_on_people(self._told))
        return [sentence for sentence in told if sentence is not None]

    @property
    def _told(self) -> Mapping[str, Any]:
        """The provenance of the predictions that are scored; empty without any."""
        return {} if self.scored is None else self.scored.table.attrs.get("provenance", {})
