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
from mmmask.evaluation.prior_shift.correction import (
    STRANGE,
    Evidence,
    Shift,
    choose,
    corrected,
    estimate_shift,
    known_shift,
    learn,
    surprise,
)
from mmmask.evaluation.prior_shift.references import Reference
from mmmask.evaluation.prior_shift.shares import Shares, reweight, with_margins
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
        rest = ((np.intersect1d(known, also_known), test) for also_known, test in others)
        return ((known, own), *rest)

    @property
    def test(self) -> NDArray[np.int64]:
        """Rows of the test set."""
        return np.concatenate([test for _, test in self.parts])


def _competition(base: Shares, random: np.random.Generator) -> Shares:
    return with_margins(base, COMPETITION)


def _old(base: Shares, random: np.random.Generator) -> Shares:
    age = marginals(base[None])["age"][0]
    old = random.uniform(0.02, 0.45)
    rest = age[:2] / age[:2].sum() * (1 - old)
    return with_margins(base, {"age": np.append(rest, old)})


def _gender(base: Shares, random: np.random.Generator) -> Shares:
    male = random.uniform(0.2, 0.8)
    return with_margins(base, {"gender": np.array([male, 1 - male])})


def _attributes(base: Shares, random: np.random.Generator) -> Shares:
    return with_margins(
        base, {"gender": random.dirichlet([2, 2]), "age": random.dirichlet([2, 2, 2])}
    )


def _cells(base: Shares, random: np.random.Generator) -> Shares:
    mask = marginals(base[None])["mask"][0]
    return np.outer(mask, random.dirichlet(np.ones(_CELLS))).ravel()


def _classes(base: Shares, random: np.random.Generator) -> Shares:
    return random.dirichlet(np.ones(NUM_CLASSES))


#: Kind of shift -> new class shares from the old. All but ``classes`` leave the mask states as they
#: are, since every person has the same photos.
KINDS: Mapping[str, Callable[[Shares, np.random.Generator], Shares]] = {
    "none": lambda base, random: base,
    "competition": _competition,  # as its leaderboard had them
    "old": _old,  # the share of the old, 2 to 45 %
    "gender": _gender,  # the share of men, 20 to 80 %
    "attributes": _attributes,  # genders and ages, apart
    "cells": _cells,  # anything of gender and age together
    "classes": _classes,  # anything
}


def draw_shifts(
    labels: NDArray[np.integer], person: NDArray, repeats: int, seed: int = 0
) -> Iterator[Drawn]:
    """Draw test sets; the kinds of shift take turns.

    Args:
        labels: (N,) true classes.
        person: (N,) who is in each photo.
        repeats: How many to draw.
        seed: Of the drawing.
    """
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


def simulate(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    person: NDArray,
    drawn: Drawn,
    *,
    resamples: int = 60,
    seed: int = 0,
    references: Mapping[str, Reference] | None = None,
) -> dict[str, float | str]:
    """Correct one drawn test set, and return what that gains.

    Returns:
        ``kind``; ``people`` that the test set shows; ``uncorrected``, the macro F1 of the
        predictions as they are; for each rule of deciding ``gain_RULE``, ``true_RULE`` (with the
        true shares, always corrected), ``decision_RULE`` (without any shift), ``abstained_RULE``
        (share of the thirds), ``strength_RULE`` and ``expected_RULE`` (of the shift corrected, and
        the gain that was promised; means over the thirds, 0 where it abstained); ``surprise``, the
        largest of any attribute and third; ``old``, ``old_estimate``, ``old_low``, ``old_high``:
        the share of the old; ``error``, the sum of the errors of the 18 shares;
        ``gain_NAME_RULE`` of the references.
    """
    test = drawn.test
    truth = labels[test]
    uncorrected = macro_f1(truth, probabilities[test].argmax(axis=1))
    true = np.bincount(truth, minlength=NUM_CLASSES) / len(test)
    rows = np.unique(person, return_inverse=True)[1]
    known = _Known(probabilities, labels, rows, resamples, seed)
    thirds = [
        _answers(known, drawn.readings(third), true, references or {}) for third in range(THIRDS)
    ]
    answers, facts = zip(*thirds, strict=True)
    gains = {
        name: macro_f1(truth, np.concatenate([one[name] for one in answers])) - uncorrected
        for name in answers[0]
    }
    means = {name: float(np.mean([one[name] for one in facts])) for name in facts[0]}
    means["surprise"] = max(one["surprise"] for one in facts)
    return {
        "kind": drawn.kind,
        "people": len(set(person[test])),
        "uncorrected": uncorrected,
        **means,
        **gains,
    }


@dataclass(frozen=True)
class _Known:
    """Labelled out-of-fold predictions, and how estimates from a part of them are made."""

    probabilities: NDArray[np.floating]
    labels: NDArray[np.integer]
    person: NDArray[np.int64]
    resamples: int
    seed: int
    _learned: dict[bytes, Evidence] = field(default_factory=dict)

    def estimate(self, reading: Reading, number: int) -> tuple[Evidence, Shift]:
        """Return what known rows teach, and the shares of the test rows by it."""
        known, test = reading
        who, person = np.unique(self.person[known], return_inverse=True)
        evidence = self._learned.get(known.tobytes())  # a third alone teaches twice
        if evidence is None:
            part = np.random.default_rng((self.seed, 3)).permutation(len(who))[person] % PARTS
            evidence = learn(self.probabilities[known], self.labels[known], person, part)
            self._learned[known.tobytes()] = evidence
        people = int(self.person.max()) + 1
        draws = resample_people(people, self.resamples, self.seed)[:, who]  # the same in all
        given = [self.probabilities[test]]
        seed = self.seed * THIRDS**2 + number
        return evidence, estimate_shift(evidence, given, seed=seed, draws=draws)


def _answers(
    known: _Known,
    readings: tuple[Reading, ...],
    true: Shares,
    references: Mapping[str, Reference],
) -> tuple[dict[str, NDArray[np.int64]], dict[str, float]]:
    """Return the answers to a third of a test set, by the names of their gains, and facts of it."""
    seed, given = known.seed, [known.probabilities[readings[0][1]]]
    estimates = [known.estimate(reading, number) for number, reading in enumerate(readings)]
    evidence, own = estimates[0]
    shift = replace(
        own,
        shares=np.mean([one.shares for _, one in estimates], axis=0),
        plausible=np.mean([one.plausible for _, one in estimates], axis=0),
    )
    known_truth = known_shift(evidence, true, len(given[0]), resamples=1)
    away = max(abs(one[2]) for one in surprise(evidence, shift, given, seed=seed).values())
    old, estimate, plausible = (
        marginals(np.atleast_2d(one))["age"][:, 2] for one in (true, shift.shares, shift.plausible)
    )
    low, high = np.quantile(plausible, [0.025, 0.975])
    facts = {
        "old": float(old[0]),
        "old_estimate": float(estimate[0]),
        "old_low": float(low),
        "old_high": float(high),
        "surprise": away,
        "error": float(np.abs(shift.shares - true).sum()),
    }
    answers: dict[str, NDArray[np.int64]] = {}
    for rule in RULES:
        chosen = None if away > STRANGE else choose(evidence, shift, given, rule, seed=seed).chosen
        facts |= {
            f"abstained_{rule}": float(chosen is None),
            f"strength_{rule}": 0.0 if chosen is None else chosen.strength,
            f"expected_{rule}": 0.0 if chosen is None else chosen.gain,
        }
        answers |= {
            f"gain_{rule}": given[0].argmax(axis=1)
            if chosen is None
            else decide(corrected(evidence, shift, chosen.strength, given), rule),
            f"true_{rule}": decide(corrected(evidence, known_truth, 1, given), rule),
            f"decision_{rule}": decide(corrected(evidence, shift, 0, given), rule),
        }
    for name, reference in references.items():
        found = [
            reference(known.probabilities[one], known.labels[one], known.probabilities[test])
            for one, test in readings
        ]
        factors = np.mean([one for _, one in found], axis=0)
        values = reweight(found[0][0], np.ones(NUM_CLASSES), factors)
        answers |= {f"gain_{name}_{rule}": decide(values, rule) for rule in RULES}
    return answers, facts


def summary(simulated: pd.DataFrame, rule: str) -> pd.DataFrame:
    """Return one row for each kind of shift and one for all: gains of a rule, and abstentions."""
    groups = [*simulated.groupby("kind", sort=False), ("all", simulated)]
    rows = []
    for kind, group in groups:
        gains = group[f"gain_{rule}"]
        rows.append(
            {
                "kind": kind,
                "shifts": len(group),
                "uncorrected": group["uncorrected"].mean(),
                "true": group[f"true_{rule}"].mean(),
                "decision": group[f"decision_{rule}"].mean(),
                "gain": gains.mean(),
                "p5": gains.quantile(0.05),
                "abstained": group[f"abstained_{rule}"].mean(),
                "lost": (gains < -0.005).mean(),
            }
        )
    return pd.DataFrame(rows)


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
    chosen = []
    for value, count in enumerate(counts):
        those = pool[of == value]
        if len(those):
            chosen.append(random.choice(those, count))
    return np.concatenate(chosen)
