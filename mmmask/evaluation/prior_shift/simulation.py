"""Measure corrections of prior shifts on shifts whose truth is known.

From labelled out-of-fold predictions, people are drawn so that they have other class shares: a test
set whose labels are known after all. The people are dealt into parts, and the photos of each part
are corrected by what the labels of the other parts teach. Everything is scored on the same test
sets.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.calibrated_tables import PARTS
from mmmask.evaluation.decision import decide
from mmmask.evaluation.intervals import resample_people
from mmmask.evaluation.prior_shift.correction import CAUTION, Choice, surprise, weigh
from mmmask.evaluation.prior_shift.references import Reference, references
from mmmask.evaluation.prior_shift.shares import Shares, with_margins
from mmmask.evaluation.prior_shift.shift import Evidence, Shift, estimate_shift, learn
from mmmask.evaluation.scores import macro_f1
from mmmask.labels import JOINT_SHAPE, NUM_CLASSES, marginals

#: What the leaderboard of the competition showed of its test set.
COMPETITION = {"gender": np.array([0.61, 0.39]), "age": np.array([0.42, 0.27, 0.31])}
#: Of each estimate of a simulated test set.
RESAMPLES = 30
_CELLS = 6  # genders times age groups: people have one of them, photos one of 18 classes


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


@dataclass(frozen=True)
class Drawn:
    """A test set with other class shares.

    Attributes:
        kind: What shifted.
        rows: (N,) of the photos in the test set.
    """

    kind: str
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Population:
    """Labelled out-of-fold predictions that test sets are drawn from.

    Attributes:
        probabilities: (N, 18) as predicted.
        labels: (N,) true classes.
        person: (N,) who is in each photo, numbers 0 to P - 1.
    """

    probabilities: NDArray[np.floating]
    labels: NDArray[np.int64]
    person: NDArray[np.int64]

    @cached_property
    def cell(self) -> NDArray[np.int64]:
        """Gender and age group of each person, (P,): of the last photo, as all are alike."""
        cell = np.zeros(int(self.person.max()) + 1, dtype=np.int64)
        cell[self.person] = self.labels % _CELLS
        return cell

    @cached_property
    def part(self) -> NDArray[np.int64]:
        """Part of each person, (P,); each has as many of each gender and age group."""
        part = np.empty(len(self.cell), dtype=np.int64)
        random = np.random.default_rng(0)
        for value in range(_CELLS):
            who = random.permutation(np.flatnonzero(self.cell == value))
            part[who] = (np.arange(len(who)) + random.integers(PARTS)) % PARTS
        return part

    @cached_property
    def evidence(self) -> list[Evidence]:
        """What the people outside each part teach."""
        known = [self.part[self.person] != part for part in range(PARTS)]
        return [learn(self.probabilities[k], self.labels[k], self.person[k]) for k in known]

    def draw(self, people: int, number: int, seed: int = 0) -> Drawn:
        """Draw the test set of a number; the kinds of shift take turns.

        Nobody is drawn twice before all of the same gender and age group are.
        """
        random = np.random.default_rng((seed, number))
        kind = [*KINDS][number % len(KINDS)]
        base = np.bincount(self.labels, minlength=NUM_CLASSES) / len(self.labels)
        base = np.maximum(base, 1e-6) / np.maximum(base, 1e-6).sum()
        target = KINDS[kind](base, random)
        if kind == "classes":
            photos = round(people * len(self.labels) / len(self.cell))
            rows = _drawn(self.labels, target, photos, random)
        else:
            by_cell = target.reshape(JOINT_SHAPE).sum(axis=0).ravel()
            who = _drawn(self.cell, by_cell, people, random)
            rows = np.concatenate([np.flatnonzero(self.person == one) for one in who])
        return Drawn(kind, rows)

    def estimate(self, drawn: Drawn, part: int, resamples: int, seed: int) -> Shift:
        """Estimate the shift of a test set by what the people outside a part teach."""
        draws = resample_people(len(self.part), resamples, seed)  # the same for all parts
        given = [self.probabilities[drawn.rows]]
        return estimate_shift(self.evidence[part], given, seed=seed, draws=draws)

    def simulate(
        self,
        drawn: Drawn,
        rule: str = "macro-f1",
        *,
        caution: float = CAUTION,
        resamples: int = RESAMPLES,
        seed: int = 0,
    ) -> dict[str, float | str | bool]:
        """Correct a drawn test set, and return what that gains.

        Returns:
            ``kind``; ``people`` that the test set shows; ``uncorrected``, the macro F1 of the
            predictions as they are; ``gain``, of leaving alone where that is chosen;
            ``corrected``, whether it is not; ``always``, the gain of correcting anyhow;
            ``promised``, what that was expected to be, with the standard deviation ``spread``;
            ``old``, ``old_estimate``: the share of the old; ``error``, the sum of the errors of the
            18 shares; ``surprise``, the largest of any attribute; and the gains by the ``true``
            shares, by a ``decision`` without any shift, and by the shares of each reference.
        """
        truth, given = self.labels[drawn.rows], self.probabilities[drawn.rows]
        shares = np.bincount(truth, minlength=NUM_CLASSES) / len(truth)
        own = [self.part[self.person[drawn.rows]] == part for part in range(PARTS)]
        wholes = [self.estimate(drawn, part, resamples, seed) for part in range(PARTS)]

        def parts(shares_of: Callable[[Shift], Shares]) -> list[Shift]:
            """Return the shifts of each part's own photos, with the shares of the whole."""
            return [
                replace(whole, models=[given[mine]], shares=shares_of(whole))
                for whole, mine in zip(wholes, own, strict=True)
            ]

        def joined(values: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
            """Return the rows of all parts, (N, 18)."""
            found = np.empty(given.shape)
            for mine, rows in zip(own, values, strict=True):
                found[mine] = rows
            return found

        shifts = parts(lambda whole: whole.shares)
        after = joined(one.corrected() for one in shifts)
        worlds = map(joined, zip(*(one.worlds() for one in shifts), strict=True))
        answers, gains = weigh(given.argmax(axis=1), after, worlds, rule)
        choice = Choice(rule, caution, after, answers, gains, surprise(wholes[0]))
        answered = {"always": answers}
        methods: dict[str, Callable[[Shift], Shares]] = {
            "true": lambda _: shares,
            "decision": lambda whole: whole.evidence.source,
        }
        methods |= {name: partial(_referred, one) for name, one in references().items()}
        for name, shares_of in methods.items():
            moved = (one.corrected() for one in parts(shares_of))
            answered[name] = decide(joined(moved), rule)
        before = macro_f1(truth, given.argmax(axis=1))
        scored = {name: macro_f1(truth, one) - before for name, one in answered.items()}
        estimate = np.mean([one.shares for one in wholes], axis=0)
        old, old_estimate = marginals(np.stack([shares, estimate]))["age"][:, 2]
        return {
            "kind": drawn.kind,
            "people": len(np.unique(self.person[drawn.rows])),
            "uncorrected": before,
            "corrected": choice.corrects,
            "gain": scored["always"] if choice.corrects else 0.0,
            "promised": choice.gain,
            "spread": choice.spread,
            "old": float(old),
            "old_estimate": float(old_estimate),
            "error": float(np.abs(estimate - shares).sum()),
            "surprise": max(abs(away) for _, _, away in choice.surprise.values()),
            **scored,
        }


def _referred(reference: Reference, shift: Shift) -> Shares:
    """Return the shares of the photos of a shift as another method estimates them."""
    evidence = shift.evidence
    known = evidence.calibration(evidence.probabilities).astype(np.float64)
    return reference(known, evidence.labels, shift.calibrated)


def _drawn(
    of: NDArray[np.int64], shares: Shares, number: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Draw so many of those that have the values ``of``, so that values have given shares."""
    held = np.bincount(of, minlength=len(shares)) > 0
    counts = random.multinomial(number, shares * held / (shares * held).sum())
    found = []
    for value, count in enumerate(counts):
        those = np.flatnonzero(of == value)
        rounds = [random.permutation(those) for _ in range(-(-count // max(len(those), 1)))]
        found.append(np.concatenate([*rounds, those[:0]])[:count])
    return np.concatenate(found)


def summary(simulated: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each kind of shift and one for all: means, and how the promise held.

    Args:
        simulated: One row per shift, as from :meth:`Population.simulate`.

    Returns:
        ``kind``, ``shifts`` and the means of ``uncorrected``, ``true``, ``decision``, ``always``
        and ``gain``; ``p5``, the gain that one test set in twenty stays below; ``alone``, the
        share left alone, and ``given_up``, the gain that correcting those would have had;
        ``promised`` and ``realised``, the means where it was corrected.
    """
    groups = {**dict([*simulated.groupby("kind", sort=False)]), "all": simulated}
    rows = []
    for kind, group in groups.items():
        corrected = group["corrected"].astype(bool)
        row = {"kind": kind, "shifts": len(group)}
        row |= {n: group[n].mean() for n in ("uncorrected", "true", "decision", "always", "gain")}
        row |= {"p5": group["gain"].quantile(0.05), "alone": 1 - corrected.mean()}
        row["given_up"] = group.loc[~corrected, "always"].mean()
        row["promised"] = group.loc[corrected, "promised"].mean()
        row["realised"] = group.loc[corrected, "gain"].mean()
        rows.append(row)
    return pd.DataFrame(rows)


def references_in(simulated: pd.DataFrame) -> list[str]:
    """Return the columns of other methods; ``simulated`` as for :func:`summary`."""
    return [*simulated.columns[simulated.columns.get_loc("decision") + 1 :]]
