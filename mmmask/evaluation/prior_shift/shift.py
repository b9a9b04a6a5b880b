"""The class shares of the photos to predict, and how sure they are.

Out-of-fold people teach how far the probabilities can be trusted (:class:`Evidence`); with that,
the photos themselves tell which shares they have (:class:`Shift`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mmmask.evaluation.calibration import Calibration, fit_calibration, influence
from mmmask.evaluation.intervals import resample_people
from mmmask.evaluation.prior_shift.shares import Shares, estimate_shares, implied_shares, reweight
from mmmask.labels import ATTRIBUTES, NUM_CLASSES, decode, marginals

#: How many people of the shares of training are seen beside the people to predict, so that few
#: photos do not tell of a large shift.
PSEUDO_PEOPLE = 30.0
#: How often people and photos are drawn anew, unless told otherwise.
RESAMPLES = 100
_VALUES = {"class": [str(label) for label in range(NUM_CLASSES)], **ATTRIBUTES}


@dataclass(frozen=True)
class Evidence:
    """What out-of-fold predictions teach about a model.

    Attributes:
        probabilities: (N, 18) as predicted.
        labels: (N,)
        person: (N,) who is in each photo, numbers below P; not all P need to be there.
        calibration: Fitted on all of them.
        source: (18,) class shares that the calibrated probabilities imply.
        steps: (P or less, K) influence of each person on the calibration; 0 of those not there.
    """

    probabilities: NDArray[np.floating]
    labels: NDArray[np.int64]
    person: NDArray[np.int64]
    calibration: Calibration
    source: Shares
    steps: NDArray[np.float64]

    def people_in(self, photos: int) -> int:
        """Return how many people so many photos show, at the same number of photos per person."""
        return max(1, round(photos / (len(self.labels) / len(np.unique(self.person)))))

    def refitted(self, drawn: NDArray[np.float64]) -> tuple[Calibration, Shares]:
        """Return what people who are drawn so often, (P,), teach: the calibration and its shares.

        The shares are those of ``source``.
        """
        calibration = self.calibration.moved((drawn[: len(self.steps)] - 1) @ self.steps)
        return calibration, implied_shares(calibration(self.probabilities), drawn[self.person])


def learn(
    probabilities: NDArray[np.floating], labels: ArrayLike, person: NDArray[np.int64]
) -> Evidence:
    """Return what predictions of people that the model has not learned from teach about it.

    Args:
        probabilities: (N, 18).
        labels: (N,) true classes.
        person: (N,) who is in each photo, numbers from 0.
    """
    labels = np.asarray(labels, dtype=np.int64)
    calibration = fit_calibration(probabilities, labels, person=person)
    return Evidence(
        probabilities,
        labels,
        person,
        calibration,
        implied_shares(calibration(probabilities)),
        influence(calibration, probabilities, labels, person),
    )


@dataclass(frozen=True)
class Shift:
    """Photos to predict and their class shares.

    Attributes:
        evidence: About the model.
        models: (N, 18) probabilities of the photos as predicted, by one model or several alike
            that share the evidence, such as those of the folds.
        shares: (18,) the estimate, or what is known.
        plausible: (R, 18) estimates from resampled out-of-fold people and resampled photos.
        draws: (R, P) how often each out-of-fold person is drawn in each.
        known: Whether the shares were given.
    """

    evidence: Evidence
    models: Sequence[NDArray[np.floating]]
    shares: Shares
    plausible: NDArray[np.float64]
    draws: NDArray[np.float64]
    known: bool = False

    @property
    def calibrated(self) -> NDArray[np.float64]:
        """The calibrated probabilities, (N, 18); the mean over the models."""
        return self._mean(self.evidence.calibration)

    def corrected(self) -> NDArray[np.float64]:
        """Return the probabilities, (N, 18), calibrated and corrected for the shares."""
        return reweight(self.calibrated, self.evidence.source, self.shares)

    def worlds(self) -> Iterator[NDArray[np.float64]]:
        """Yield the corrected probabilities, (N, 18), as each resample would have them."""
        for drawn, shares in zip(self.draws, self.plausible, strict=True):
            calibration, source = self.evidence.refitted(drawn)
            yield reweight(self._mean(calibration), source, shares)

    def table(self, answers: NDArray[np.int64]) -> pd.DataFrame:
        """Return one row for each class and each value of an attribute.

        Args:
            answers: (N,) to the photos, uncorrected.

        Returns:
            ``of`` and ``value`` as in ``mmmask.tables.SHARES``; ``out_of_fold``, the share of the
            labels that evidence has; ``predicted``, that among the answers;
            ``share``, ``low`` and ``high``, the estimate with its 95 % interval.
        """
        labels = {"class": self.evidence.labels, **decode(self.evidence.labels)}
        answered = {"class": answers, **decode(answers)}
        share, plausible = (
            {"class": shares, **marginals(shares)} for shares in (self.shares[None], self.plausible)
        )
        tables = []
        for of, values in _VALUES.items():
            known, predicted = (
                np.bincount(one[of], minlength=len(values)) / len(one[of])
                for one in (labels, answered)
            )
            low, high = np.quantile(plausible[of], (0.025, 0.975), axis=0)
            columns = {"of": of, "value": values, "out_of_fold": known, "predicted": predicted}
            columns |= {"share": share[of][0], "low": low, "high": high}
            tables.append(pd.DataFrame(columns))
        return pd.concat(tables, ignore_index=True)

    def _mean(self, calibration: Calibration) -> NDArray[np.float64]:
        return np.mean([calibration(one) for one in self.models], axis=0, dtype=np.float64)


def estimate_shift(
    evidence: Evidence,
    models: Sequence[NDArray[np.floating]],
    *,
    resamples: int = RESAMPLES,
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
    people = evidence.people_in(photos)
    if draws is None:
        draws = resample_people(len(evidence.steps), resamples, seed)
    random = np.random.default_rng((seed, 1))

    def shares(
        calibration: Calibration, source: Shares, weight: NDArray[np.float64 | np.int64]
    ) -> NDArray[np.float64]:
        seen = weight > 0
        pooled = np.concatenate([calibration(one[seen]) for one in models])
        each = np.tile(weight[seen] / len(models), len(models))
        return estimate_shares(pooled, source, weight=each, pull=PSEUDO_PEOPLE)

    plausible = [
        shares(*evidence.refitted(drawn), random.multinomial(people, np.full(photos, 1 / photos)))
        for drawn in draws
    ]
    estimate = shares(evidence.calibration, evidence.source, np.full(photos, people / photos))
    return Shift(evidence, models, estimate, np.array(plausible), draws)


def known_shift(
    evidence: Evidence,
    models: Sequence[NDArray[np.floating]],
    shares: Shares,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Shift:
    """Return a shift to shares that are known; ``Args`` as in :func:`estimate_shift`."""
    draws = resample_people(len(evidence.steps), resamples, seed)
    return Shift(evidence, models, shares, np.tile(shares, (resamples, 1)), draws, known=True)
