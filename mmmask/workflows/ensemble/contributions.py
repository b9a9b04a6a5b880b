"""What each member adds to an ensemble, and what fitting the vote has brought."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.intervals import Interval, percentile_interval, resampled_scores
from mmmask.evaluation.scores import TINY, negative_log_likelihood
from mmmask.workflows.ensemble.fitted_votes import Learned, Outcome, equal_weights, mix
from mmmask.workflows.ensemble.members import Members
from mmmask.workflows.score import short_names


@dataclass(frozen=True)
class Gain:
    """What fitting a vote to people brings over the plain mean, in macro F1.

    Attributes:
        equal: Of the plain mean.
        fitted: Of the fitted vote, on people that it was not fitted on.
        difference: ``fitted`` minus ``equal``, with its 95 % interval over people.
        in_sample: The same on the very people of the fit, which flatters it.
        log_loss: Mean of -log p(true class) of the plain mean, of the fitted vote on people that
            it was not fitted on, and on those of the fit, in nats.
    """

    equal: float
    fitted: float
    difference: Interval
    in_sample: float
    log_loss: tuple[float, float, float]


def contributions(validation: Members, judged: Outcome, learned: Learned | None) -> pd.DataFrame:
    """Return what each member adds to a vote: a row for each, then one for the ensemble.

    ``member``: its name; ``weight``, and ``weight_low`` to ``weight_high`` over the fits on parts
    of the people; ``agrees``: share of photos that it answers as the ensemble does; ``changes``:
    share that the ensemble would answer otherwise without it. Where the true classes are known
    also ``macro_f1``, alone, and ``helps``, the ensemble's minus that without the member, each
    with its 95 % interval ``_low`` to ``_high`` over people.
    """
    names = short_names([member.path for member in validation.each])
    table = pd.DataFrame({"member": [*names, "ensemble"]})
    if learned is not None and "weights" in learned.made:
        by_part = learned.made["weights_by_part"]
        table["weight"] = [*learned.made["weights"], np.nan]
        table["weight_low"] = [*np.min(by_part, axis=0), np.nan]
        table["weight_high"] = [*np.max(by_part, axis=0), np.nan]
    labels, without = judged.labels, judged.without
    table["agrees"] = [*(judged.answers == labels[:, None]).mean(axis=0), 1.0]
    if without is not None:
        table["changes"] = [*(without != labels[:, None]).mean(axis=0), np.nan]
    if not validation.labelled:
        return table
    scores = _scores(validation, [*judged.answers.T, labels])
    _put(table, "macro_f1", scores)
    if without is not None:
        helps = scores[-1] - _scores(validation, [*without.T])
        _put(table, "helps", np.vstack([helps, np.full_like(scores[-1], np.nan)]))
    return table


def gain_of(validation: Members, learned: Learned) -> Gain:
    """Return what a fitted vote brings over the plain mean."""
    plain = mix(validation, equal_weights(validation), leave_out=False)
    outcomes = (plain, learned.outcome, learned.in_sample)
    equal, fitted, in_sample = _scores(validation, [outcome.labels for outcome in outcomes])
    truth, difference = validation.truth(), fitted - equal

    def log_loss(outcome: Outcome) -> float:
        return negative_log_likelihood(truth, np.log(np.maximum(outcome.probabilities, TINY)))

    return Gain(
        equal=float(equal[0]),
        fitted=float(fitted[0]),
        difference=percentile_interval(difference[0], difference[1:]),
        in_sample=float(in_sample[0] - equal[0]),
        log_loss=(log_loss(plain), log_loss(learned.outcome), log_loss(learned.in_sample)),
    )


def _scores(validation: Members, voters: Sequence[NDArray[np.integer]]) -> NDArray[np.float64]:
    """Return macro F1 of answers on the people as they are, and on resamples of them."""
    person = validation.people()
    return resampled_scores(person, validation.truth(), voters, classes=validation.classes)


def _put(table: pd.DataFrame, name: str, scores: NDArray[np.float64]) -> None:
    """Add scores, (rows, 1 + R), with their intervals."""
    intervals = [astuple(percentile_interval(row[0], row[1:])) for row in scores]
    table[[name, f"{name}_low", f"{name}_high"]] = intervals
