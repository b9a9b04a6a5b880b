"""Measure corrections of prior shifts on shifts whose truth is known.

Labelled out-of-fold predictions are split by people into three parts. From each, people are drawn
with repetition so that they have other class shares. The three together are a test set whose labels
are known after all: macro F1 needs many people. Each third is corrected by what the labels of the
other two teach, and knows nothing of its own. The class shares are those of the whole test set:
the mean of what its thirds show. Everything is scored on the same test sets.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.calibrated_tables import PARTS
from mmmask.evaluation.decision import RULES, decide
from mmmask.evaluation.intervals import resample_people
from mmmask.evaluation.prior_shift.correction import Choice, choose, corrected
from mmmask.evaluation.prior_shift.references import Reference
from mmmask.evaluation.prior_shift.shares import Shares, reweight, with_margins
from mmmask.evaluation.prior_shift.shift import Evidence, Shift, estimate_shift, learn
from mmmask.evaluation.scores import macro_f1
from mmmask.labels import JOINT_SHAPE, NUM_CLASSES, marginals

#: What the leaderboard of the competition showed of its test set.
COMPETITION = {"gender": np.array([0.61, 0.39]), "age": np.array([0.42, 0.27, 0.31])}
#: Parts of the people; each is predicted by what the others teach. Two thirds are evidence, as the
#: competition's train set has 60 % of all people.
THIRDS = 3
_CELLS = 6  # genders times age groups: people have one of them, photos one of 18 classes

#: Rows that are known with their labels, and rows of a test set that they tell something about.
Reading = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Drawn:
    """A test set with other class shares, and the evidence that it is to be corrected by.

    Attributes:
        kind: What shifted.
        parts: For each third of the people the rows of the others, which are known, and its own
            rows in the test set, with repetition.
    """

    kind: str
    parts: tuple[Reading, ...]

    def readings(self, third: int) -> tuple[Reading, ...]:
        """Return how the shares of the test set are read for one third of it.

        None knows a label of the third: its own rows are read by what both others teach, those of
        each of the others by what the remaining one teaches.
        """
        known, own = self.parts[third]
        others = (part for number, part in enumerate(self.parts) if number != third)
        return (
            (known, own),
            *((np.intersect1d(known, also_known), test) for also_known, test in others),
        )

    @property
    def test(self) -> NDArray[np.int64]:
        """Rows of the test set."""
        return np.concatenate([test for _, test in self.parts])


def _old(base: Shares, random: np.random.Generator) -> Shares:
    age = marginals(base[None])["age"][0]
    old = random.uniform(0.02, 0.45)
    return with_margins(base, {"age": np.append(age[:2] / age[:2].sum() * (1 - old), old)})


def _gender(base: Shares, random: np.random.Generator) -> Shares:
    male = random.uniform(0.2, 0.8)
    return with_margins(base, {"gender": np.array([male, 1 - male])})


def _attributes(base: Shares, random: np.random.Generator) -> Shares:
    margins = {"gender": random.dirichlet([2, 2]), "age": random.dirichlet([2, 2, 2])}
    return with_margins(base, margins)


def _cells(base: Shares, random: np.random.Generator) -> Shares:
    mask = marginals(base[None])["mask"][0]
    return np.outer(mask, random.dirichlet(np.ones(_CELLS))).ravel()


#: Kind of shift -> new class shares from the old. All but ``classes`` leave the mask states as they
#: are, since every person has the same photos.
KINDS: Mapping[str, Callable[[Shares, np.random.Generator], Shares]] = {
    "none": lambda base, random: base,
    "competition": lambda base, random: with_margins(base, COMPETITION),  # as on its leaderboard
    "old": _old,  # the share of the old, 2 to 45 %
    "gender": _gender,  # the share of men, 20 to 80 %
    "attributes": _attributes,  # genders and ages, apart
    "cells": _cells,  # anything of gender and age together
    "classes": lambda base, random: random.dirichlet(np.ones(NUM_CLASSES)),  # anything
}


def draw_shifts(
    labels: NDArray[np.integer], person: NDArray, repeats: int, seed: int = 0
) -> Iterator[Drawn]:
    """Draw ``repeats`` test sets from labelled photos, (N,); the kinds of shift take turns."""
    rows = np.unique(person, return_inverse=True)[1]
    people = int(rows.max()) + 1
    cell = np.zeros(people, dtype=np.int64)
    cell[rows] = labels % _CELLS  # of the person's last photo, as all are alike
    photos = [np.flatnonzero(rows == who) for who in range(people)]
    base = np.bincount(labels, minlength=NUM_CLASSES) / len(labels)
    base = np.maximum(base, 1e-6) / np.maximum(base, 1e-6).sum()
    for number in range(repeats):
        random = np.random.default_rng((seed, number))
        kind = [*KINDS][number % len(KINDS)]
        third = _thirds(cell, random)
        target = KINDS[kind](base, random)
        parts = []
        for own in range(THIRDS):
            unknown = np.flatnonzero(third == own)
            if kind == "classes":
                pool = np.concatenate([photos[who] for who in unknown])
                test = _drawn(pool, labels[pool], target, random)
            else:
                by_cell = target.reshape(JOINT_SHAPE).sum(axis=0).ravel()
                who = _drawn(unknown, cell[unknown], by_cell, random)
                test = np.concatenate([photos[one] for one in who])
            parts.append((np.flatnonzero(third[rows] != own), test))
        yield Drawn(kind, tuple(parts))


def _thirds(cell: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Deal the people; each part gets as many of each gender and age group."""
    third = np.empty(len(cell), dtype=np.int64)
    for value in range(_CELLS):
        who = random.permutation(np.flatnonzero(cell == value))
        third[who] = (np.arange(len(who)) + random.integers(THIRDS)) % THIRDS
    return third


def _drawn(
    pool: NDArray[np.int64], of: NDArray[np.int64], shares: Shares, random: np.random.Generator
) -> NDArray[np.int64]:
    """Draw as many of a pool as it has, with repetition, so that values have given shares."""
    counts = random.multinomial(len(pool), shares / shares.sum())
    groups = ((pool[of == value], count) for value, count in enumerate(counts))
    return np.concatenate([random.choice(those, count) for those, count in groups if len(those)])


@dataclass(frozen=True)
class Population:
    """Labelled out-of-fold predictions that test sets are drawn from, and how those are corrected.

    Attributes:
        probabilities: (N, 18) as predicted.
        labels: (N,) true classes.
        person: (N,) who is in each photo, any values.
        resamples: Of each estimate.
        seed: Of resampling.
        references: Other corrections to compare with.
    """

    probabilities: NDArray[np.floating]
    labels: NDArray[np.integer]
    person: NDArray
    resamples: int = 60
    seed: int = 0
    references: Mapping[str, Reference] = field(default_factory=dict)

    def simulate(self, drawn: Drawn) -> dict[str, float | str]:
        """Correct one drawn test set, and return what that gains.

        Returns:
            ``kind``; ``people`` that the test set shows; ``uncorrected``, the macro F1 of the
            predictions as they are; for each rule of deciding ``gain_RULE``, ``true_RULE`` (with
            the true shares, always corrected), ``decision_RULE`` (without any shift),
            ``abstained_RULE`` (share of the thirds), ``strength_RULE`` and ``expected_RULE`` (of
            the shift corrected, and the gain that was promised; means over the thirds, 0 where it
            abstained); ``surprise``, the largest of any attribute and third; ``old``,
            ``old_estimate``, ``old_low``, ``old_high``: the share of the old; ``error``, the sum
            of the errors of the 18 shares; ``gain_NAME_RULE`` of the references.
        """
        truth = self.labels[drawn.test]
        uncorrected = macro_f1(truth, self.probabilities[drawn.test].argmax(axis=1))
        true = np.bincount(truth, minlength=NUM_CLASSES) / len(truth)
        learned: dict[bytes, Evidence] = {}
        thirds = [self.answers(drawn.readings(k), true, learned) for k in range(THIRDS)]
        answers, facts = zip(*thirds, strict=True)
        gains = {
            name: macro_f1(truth, np.concatenate([one[name] for one in answers])) - uncorrected
            for name in answers[0]
        }
        means = {name: float(np.mean([one[name] for one in facts])) for name in facts[0]}
        means["surprise"] = max(one["surprise"] for one in facts)
        return {
            "kind": drawn.kind,
            "people": len(set(self.person[drawn.test])),
            "uncorrected": uncorrected,
            **means,
            **gains,
        }

    def answers(
        self, readings: tuple[Reading, ...], true: Shares, learned: dict[bytes, Evidence]
    ) -> tuple[dict[str, NDArray[np.int64]], dict[str, float]]:
        """Return answers to a third of a test set, by the names of their gains, and facts of it."""
        shifts = [self._estimate(one, number, learned) for number, one in enumerate(readings)]
        shift = replace(
            shifts[0],
            shares=np.mean([one.shares for one in shifts], axis=0),
            plausible=np.mean([one.plausible for one in shifts], axis=0),
            seed=self.seed,
        )
        choices = {rule: choose(shift, rule) for rule in RULES}
        facts = _facts(shift, true, choices)
        answers: dict[str, NDArray[np.int64]] = {}
        for rule, choice in choices.items():
            chosen = choice.chosen
            answers |= {
                f"gain_{rule}": shift.models[0].argmax(axis=1)
                if chosen is None
                else decide(corrected(shift, chosen.strength), rule),
                f"true_{rule}": decide(corrected(replace(shift, shares=true), 1), rule),
                f"decision_{rule}": decide(corrected(shift, 0), rule),
            }
        for name, reference in self.references.items():
            found = [
                reference(self.probabilities[known], self.labels[known], self.probabilities[test])
                for known, test in readings
            ]
            factors = np.mean([one for _, one in found], axis=0)
            values = reweight(found[0][0], np.ones(NUM_CLASSES), factors)
            answers |= {f"gain_{name}_{rule}": decide(values, rule) for rule in RULES}
        return answers, facts

    def _estimate(self, reading: Reading, number: int, learned: dict[bytes, Evidence]) -> Shift:
        """Return the shares of test rows by what known rows teach, which ``learned`` keeps."""
        known, test = reading
        everybody, rows = np.unique(self.person, return_inverse=True)
        who, person = np.unique(rows[known], return_inverse=True)
        evidence = learned.get(known.tobytes())  # a third alone teaches twice
        if evidence is None:
            part = np.random.default_rng((self.seed, 3)).permutation(len(who))[person] % PARTS
            evidence = learn(self.probabilities[known], self.labels[known], person, part)
            learned[known.tobytes()] = evidence
        draws = resample_people(len(everybody), self.resamples, self.seed)[:, who]  # same in all
        seed = self.seed * THIRDS**2 + number
        return estimate_shift(evidence, [self.probabilities[test]], seed=seed, draws=draws)


def _facts(shift: Shift, true: Shares, choices: Mapping[str, Choice]) -> dict[str, float]:
    """Return what :meth:`Population.simulate` says of the shift of a third and its correction."""
    old, estimate, plausible = (
        marginals(np.atleast_2d(one))["age"][:, 2] for one in (true, shift.shares, shift.plausible)
    )
    low, high = np.quantile(plausible, [0.025, 0.975])
    surprise = next(iter(choices.values())).surprise
    facts = {
        "old": float(old[0]),
        "old_estimate": float(estimate[0]),
        "old_low": float(low),
        "old_high": float(high),
        "surprise": max(abs(one[2]) for one in surprise.values()),
        "error": float(np.abs(shift.shares - true).sum()),
    }
    for rule, choice in choices.items():
        chosen = choice.chosen
        facts |= {
            f"abstained_{rule}": float(chosen is None),
            f"strength_{rule}": 0.0 if chosen is None else chosen.strength,
            f"expected_{rule}": 0.0 if chosen is None else chosen.gain,
        }
    return facts


def summary(simulated: pd.DataFrame, rule: str) -> pd.DataFrame:
    """Return one row for each kind of shift and one for all: gains of a rule, and abstentions."""
    means = {
        "uncorrected": "uncorrected",
        "true": f"true_{rule}",
        "decision": f"decision_{rule}",
        "gain": f"gain_{rule}",
        "abstained": f"abstained_{rule}",
    }
    groups = {**dict([*simulated.groupby("kind", sort=False)]), "all": simulated}
    rows = [
        {
            "kind": kind,
            "shifts": len(group),
            **{name: group[column].mean() for name, column in means.items()},
            "p5": group[f"gain_{rule}"].quantile(0.05),
        }
        for kind, group in groups.items()
    ]
    return pd.DataFrame(rows)
