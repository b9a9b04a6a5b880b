"""Correct predictions for a prior shift, or leave them alone where that is the better bet."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.decision import decide, expected_macro_f1
from mmmask.evaluation.prior_shift.shift import Shift
from mmmask.labels import ATTRIBUTES, NUM_CLASSES, marginals

#: A correction must be expected to gain even by so many standard deviations of that expectation
#: less than estimated.
CAUTION = 1.0
#: A model that is by so many standard deviations more or less sure of the photos than it would be
#: of out-of-fold photos of the same shares sees other photos, not only other shares.
STRANGE = 5.0


@dataclass(frozen=True)
class Choice:
    """What to do about a shift.

    Attributes:
        rule: How classes are decided, as in :func:`mmmask.evaluation.decision.decide`.
        caution: How many standard deviations of the expected gain it must outweigh.
        probabilities: (N, 18) corrected.
        answers: (N,) to the photos, once corrected.
        gains: (R,) macro F1 that the correction is expected to gain, by each resample of the
            out-of-fold people and of the photos.
        surprise: Of :func:`surprise`.
        known: Whether the shares were given; then they are corrected for.
    """

    rule: str
    caution: float
    probabilities: NDArray[np.float64]
    answers: NDArray[np.int64]
    gains: NDArray[np.float64]
    surprise: Mapping[str, tuple[float, float, float]]
    known: bool = False

    @property
    def gain(self) -> float:
        """Expected gain in macro F1."""
        return float(self.gains.mean())

    @property
    def spread(self) -> float:
        """Standard deviation of the expected gain; the luck of one test set is no part of it."""
        return float(self.gains.std())

    @property
    def corrects(self) -> bool:
        """Whether to correct; else the predictions are left alone."""
        return self.known or (not self._strange and self.gain > self.caution * self.spread)

    @property
    def reason(self) -> str:
        """Why the predictions are left alone, and what that gives up; empty where they are not."""
        if self.corrects:
            return ""
        if self._strange:
            return "more than the shares differs: " + ", ".join(
                f"the model is {100 * given:.0f} % sure of {name} where it would be "
                f"{100 * expected:.0f} % ({away:+.0f} standard deviations)"
                for name, (given, expected, away) in self._strange.items()
            )
        if self.gain <= 0:
            return f"the correction is not expected to gain macro F1, but {self.gain:+.3f}"
        return (
            f"the evidence is too weak: this gives up an expected gain of {self.gain:+.3f} macro "
            f"F1, which is less than --caution {self.caution:g} times its standard deviation, "
            f"{self.spread:.3f}"
        )

    @property
    def _strange(self) -> dict[str, tuple[float, float, float]]:
        return {name: one for name, one in self.surprise.items() if abs(one[2]) > STRANGE}


@dataclass(frozen=True)
class Outcome:
    """What became of predictions.

    Attributes:
        table: The predictions as written.
        shares: As from :meth:`mmmask.evaluation.prior_shift.shift.Shift.table`.
        choice: What was weighed and chosen.
        notes: What a reader should know besides.
    """

    table: pd.DataFrame
    shares: pd.DataFrame
    choice: Choice
    notes: tuple[str, ...]


def choose(
    shift: Shift,
    before: NDArray[np.integer],
    rule: str = "macro-f1",
    caution: float = CAUTION,
) -> Choice:
    """Weigh correcting for a shift against the answers before, (N,)."""
    after = shift.corrected()
    answers, gains = weigh(before, after, shift.worlds(), rule)
    return Choice(rule, caution, after, answers, gains, surprise(shift), shift.known)


def weigh(
    before: NDArray[np.integer],
    after: NDArray[np.floating],
    worlds: Iterable[NDArray[np.floating]],
    rule: str,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the answers to corrected probabilities, and what they are expected to gain.

    The answers stay the same in all worlds: they were made knowing none of them.

    Args:
        before: (N,) answers without a correction.
        after: (N, C) corrected.
        worlds: (N, C) each, calibrated probabilities that may be the right ones.
        rule: How classes are decided.

    Returns:
        (N,) answers, and (R,) gains in macro F1 over the answers before.
    """
    answers = decide(after, rule)
    gains = [expected_macro_f1(one, answers) - expected_macro_f1(one, before) for one in worlds]
    return answers, np.array(gains)


def surprise(shift: Shift) -> dict[str, tuple[float, float, float]]:
    """Return how unlike the out-of-fold photos those to predict are, beyond their class shares.

    If only the shares differ, the model is as sure of the photos as it is of out-of-fold photos
    of the same shares. Blurred or bright ones, or other people, would show.

    Returns:
        Attribute -> mean probability of its most probable value on the photos; the mean of the
        same on out-of-fold photos of the plausible shares; and how many standard deviations lie
        between: of the latter mean, and of the mean of as many people as the photos show.
    """
    evidence = shift.evidence
    ours = marginals(evidence.calibration(evidence.probabilities))
    theirs = [marginals(evidence.calibration(one)) for one in shift.models]
    people = evidence.people_in(len(shift.models[0]))
    cells = evidence.person * NUM_CLASSES + evidence.labels
    draws = shift.draws[:, : len(evidence.steps)]

    def by_class(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum over the photos of each class in each resample: (N,) -> (R, 18)."""
        sums = np.bincount(cells, values, len(evidence.steps) * NUM_CLASSES)
        return draws @ sums.reshape(-1, NUM_CLASSES)

    photos = by_class(np.ones(len(cells)))
    weight = np.where(photos > 0, shift.plausible, 0) / np.maximum(photos, 1)
    weight /= (weight * photos).sum(axis=1, keepdims=True)
    found = {}
    for name in ATTRIBUTES:
        expected = (weight * by_class(ours[name].max(axis=1))).sum(axis=1)
        sure = np.mean([one[name].max(axis=1) for one in theirs], axis=0)
        away = (sure.mean() - expected.mean()) / np.sqrt(expected.var() + sure.var() / people)
        found[name] = float(sure.mean()), float(expected.mean()), float(away)
    return found
