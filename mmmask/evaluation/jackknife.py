"""The jackknife: how sure a score is, from leaving out one person at a time, in plain numpy.

The photos of a person are alike, so people and not photos are left out. The pseudo-values ``P *
score - (P - 1) * score without the person`` behave like P independent observations of the score
(Tukey, 1958): their mean is the score freed of the bias of small samples (macro F1 is too low on
few people), their spread tells its standard error, and their fourth moment the degrees of freedom
of Student's t (Satterthwaite, 1946): few, where few people of rare classes decide.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, nctdtrinc
from scipy.stats import t as student_t

#: Share of samples whose interval holds the truth, and of those that show a detectable difference.
LEVEL, POWER = 0.95, 0.8


@dataclass(frozen=True)
class Interval:
    """A value on the people as they are, and the bounds of its 95 % interval over people.

    The bounds are NaN where there is one person alone.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        bounds = "" if np.isnan(self.low) else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{bounds}"


@dataclass(frozen=True)
class Difference(Interval):
    """A paired difference.

    Attributes:
        detectable: The smallest true difference that is shown in 80 % of such samples. Of smaller
            ones, that none is shown says little.
    """

    detectable: float

    @property
    def shown(self) -> bool:
        """Whether 0 lies outside the bounds."""
        return self.low > 0 or self.high < 0

    @property
    def verdict(self) -> str:
        """Whether the difference is shown, and if not, what would be."""
        if self.shown or self.low == self.high or np.isnan(self.low):
            return "shown" if self.shown else "not shown"
        return (
            f"not shown; a true difference of {self.detectable:.3f} would be shown in "
            f"{100 * POWER:.0f} % of samples"
        )


@dataclass(frozen=True)
class Jackknife:
    """A score of K models of the same people.

    Attributes:
        values: (K,) on the people as they are.
        pseudo: (K, P) the pseudo-value of each person.
    """

    values: NDArray[np.float64]
    pseudo: NDArray[np.float64]

    def __getitem__(self, models: slice | list[int]) -> "Jackknife":
        return Jackknife(self.values[models], self.pseudo[models])

    def __sub__(self, other: "Jackknife") -> "Jackknife":
        return Jackknife(self.values - other.values, self.pseudo - other.pseudo)

    def interval(self) -> Interval:
        """Return the mean over the models."""
        centre, (half, _) = float(self.pseudo.mean()), self._reach()
        return Interval(float(self.values.mean()), centre - half, centre + half)

    def score_interval(self, below: float, above: float) -> Interval:
        """Return the mean over the models, a score from 0 to 1.

        Args:
            below: By how much it may be lower for reasons that the people do not show.
            above: The same, higher.
        """
        value, centre = float(self.values.mean()), float(self.pseudo.mean())
        half, _ = self._reach()
        low = max(centre - float(np.hypot(half, below)), 0.0)
        high = min(centre + float(np.hypot(half, above)), 1.0)
        return Interval(value, min(low, value), max(high, value))

    def difference(self) -> Difference:
        """Return the mean over the models, a difference that may be 0."""
        centre, (half, detectable) = float(self.pseudo.mean()), self._reach()
        return Difference(float(self.values.mean()), centre - half, centre + half, detectable)

    def _reach(self) -> tuple[float, float]:
        """Return how far the interval reaches to either side, and the detectable difference.

        Several models are trainings of one recipe. What other people would change in their mean is
        the mean covariance of two of them over people; what other trainings would change is the
        variance of their scores over their number. The variance of the mean over people has a part
        of the latter in it, which would count twice (Owen, The pigeonhole bootstrap, 2007;
        Bouthillier et al., Accounting for variance in machine learning benchmarks, 2021).
        """
        models, people = self.pseudo.shape
        if people < 2:
            return np.nan, np.nan
        moves = self.pseudo - self.pseudo.mean(axis=1, keepdims=True)  # (K, P)
        squares = moves.mean(axis=0) ** 2
        spread = (squares**2).sum() - squares.sum() ** 2 / people
        freedom = min(2 * squares.sum() ** 2 / spread, people - 1) if spread > 0 else people - 1
        variance = squares.sum() / (people * (people - 1))
        if models > 1:
            own = (moves**2).sum() / (people * (people - 1)) / models**2
            shared = max(variance - own, 0) * models / (models - 1)
            trainings = self.values.var(ddof=1) / models
            variance = shared + trainings
            if variance > 0:
                parts = shared**2 / freedom + trainings**2 / (models - 1)
                freedom = variance**2 / parts
        error, tail = np.sqrt(variance), student_t.ppf((1 + LEVEL) / 2, freedom)
        # The non-central t that exceeds the tail so often, by the error freed of its bias.
        halves = gammaln((freedom + 1) / 2) - gammaln(freedom / 2)
        unbiased = error / (np.sqrt(2 / freedom) * np.exp(halves))
        return float(tail * error), float(nctdtrinc(freedom, 1 - POWER, tail) * unbiased)


def pseudo_values(values: NDArray[np.float64], without: NDArray[np.float64]) -> Jackknife:
    """Return the jackknife of a score as it is, (K,), and without each person, (K, P)."""
    people = without.shape[1]
    return Jackknife(values, people * values[:, None] - (people - 1) * without)
