"""Correct predictions for a prior shift, or leave them alone where that is the better bet."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.decision import decide, expected_macro_f1
from mmmask.evaluation.intervals import confusion_by_person
from mmmask.evaluation.prior_shift.shares import macro_f1_at, reweight
from mmmask.evaluation.prior_shift.shift import Shift
from mmmask.labels import ATTRIBUTES, NUM_CLASSES, marginals

#: Shares of the estimated shift that are tried; 0 corrects for none, but decides anew.
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
#: A model that is by so many standard deviations more or less sure of the photos than it would be
#: of out-of-fold photos of the same shares sees other photos, not only other shares.
STRANGE = 5.0
#: A correction must gain even so many standard deviations below what is expected: in all but
#: about one test set in twenty.
CAUTION = 1.7


@dataclass(frozen=True)
class Option:
    """One way to correct, and what it is expected to gain in macro F1.

    Two judges tell the gain: the labels of out-of-fold people, who are few of the rare classes,
    and the corrected probabilities of the photos to predict, which may be wrong. The second was
    the better one on simulated shifts; how far they differ tells how far it can be trusted.

    Attributes:
        strength: Share of the estimated shift that is corrected for.
        gains: (R,) on out-of-fold people, by their labels, in each plausible test set.
        expected: (R,) on the photos to predict, by their corrected probabilities.
        after: (R,) macro F1 of the out-of-fold people.
    """

    strength: float
    gains: NDArray[np.float64]
    expected: NDArray[np.float64]
    after: NDArray[np.float64]

    @property
    def gain(self) -> float:
        """Expected gain."""
        return float(self.expected.mean())

    @property
    def low(self) -> float:
        """Gain that few test sets stay below."""
        return self.gain - CAUTION * float((self.gains - self.expected).std())


@dataclass(frozen=True)
class Choice:
    """What to do about a shift.

    Attributes:
        shift: Estimated or known.
        rule: How classes are decided, as in :func:`mmmask.evaluation.decision.decide`.
        options: All that were weighed; of a known shift, to correct for all of it.
        before: (R,) macro F1 of the out-of-fold people, predictions as they are.
        surprise: Of :func:`surprise`.
    """

    shift: Shift
    rule: str
    options: tuple[Option, ...]
    before: NDArray[np.float64]
    surprise: dict[str, tuple[float, float, float]]

    @cached_property
    def chosen(self) -> Option | None:
        """The correction to make, of those worth their risk; None: leave the predictions alone."""
        if self.shift.known:
            return self.options[0]
        worth_it = [] if self._strange else [one for one in self.options if one.low > 0]
        return max(worth_it, key=lambda one: one.gain, default=None)

    @property
    def reason(self) -> str:
        """Why the predictions are left alone; empty where they are not."""
        if self.chosen is not None:
            return ""
        if self._strange:
            return "more than the shares differs: " + ", ".join(
                f"the model is {given:.0%} sure of {name} where it would be {expected:.0%} "
                f"({away:+.0f} standard deviations)"
                for name, (given, expected, away) in self._strange.items()
            )
        best = max(self.options, key=lambda option: option.gain)
        if best.gain <= 0:
            return f"no correction gains macro F1; the best is expected to gain {best.gain:+.3f}"
        return (
            f"the evidence is too weak: the best correction is expected to gain {best.gain:+.3f} "
            f"macro F1, but {best.low:+.3f} where it gains little"
        )

    @property
    def _strange(self) -> dict[str, tuple[float, float, float]]:
        return {name: one for name, one in self.surprise.items() if abs(one[2]) > STRANGE}


@dataclass(frozen=True)
class Outcome:
    """What became of predictions.

    Attributes:
        table: The predictions as written.
        shares: As from :func:`mmmask.evaluation.prior_shift.estimates.estimates`.
        choice: What was weighed and chosen.
        notes: What a reader should know besides.
    """

    table: pd.DataFrame
    shares: pd.DataFrame
    choice: Choice
    notes: tuple[str, ...]


def choose(shift: Shift, rule: str = "macro-f1") -> Choice:
    """Weigh corrections of several strengths against leaving the predictions alone.

    On each plausible test set the corrected out-of-fold predictions are scored against those as
    they are. And each resample of the shift gives calibrated probabilities of the photos to
    predict, by which the answers to them are expected to score. Of the corrections that are worth
    their risk the best is that with the most to gain.
    """
    evidence = shift.evidence
    weight = (shift.shares / evidence.label_shares)[evidence.labels]
    strengths = (1.0,) if shift.known else STRENGTHS

    def score(decided: NDArray[np.int64]) -> NDArray[np.float64]:
        confusion = confusion_by_person(evidence.person, evidence.labels, decided)
        return macro_f1_at(shift.plausible, confusion, shift.tests)

    answers = [np.mean(shift.models, axis=0).argmax(axis=1)]
    scores = []
    for strength in strengths:
        answers.append(decide(corrected(shift, strength), rule))
        moved = reweight(evidence.held_out, evidence.source, shift.shares, strength)
        scores.append(score(decide(moved, rule, weight)))
    before = score(evidence.probabilities.argmax(axis=1))
    expected = _expected(shift, answers)
    options = (
        Option(strength, after - before, one - expected[0], after)
        for strength, after, one in zip(strengths, scores, expected[1:], strict=True)
    )
    return Choice(shift, rule, tuple(options), before, surprise(shift))


def surprise(shift: Shift) -> dict[str, tuple[float, float, float]]:
    """Return how unlike the out-of-fold photos those to predict are, beyond their class shares.

    If only the shares differ, the model is as sure of the photos as it is of out-of-fold photos
    of the same shares. Blurred or bright ones, or other people, would show.

    Returns:
        Attribute -> mean probability of its most probable value on the photos; the mean of the
        same over plausible test sets; and how many of their standard deviations lie between.
    """
    evidence = shift.evidence
    ours, theirs = marginals(evidence.held_out), [marginals(one) for one in shift.calibrated]
    cells = evidence.person * NUM_CLASSES + evidence.labels

    def by_class(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum over the photos of each class in each test set: (N,) -> (R, 18)."""
        sums = np.bincount(cells, values, evidence.people * NUM_CLASSES)
        return shift.tests @ sums.reshape(-1, NUM_CLASSES)

    photos = by_class(np.ones(len(cells)))
    weight = np.where(photos > 0, shift.plausible, 0)
    found = {}
    for name in ATTRIBUTES:
        sums = by_class(ours[name].max(axis=1))
        means = np.divide(sums, photos, out=np.zeros_like(sums), where=photos > 0)
        expected = (weight * means).sum(axis=1) / weight.sum(axis=1)
        given = float(np.mean([one[name].max(axis=1).mean() for one in theirs]))
        away = (given - expected.mean()) / expected.std()
        found[name] = given, float(expected.mean()), float(away)
    return found


def corrected(shift: Shift, strength: float) -> NDArray[np.float64]:
    """Return the probabilities, (N, 18), calibrated and corrected; the mean over the models."""
    calibrated = np.mean(shift.calibrated, axis=0)
    return reweight(calibrated, shift.evidence.source, shift.shares, strength)


def _expected(shift: Shift, answers: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Return the expected macro F1 of answers to the photos, in each resample, (A, R)."""
    expected = np.empty((len(answers), len(shift.draws)))
    resamples = zip(shift.draws, shift.sources, shift.plausible, strict=True)
    for row, (drawn, source, shares) in enumerate(resamples):
        calibration = shift.evidence.refitted(drawn)
        calibrated = np.mean([calibration(one) for one in shift.models], axis=0)
        moved = reweight(calibrated, source, shares)
        expected[:, row] = [expected_macro_f1(moved, one) for one in answers]
    return expected
