"""Measure corrections of prior shifts on shifts whose truth is known.

Labelled out-of-fold predictions are split by people. One half is the evidence; of the other,
people are drawn again and again until they have other class shares: a test set whose labels are
known after all. Everything is scored on the same test sets.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.decision import RULES, decide
from mmmask.evaluation.prior_shift import Shares, with_margins
from mmmask.evaluation.scores import macro_f1
from mmmask.evaluation.shift_correction import (
    STRANGE,
    choose,
    corrected,
    estimate_shift,
    known_shift,
    learn,
    surprise,
)
from mmmask.evaluation.shift_references import Reference
from mmmask.labels import JOINT_SHAPE, NUM_CLASSES, marginals

#: What the leaderboard of the competition showed of its test set.
COMPETITION = {"gender": np.array([0.61, 0.39]), "age": np.array([0.42, 0.27, 0.31])}
PARTS = 5  # of the evidence, that calibrate each other
_CELLS = 6  # genders times age groups: people have one of them, photos one of 18 classes


@dataclass(frozen=True)
class Drawn:
    """A test set with other class shares, and the evidence that it is to be corrected by.

    Attributes:
        kind: What shifted.
        evidence: Rows of the people that are known.
        test: Rows of the test set, with repetition; of other people.
    """

    kind: str
    evidence: NDArray[np.int64]
    test: NDArray[np.int64]


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
        known = _half(cell, random)
        unknown = np.flatnonzero(~known)
        target = KINDS[kind](base, random)
        if kind == "classes":
            pool = np.concatenate([photos[who] for who in unknown])
            test = _drawn(pool, labels[pool], target, random)
        else:
            by_cell = target.reshape(JOINT_SHAPE).sum(axis=0).ravel()
            who = _drawn(unknown, cell[unknown], by_cell, random)
            test = np.concatenate([photos[one] for one in who])
        yield Drawn(kind, np.flatnonzero(known[rows]), test)


def simulate(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    person: NDArray,
    drawn: Drawn,
    *,
    resamples: int = 100,
    seed: int = 0,
    references: Mapping[str, Reference] | None = None,
) -> dict[str, float | str]:
    """Correct one drawn test set, and return what that gains.

    Returns:
        ``kind``; ``people`` that the test set shows; ``uncorrected``, the macro F1 of the
        predictions as they are; for each rule of deciding ``gain_RULE``, ``true_RULE`` (with the
        true shares, always corrected), ``decision_RULE`` (without any shift), ``strength_RULE``
        (missing where it abstained), ``expected_RULE`` and ``low_RULE`` (what the choice
        promised); ``surprise``, the largest of any attribute;
        ``old``, ``old_estimate``, ``old_low``, ``old_high``: the share of the old;
        ``error``, the sum of the errors of the 18 shares; ``gain_NAME_RULE`` of the references.
    """
    known, test = drawn.evidence, drawn.test
    rows = np.unique(person[known], return_inverse=True)[1]
    part = np.random.default_rng((seed, 3)).permutation(rows.max() + 1)[rows] % PARTS
    evidence = learn(probabilities[known], labels[known], person[known], part)
    given, truth = [probabilities[test]], labels[test]
    shift = estimate_shift(evidence, given, resamples=resamples, seed=seed)
    true = np.bincount(truth, minlength=NUM_CLASSES) / len(truth)
    known_truth = known_shift(evidence, true, len(truth), resamples=1)
    uncorrected = macro_f1(truth, given[0].argmax(axis=1))
    old, estimate, plausible = (
        marginals(np.atleast_2d(one))["age"][:, 2] for one in (true, shift.shares, shift.plausible)
    )
    low, high = np.quantile(plausible, [0.025, 0.975])
    away = max(abs(one[2]) for one in surprise(evidence, shift, given, seed=seed).values())
    result: dict[str, float | str] = {
        "kind": drawn.kind,
        "people": len(set(person[test])),
        "uncorrected": uncorrected,
        "old": float(old[0]),
        "old_estimate": float(estimate[0]),
        "old_low": float(low),
        "old_high": float(high),
        "surprise": away,
        "error": float(np.abs(shift.shares - true).sum()),
    }

    def gain(values: NDArray, rule: str) -> float:
        return macro_f1(truth, decide(values, rule)) - uncorrected

    for rule in RULES:
        chosen = None if away > STRANGE else choose(evidence, shift, rule, seed=seed).chosen
        strength = np.nan if chosen is None else chosen.strength
        result |= {
            f"gain_{rule}": 0.0
            if chosen is None
            else gain(corrected(evidence, shift, chosen.strength, given), rule),
            f"true_{rule}": gain(corrected(evidence, known_truth, 1, given), rule),
            f"decision_{rule}": gain(corrected(evidence, shift, 0, given), rule),
            f"strength_{rule}": strength,
            f"expected_{rule}": 0.0 if chosen is None else chosen.gain,
            f"low_{rule}": 0.0 if chosen is None else chosen.low,
        }
        for name, reference in (references or {}).items():
            values = reference(probabilities[known], labels[known], given[0])
            result[f"gain_{name}_{rule}"] = gain(values, rule)
    return result


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
                "abstained": group[f"strength_{rule}"].isna().mean(),
                "lost": (gains < -0.005).mean(),
            }
        )
    return pd.DataFrame(rows)


def _half(cell: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.bool_]:
    """Return which people are known: half of those of each gender and age group."""
    known = np.zeros(len(cell), dtype=bool)
    for value in range(_CELLS):
        who = random.permutation(np.flatnonzero(cell == value))
        known[who[: round(len(who) / 2 + random.uniform(-0.5, 0.5))]] = True
    return known


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
