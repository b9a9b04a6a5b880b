"""The class shares of the photos to predict, and how sure they are.

Out-of-fold people teach how far the probabilities can be trusted (:class:`Evidence`); with that,
the photos themselves tell which shares they have (:class:`Shift`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmmask.evaluation.calibration import (
    Calibration,
    cross_calibrated,
    fit_calibration,
    influence,
)
from mmmask.evaluation.intervals import resample_people
from mmmask.evaluation.prior_shift.shares import FLOOR, Shares, estimate_shares, implied_shares

#: What may move is let loose step by step: family of shares, and how many people of the shares
#: found so far, at first those of the out-of-fold people, are seen beside the test people.
STEPS = (("attributes", 15.0), ("cells", 60.0), ("classes", 300.0))


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
        """Number of people, P."""
        return len(self.steps)

    @property
    def label_shares(self) -> Shares:
        """Class shares of the labels, above 0."""
        counts = np.bincount(self.labels, minlength=len(self.source))
        return np.maximum(counts, 0.5) / len(self.labels)

    def people_in(self, photos: int) -> int:
        """Return how many people so many photos show, at the same number of photos per person."""
        return max(1, round(photos / (len(self.labels) / self.people)))

    def refitted(self, drawn: NDArray[np.float64]) -> Calibration:
        """Return the calibration as a fit on people who are drawn so often, (P,), would be."""
        return self.calibration.moved((drawn - 1) @ self.steps)


def learn(
    probabilities: NDArray[np.floating], labels: ArrayLike, person: ArrayLike, part: ArrayLike
) -> Evidence:
    """Return what predictions of people that the model has not learned from teach about it.

    Args:
        probabilities: (N, 18).
        labels: (N,) true classes.
        person: (N,) who is in each photo, any values.
        part: (N,) the folds, or other parts of the people, that calibrate each other.
    """
    labels = np.asarray(labels, dtype=np.int64)
    rows = np.unique(np.asarray(person), return_inverse=True)[1].astype(np.int64)
    calibration = fit_calibration(probabilities, labels, person=rows)
    return Evidence(
        probabilities,
        labels,
        rows,
        calibration,
        cross_calibrated(probabilities, labels, part, person=rows).astype(np.float64),
        implied_shares(calibration(probabilities)),
        influence(calibration, probabilities, labels, rows),
    )


@dataclass(frozen=True)
class Shift:
    """Photos to predict and their class shares.

    Attributes:
        evidence: About the model.
        models: (M, 18) probabilities of the photos as predicted, from one model or several alike
            that share the evidence, such as those of the folds.
        shares: (18,) the estimate, or what is known.
        plausible: (R, 18) estimates from resampled out-of-fold people and resampled photos.
        draws: (R, P) how often each out-of-fold person is drawn in each.
        sources: (R, 18) shares that the calibrated probabilities of the drawn people imply.
        seed: Of drawing test sets.
        known: Whether the shares were given.
    """

    evidence: Evidence
    models: Sequence[NDArray[np.floating]]
    shares: Shares
    plausible: NDArray[np.float64]
    draws: NDArray[np.float64]
    sources: NDArray[np.float64]
    seed: int = 0
    known: bool = False

    @cached_property
    def calibrated(self) -> list[NDArray[np.float32]]:
        """The calibrated probabilities of each model."""
        return [self.evidence.calibration(one) for one in self.models]

    @cached_property
    def tests(self) -> NDArray[np.float64]:
        """How often each out-of-fold person is in each plausible test set, (R, P).

        Its people are drawn from the resample's out-of-fold people, those of classes with a larger
        share more often.
        """
        evidence, random = self.evidence, np.random.default_rng((self.seed, 2))
        people = evidence.people_in(len(self.models[0]))
        weight = self.plausible / evidence.label_shares  # (R, 18)
        tests = np.empty(self.draws.shape)
        for row, (drawn, by_class) in enumerate(zip(self.draws, weight, strict=True)):
            of_photo = by_class[evidence.labels]
            likely = drawn * np.bincount(evidence.person, of_photo, evidence.people)
            tests[row] = random.multinomial(people, likely / likely.sum())
        return tests


def estimate_shift(
    evidence: Evidence,
    models: Sequence[NDArray[np.floating]],
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
        models: Probabilities of the photos, see :class:`Shift`.
        resamples: R.
        seed: Of the resampling.
        draws: (R, P) how often each out-of-fold person is drawn in each resample; None: at random.
    """
    photos = len(models[0])
    if draws is None:
        draws = resample_people(evidence.people, resamples, seed)
    calibrated = [evidence.calibration(one) for one in models]
    shares = _shares(
        calibrated, evidence.source, np.full(photos, evidence.people_in(photos) / photos)
    )
    sources, plausible = zip(
        *(
            (one.source, _shares(one.calibrated, one.source, one.weight))
            for one in resample(evidence, models, draws, seed=seed)
        ),
        strict=True,
    )
    return Shift(evidence, models, shares, np.array(plausible), draws, np.array(sources), seed)


def known_shift(
    evidence: Evidence,
    models: Sequence[NDArray[np.floating]],
    shares: Shares,
    *,
    resamples: int = 200,
    seed: int = 0,
) -> Shift:
    """Return a shift to shares that are known; ``Args`` as in :func:`estimate_shift`."""
    draws = resample_people(evidence.people, resamples)
    same, sources = (np.tile(one, (resamples, 1)) for one in (shares, evidence.source))
    return Shift(evidence, models, shares, same, draws, sources, seed, known=True)


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
    models: Sequence[NDArray[np.floating]],
    draws: NDArray[np.float64],
    *,
    seed: int,
) -> Iterator[Resample]:
    """Yield a draw of photos, as many as they show people, for each draw of out-of-fold people."""
    photos = len(models[0])
    people = evidence.people_in(photos)
    random = np.random.default_rng((seed, 1))
    for drawn in draws:
        calibration = evidence.refitted(drawn)
        weight = random.multinomial(people, np.full(photos, 1 / photos)).astype(np.float64)
        seen = weight > 0
        yield Resample(
            drawn,
            implied_shares(calibration(evidence.probabilities), drawn[evidence.person]),
            [calibration(one[seen]) for one in models],
            weight[seen],
        )


def _shares(
    calibrated: Sequence[NDArray[np.floating]], source: Shares, weight: NDArray[np.float64]
) -> Shares:
    """Return the class shares of photos from the calibrated probabilities of several models."""
    pooled = np.concatenate([*calibrated]).astype(np.float64)
    weights = np.tile(weight / len(calibrated), len(calibrated))
    shares = source
    for family, pull in STEPS:
        toward = np.maximum(shares, FLOOR)
        shares = estimate_shares(
            pooled, source, family=family, weight=weights, toward=toward, pull=pull
        )
    return shares
