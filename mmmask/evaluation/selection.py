"""What the best of several models gains, allowing for its being the best, in plain numpy.

The best of many trials is partly the luckiest: measured on the people that chose it, its gain is
too large, and an interval of the one difference is blind to that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmmask.evaluation.intervals import (
    Counts,
    counts_by_person,
    macro_f1_interval_of,
    macro_f1_jackknife,
    macro_f1_of_counts,
    macro_f1_of_draws,
    people_by_class,
    resample_people,
)
from mmmask.evaluation.jackknife import Difference, Interval
from mmmask.labels import NUM_CLASSES

#: Into how many groups people are dealt to estimate the gain of a choice, and how often.
GROUPS, DEALINGS = 10, 100


@dataclass(frozen=True)
class Selection:
    """Models of the same photos against the first of them, the baseline.

    Attributes:
        scores: Macro F1 of each model with its interval over people.
        differences: What each gains over the baseline, paired, with its interval. These are of
            each model alone: among many, some exclude 0 by chance.
        best: Which model has the highest score; of equal ones the first.
        corrected: What taking the best gains over the baseline, where nobody is scored by a model
            that he took part in choosing (:func:`cross_selected`).
        low: Lower bound of the gain of the best that holds for all models at once
            (:func:`simultaneous_low`).
    """

    scores: list[Interval]
    differences: list[Difference]
    best: int
    corrected: float
    low: float

    @property
    def shown(self) -> bool:
        """Whether the best gains anything on other people, however many there were to choose."""
        return self.low > 0


def select(
    person: ArrayLike,
    truth: ArrayLike,
    predicted: Sequence[ArrayLike],
    *,
    classes: int = NUM_CLASSES,
    resamples: int = 1000,
    seed: int = 0,
) -> Selection:
    """Score models on the same photos, and the choice of the best of them.

    What no arithmetic can undo: models that were proposed, or given up early, because of these
    very people, and what another seed would change. For that, train anew and score other people.

    Args:
        person: (N,) who is in each photo; any values.
        truth: (N,) labels of the photos.
        predicted: Predicted labels, (N,), of each model; the baseline first.
        classes: C, the number of labels.
        resamples: How often people are drawn anew.
        seed: Of the resampling and of the dealings into groups.
    """
    _, rows = np.unique(np.asarray(person), return_inverse=True)
    labels = np.asarray(truth, dtype=np.int64)
    models = [np.asarray(model, dtype=np.int64) for model in predicted]
    counts = np.stack([counts_by_person(rows, labels, model, classes) for model in models])
    found, of_class = macro_f1_jackknife([*counts]), people_by_class(rows, labels, classes)
    people = counts.shape[1]
    draws = np.vstack([np.ones(people), resample_people(people, resamples, seed)])
    scores = np.stack([macro_f1_of_draws(draws, model) for model in counts])  # (M, 1 + R)
    return Selection(
        scores=[macro_f1_interval_of([model], of_class) for model in counts],
        differences=[(found[[k]] - found[[0]]).difference() for k in range(len(models))],
        best=int(scores[:, 0].argmax()),
        corrected=float(cross_selected(counts, deal(people, seed)).mean() - scores[0, 0]),
        low=simultaneous_low(scores - scores[0]),
    )


def simultaneous_low(differences: NDArray[np.floating], level: float = 0.95) -> float:
    """Return a lower bound of the best model's gain that allows for the choice among all.

    As in White, A reality check for data snooping (2000): the best of M gains exceeds its true
    value by at most what the largest of the M resampled gains exceeds its own, in all but
    ``(1 - level) / 2`` of the resamples. With one model it is the basic bootstrap's bound.

    Args:
        differences: (M, 1 + R) what each model gains on the people as they are, then on each
            resample.
        level: Share of the resamples inside a two-sided interval.
    """
    value, resampled = differences[:, 0], differences[:, 1:]
    luck = (resampled - value[:, None]).max(axis=0)
    return float(value.max() - np.quantile(luck, 1 - (1 - level) / 2))


def deal(people: int, seed: int = 0) -> NDArray[np.int64]:
    """Return the group of each person in each dealing, (``DEALINGS``, P); groups are even."""
    dealt = np.tile(np.arange(people) % min(GROUPS, people), (DEALINGS, 1))
    return np.random.default_rng(seed).permuted(dealt, axis=1)


def cross_selected(counts: Counts, dealt: NDArray[np.integer]) -> Counts:
    """Return macro F1 where each group of people is predicted by the model best on the others.

    Cross-validated selection (Varma and Simon, Bias in error estimation, 2006) on stored
    predictions, as in Tsamardinos et al., Bootstrapping the out-of-sample predictions (2018);
    groups in place of their bootstrap, so that all people are scored together and the rare classes
    have as many photos as in the score itself. Of equally good models the first is taken.

    Args:
        counts: (M, P, 2, C) of each model, by
            :func:`mmmask.evaluation.intervals.counts_by_person`.
        dealt: (D, P) the group of each person in each dealing.

    Returns:
        (D,) of each dealing.
    """
    return macro_f1_of_counts(_cross_selected_counts(counts, dealt))


def flattery(choices: Sequence[Counts], seed: int = 0) -> float:
    """Return by how much macro F1 is too high where it has chosen the models that it scores.

    That is the score of the chosen less what :func:`cross_selected` says of choosing so. Among
    equally good models it is right on average, and rough each time: the fewer people, the rougher.

    Args:
        choices: (M, P, 2, C) of each choice, as for :func:`cross_selected`: of its M models the
            best on its P people is taken. The people of all choices, such as those of the folds,
            are scored together.
        seed: Of the dealings into groups.
    """
    chosen = [
        counts[_best(counts, np.ones((1, counts.shape[1])))].sum(axis=1) for counts in choices
    ]
    others = [_cross_selected_counts(counts, deal(counts.shape[1], seed)) for counts in choices]
    one, other = (np.sum(each, axis=0) for each in (chosen, others))
    return float(macro_f1_of_counts(one).mean() - macro_f1_of_counts(other).mean())


def _cross_selected_counts(counts: Counts, dealt: NDArray[np.integer]) -> Counts:
    """Return the counts of all people together: ``Args`` as :func:`cross_selected`, (D, 2, C)."""
    pooled = np.zeros((len(dealt), *counts.shape[2:]))
    for group in range(int(dealt.max()) + 1):
        inside = (dealt == group).astype(np.float64)
        pooled += np.einsum("dp,dpxc->dxc", inside, counts[_best(counts, 1 - inside)])
    return pooled


def _best(counts: Counts, draws: Counts) -> NDArray[np.intp]:
    """Return the best of M models, (M, P, 2, C), on the people of each draw: (D, P) -> (D,)."""
    return np.stack([macro_f1_of_draws(draws, model) for model in counts]).argmax(axis=0)
