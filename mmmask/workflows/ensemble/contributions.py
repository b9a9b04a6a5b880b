"""What each member adds to an ensemble, and what fitting the vote has brought."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmmask.evaluation.intervals import jackknife, macro_f1_interval, paired_difference
from mmmask.evaluation.jackknife import Difference, Interval
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
    difference: Difference
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
    person, truth, classes = validation.people(), validation.truth(), validation.classes
    _put(
        table,
        "macro_f1",
        [
            macro_f1_interval(person, truth, [voter], classes=classes)
            for voter in (*judged.answers.T, labels)
        ],
    )
    if without is not None:
        helps = [
            paired_difference(person, truth, [labels], [others], classes=classes)
            for others in without.T
        ]
        _put(table, "helps", [*helps, Interval(np.nan, np.nan, np.nan)])
    return table


def gain_of(validation: Members, learned: Learned) -> Gain:
    """Return what a fitted vote brings over the plain mean."""
    plain = mix(validation, equal_weights(validation), leave_out=False)
    outcomes = (plain, learned.outcome, learned.in_sample)
    truth = validation.truth()
    scores = jackknife(
        validation.people(),
        truth,
        [outcome.labels for outcome in outcomes],
        classes=validation.classes,
    )
    equal, fitted, in_sample = scores.values.tolist()

    def log_loss(outcome: Outcome) -> float:
        return negative_log_likelihood(truth, np.log(np.maximum(outcome.probabilities, TINY)))

    return Gain(
        equal=equal,
        fitted=fitted,
        difference=(scores[[1]] - scores[[0]]).difference(),
        in_sample=in_sample - equal,
        log_loss=(log_loss(plain), log_loss(learned.outcome), log_loss(learned.in_sample)),
    )


def _put(table: pd.DataFrame, name: str, intervals: Sequence[Interval]) -> None:
    """Add a score of each row with its interval."""
    columns = [name, f"{name}_low", f"{name}_high"]
    table[columns] = [(one.value, one.low, one.high) for one in intervals]
