"""Correct predictions for a prior shift, or leave them alone where that is the better bet.

Out-of-fold people teach how far the probabilities can be trusted (:class:`Evidence`); from the
photos to predict follow the shares of the classes, and how sure they are (:class:`Shift`); and
both tell whether a correction is worth its risk (:class:`Choice`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mmmask.evaluation.calibration import (
    Calibration,
    cross_calibrated,
    fit_calibration,
    influence,
)
from mmmask.evaluation.decision import decide, expected_macro_f1
from mmmask.evaluation.intervals import resample_people
from mmmask.evaluation.prior_shift.shares import (
    FLOOR,
    Shares,
    confusion_by_person,
    estimate_shares,
    macro_f1_at,
    reweight,
)
from mmmask.labels import ATTRIBUTES, marginals

#: What may move is let loose step by step: family of shares, and how many people of the shares
#: found so far, at first those of the out-of-fold people, are seen beside the test people.
STEPS = (("attributes", 15.0), ("cells", 60.0), ("classes", 300.0))
#: Shares of the estimated shift that are tried; 0 corrects for none, but decides anew.
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
#: A model that is by so many standard deviations more or less sure of the photos than it would be
#: of out-of-fold photos of the same shares sees other photos, not only other shares.
STRANGE = 5.0
#: A correction must gain even so many standard deviations below what is expected: in all but
#: about one test set in twenty.
CAUTION = 1.7


@dataclass(frozen=True)
class Evidence:
    """What out-of-fold predictions teach about a model.

    Attributes:
        probabilities: (N, 18) as predicted.
        labels: (N,)
        person: (N,) numbers 0 to P - 1.
        calibration: Fitted on all of them.
        held_out: (N, 18) each part calibrated by a fit on the others.
        source: (18,) class shares that the calibrated probabilities imply.
        steps: (P, K) influence of each person on the calibration.
    """

    probabilities: NDArray[np.floating]
    labels: NDArray[np.int64]
    person: NDArray[np.int64]
    calibration: Calibration
    held_out: NDArray[np.float64]
    source: Shares
    steps: NDArray[np.float64]

    @property
    def people(self) -> int:
        """Number of people."""
        return len(self.steps)

    @property
    def photos_per_person(self) -> float:
        """Mean number of photos of a person."""
        return len(self.labels) / self.people


def learn(
    probabilities: NDArray[np.floating],
    labels: ArrayLike,
    person: ArrayLike,
    part: ArrayLike,
    method: str = "attribute",
) -> Evidence:
    """Return what predictions of people that the model has not learned from teach about it.

    Args:
        probabilities: (N, 18).
        labels: (N,) true classes.
        person: (N,) who is in each photo, any values.
        part: (N,) the folds, or other parts of the people, that calibrate each other.
        method: Of the calibration.
    """
    labels = np.asarray(labels, dtype=np.int64)
    rows = np.unique(np.asarray(person), return_inverse=True)[1].astype(np.int64)
    calibration = fit_calibration(probabilities, labels, method, person=rows)
    return Evidence(
        probabilities,
        labels,
        rows,
        calibration,
        cross_calibrated(probabilities, labels, part, method, person=rows).astype(np.float64),
        _implied(calibration(probabilities)),
        influence(calibration, probabilities, labels, rows),
    )


@dataclass(frozen=True)
class Shift:
    """The class shares of the photos to predict.

    Attributes:
        shares: (18,) the estimate.
        plausible: (R, 18) estimates from resampled out-of-fold people and resampled photos.
        draws: (R, P) how often each out-of-fold person is drawn in each.
        sources: (R, 18) shares that the calibrated probabilities of the drawn people imply.
        people: How many people the photos are taken to show.
    """

    shares: Shares
    plausible: NDArray[np.float64]
    draws: NDArray[np.float64]
    sources: NDArray[np.float64]
    people: int


def estimate_shift(
    evidence: Evidence,
    probabilities: Sequence[NDArray[np.floating]],
    *,
    resamples: int = 200,
    seed: int = 0,
    draws: NDArray[np.float64] | None = None,
) -> Shift:
    """Estimate the class shares of photos, and how far they can be trusted.

    Nothing tells which photos show the same person. So that they do not pretend to be more people
    than they are, as many photos as there are people weigh: all of them with less weight in the
    estimate, so many drawn ones in each resample.

    Args:
        evidence: About the model.
        probabilities: Of the photos, (M, 18) as predicted, from one model or several alike that
            share the evidence, such as those of the folds.
        resamples: R.
        seed: Of the resampling.
        draws: (R, P) how often each out-of-fold person is drawn in each resample; None: at random.
    """
    photos = len(probabilities[0])
    people = max(1, round(photos / evidence.photos_per_person))
    if draws is None:
        draws = resample_people(evidence.people, resamples, seed)
    calibrated = [evidence.calibration(one) for one in probabilities]
    shares = _shares(calibrated, evidence.source, np.full(photos, people / photos))
    sources, plausible = zip(
        *(
            (one.source, _shares(one.calibrated, one.source, one.weight))
            for one in resample(evidence, probabilities, draws, seed=seed)
        ),
        strict=True,
    )
    return Shift(shares, np.array(plausible), draws, np.array(sources), people)


@dataclass(frozen=True)
class Resample:
    """Out-of-fold people and photos as they might have been.

    Attributes:
        drawn: (P,) how often each out-of-fold person is drawn.
        source: (18,) shares that the calibrated probabilities of the drawn people imply.
        calibrated: Of the drawn photos, by a calibration of the drawn people, of each model.
        weight: (n,) how often each of these photos is drawn.
    """

    drawn: NDArray[np.float64]
    source: Shares
    calibrated: list[NDArray[np.float32]]
    weight: NDArray[np.float64]


def resample(
    evidence: Evidence,
    probabilities: Sequence[NDArray[np.floating]],
    draws: NDArray[np.float64],
    *,
    seed: int,
) -> Iterator[Resample]:
    """Draw as many photos to predict as they are taken to show people, for each drawing of people.

    Args:
        evidence: About the model.
        probabilities: Of the photos, (M, 18) as predicted, one for each model.
        draws: (R, P) how often each out-of-fold person is drawn.
        seed: Of drawing photos.
    """
    photos = len(probabilities[0])
    people = max(1, round(photos / evidence.photos_per_person))
    random = np.random.default_rng((seed, 1))
    for drawn in draws:
        calibration = evidence.calibration.moved((drawn - 1) @ evidence.steps)
        weight = random.multinomial(people, np.full(photos, 1 / photos)).astype(np.float64)
        seen = weight > 0
        yield Resample(
            drawn,
            _implied(calibration(evidence.probabilities), drawn[evidence.person]),
            [calibration(one[seen]) for one in probabilities],
            weight[seen],
        )


def known_shift(evidence: Evidence, shares: Shares, photos: int, *, resamples: int = 200) -> Shift:
    """Return a shift to shares that are known, to the same effect as an estimated one."""
    people = max(1, round(photos / evidence.photos_per_person))
    draws = resample_people(evidence.people, resamples)
    same, sources = (np.tile(one, (resamples, 1)) for one in (shares, evidence.source))
    return Shift(shares, same, draws, sources, people)


@dataclass(frozen=True)
class Option:
    """One way to correct, and what it is expected to gain in macro F1.

    Two judges tell the gain: the labels of out-of-fold people, who are few of the rare classes,
    and the corrected probabilities of the photos to predict, which may be wrong. The second was
    the better one on simulated shifts; how far they differ tells how far it can be trusted.

    Attributes:
        strength: Share of the estimated shift that is corrected for.
        gains: (R,) on out-of-fold people, by their labels, in each test set as it may be.
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

    @property
    def worth_it(self) -> bool:
        """Say whether the gain outweighs the risk."""
        return self.low > 0


@dataclass(frozen=True)
class Choice:
    """What to do about a shift.

    Attributes:
        rule: How classes are decided, as in :func:`mmmask.evaluation.decision.decide`.
        chosen: None: leave the predictions as they are.
        options: All that were weighed.
        before: (R,) macro F1 of the out-of-fold people, predictions as they are.
    """

    rule: str
    chosen: Option | None
    options: tuple[Option, ...]
    before: NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """What became of predictions.

    Attributes:
        table: The predictions as written.
        shares: As from :func:`mmmask.evaluation.prior_shift.estimates.estimates`.
        choice: What was weighed.
        applied: The correction made; None: the predictions are as they were.
        reason: Why they are.
        known: Whether the shares were given.
        notes: What a reader should know besides.
    """

    table: pd.DataFrame
    shares: pd.DataFrame
    choice: Choice
    applied: Option | None
    reason: str
    known: bool
    notes: tuple[str, ...]


def choose(
    evidence: Evidence,
    shift: Shift,
    probabilities: Sequence[NDArray[np.floating]],
    rule: str = "macro-f1",
    *,
    strengths: Sequence[float] = STRENGTHS,
    seed: int = 0,
) -> Choice:
    """Weigh corrections of several strengths against leaving the predictions alone.

    Each resample of the shift gives a test set as it may be: its people are drawn from the
    resample's out-of-fold people, those of classes with a larger share more often. On it the
    corrected out-of-fold predictions are scored against those as they are. And each gives
    calibrated probabilities of the photos to predict, by which the answers to them are expected
    to score. Of the corrections that are worth their risk the best is that with the most to gain.

    Args:
        evidence: About the model.
        shift: Estimated or known.
        probabilities: Of the photos, (M, 18) as predicted, one for each model.
        rule: How classes are decided.
        strengths: Shares of the estimated shift to try.
        seed: Of the drawing.
    """
    tests = _tests(evidence, shift, seed)
    weight = (shift.shares / _label_shares(evidence))[evidence.labels]
    as_it_is = np.mean(probabilities, axis=0).argmax(axis=1)
    answers = [as_it_is]
    scores = []
    for strength in strengths:
        answers.append(decide(corrected(evidence, shift, strength, probabilities), rule))
        moved = reweight(evidence.held_out, evidence.source, shift.shares, strength)
        scores.append(_scores(evidence, shift, tests, decide(moved, rule, weight)))
    before = _scores(evidence, shift, tests, evidence.probabilities.argmax(axis=1))
    expected = _expected(evidence, shift, probabilities, answers)
    options = [
        Option(strength, after - before, one - expected[0], after)
        for strength, after, one in zip(strengths, scores, expected[1:], strict=True)
    ]
    best = max((one for one in options if one.worth_it), key=lambda one: one.gain, default=None)
    return Choice(rule, best, tuple(options), before)


def surprise(
    evidence: Evidence,
    shift: Shift,
    probabilities: Sequence[NDArray[np.floating]],
    *,
    seed: int = 0,
) -> dict[str, tuple[float, float, float]]:
    """Return how unlike the out-of-fold photos those to predict are, beyond their class shares.

    If only the shares differ, the model is as sure of the photos as it is of out-of-fold photos
    of the same shares. Blurred or bright ones, or other people, would show.

    Returns:
        Attribute -> mean probability of its most probable value on the photos; the mean of the
        same over test sets as they may be; and how many of their standard deviations lie between.
    """
    tests = _tests(evidence, shift, seed)
    ours = marginals(evidence.held_out)
    theirs = [marginals(evidence.calibration(one)) for one in probabilities]
    classes = np.eye(len(evidence.source))[evidence.labels]
    found = {}
    for name in ATTRIBUTES:
        sure = ours[name].max(axis=1)
        sums, photos = (
            tests @ _by_person(evidence, classes * values[:, None])
            for values in (sure, np.ones(len(sure)))
        )  # (R, 18)
        means = np.divide(sums, photos, out=np.zeros_like(sums), where=photos > 0)
        weight = np.where(photos > 0, shift.plausible, 0)
        expected = (weight * means).sum(axis=1) / weight.sum(axis=1)
        given = float(np.mean([one[name].max(axis=1).mean() for one in theirs]))
        away = (given - expected.mean()) / expected.std()
        found[name] = given, float(expected.mean()), float(away)
    return found


def corrected(
    evidence: Evidence,
    shift: Shift,
    strength: float,
    probabilities: Sequence[NDArray[np.floating]],
) -> NDArray[np.float64]:
    """Return probabilities, calibrated and corrected for a shift; the mean over the models.

    Shape:
        ``probabilities``: (M, 18) each -> (M, 18).
    """
    calibrated = np.mean([evidence.calibration(one) for one in probabilities], axis=0)
    return reweight(calibrated, evidence.source, shift.shares, strength)


def _scores(
    evidence: Evidence,
    shift: Shift,
    tests: NDArray[np.float64],
    decided: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return macro F1 of answers to out-of-fold photos, in each test set as it may be, (R,)."""
    confusion = confusion_by_person(evidence.person, evidence.labels, decided)
    return macro_f1_at(shift.plausible, confusion, tests)


def _expected(
    evidence: Evidence,
    shift: Shift,
    probabilities: Sequence[NDArray[np.floating]],
    answers: Sequence[NDArray[np.int64]],
) -> NDArray[np.float64]:
    """Return the expected macro F1 of answers to the photos, in each resample, (A, R)."""
    expected = np.empty((len(answers), len(shift.draws)))
    drawn = zip(shift.draws, shift.sources, shift.plausible, strict=True)
    for row, (draw, source, shares) in enumerate(drawn):
        calibration = evidence.calibration.moved((draw - 1) @ evidence.steps)
        calibrated = np.mean([calibration(one) for one in probabilities], axis=0)
        moved = reweight(calibrated, source, shares)
        expected[:, row] = [expected_macro_f1(moved, one) for one in answers]
    return expected


def _shares(
    probabilities: Sequence[NDArray[np.floating]], source: Shares, weight: NDArray[np.float64]
) -> Shares:
    """Return the class shares of photos from the calibrated probabilities of several models."""
    pooled = np.concatenate([*probabilities]).astype(np.float64)
    weights = np.tile(weight / len(probabilities), len(probabilities))
    shares = source
    for family, pull in STEPS:
        toward = np.maximum(shares, FLOOR)
        shares = estimate_shares(
            pooled, source, family=family, weight=weights, toward=toward, pull=pull
        )
    return shares


def _implied(
    calibrated: NDArray[np.floating], weight: NDArray[np.floating] | None = None
) -> Shares:
    """Return the class shares that calibrated probabilities imply.

    Those of the labels differ a little where a calibration has fewer parameters than classes;
    then the former let photos without a shift show none (Alexandari et al., Maximum Likelihood
    with Bias-Corrected Calibration is Hard-to-Beat at Label Shift Adaptation, 2020).
    """
    mean = np.average(calibrated.astype(np.float64), axis=0, weights=weight)
    shares = np.maximum(mean, FLOOR)
    return shares / shares.sum()


def _by_person(evidence: Evidence, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the values of each person's photos, (N, K) -> (P, K)."""
    sums = np.zeros((evidence.people, values.shape[1]))
    np.add.at(sums, evidence.person, values)
    return sums


def _label_shares(evidence: Evidence) -> Shares:
    counts = np.bincount(evidence.labels, minlength=len(evidence.source))
    return np.maximum(counts, 0.5) / len(evidence.labels)


def _tests(evidence: Evidence, shift: Shift, seed: int) -> NDArray[np.float64]:
    """Return how often each person is in each test set as it may be, (R, P)."""
    random = np.random.default_rng((seed, 2))
    weight = shift.plausible / _label_shares(evidence)  # (R, 18)
    tests = np.empty(shift.draws.shape)
    for row, (drawn, by_class) in enumerate(zip(shift.draws, weight, strict=True)):
        likely = drawn * np.bincount(evidence.person, by_class[evidence.labels], evidence.people)
        tests[row] = random.multinomial(shift.people, likely / likely.sum())
    return tests
