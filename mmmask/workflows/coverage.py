"""Do intervals and verdicts hold what they promise? Many samples of people with a known truth."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from scipy.stats import norm

from mmmask.errors import InputError
from mmmask.evaluation.calibrated_tables import knowing
from mmmask.evaluation.intervals import (
    Counts,
    counts_by_person,
    macro_f1_interval_of,
    macro_f1_jackknife,
    macro_f1_of_counts,
    macro_f1_of_draws,
    people_by_class,
    resample_people,
    units_to_draw,
)
from mmmask.evaluation.jackknife import LEVEL, Interval, Jackknife
from mmmask.labels import ATTRIBUTES, encode
from mmmask.tables import attribute_of
from mmmask.workflows.score import labels_of, read_scored

#: Sizes of the samples, in people.
SIZES = (60, 140, 700)
#: Share of the simulated people who are old, and how much too old a training of a recipe sees
#: everybody, as a standard deviation over trainings.
_OLD, _SCATTERS = (0.04, 0.07), (0.3, 0.5)
#: State of the mask in each photo of a simulated person.
_MASKS = (0, 0, 0, 0, 0, 1, 2)
#: Shares of women, and of the young among those who are not old.
_WOMEN, _YOUNG = 0.61, 0.51
#: How far apart neighbouring values of an attribute look.
_APART = {"mask": 5.0, "gender": 3.2, "age": 2.6}
#: Standard deviations of what all models see in all photos of a person, of what they see in one
#: photo, and of the same two of each model alone.
_PERSON, _PHOTO, _OWN_PERSON, _OWN_PHOTO = 0.8, 0.6, 0.35, 0.35
#: People and trainings by which the truth is known, and resamples of the bootstraps.
_MANY, _TRAININGS, _RESAMPLES = 20_000, 20, 400


class Sample(NamedTuple):
    """Answers of K models to the photos of P people."""

    counts: list[Counts]  # (P, 2, 18) of each model
    people: NDArray[np.int64]  # (18,) how many have photos of the class


class Population(Protocol):
    """People without end, and K models whose true macro F1 on them is known, (K,)."""

    @property
    def name(self) -> str: ...
    @property
    def truth(self) -> NDArray[np.float64]: ...
    def draw(self, random: np.random.Generator, people: int) -> Sample: ...


class TablePeople:
    """The people of predictions tables of the same photos, drawn with replacement."""

    def __init__(self, paths: Sequence[Path]) -> None:
        if len({path.resolve() for path in paths}) < len(paths):
            raise InputError(f"--tables must be of different files; got {paths[0]} twice")
        tables = [knowing(table, path) for path, table in read_scored(paths).items()]
        units, kind = units_to_draw(tables[0])
        if kind != "people" or attribute_of(tables[0]) is not None:
            raise InputError(f"{paths[0]}: must be of the 18 classes and name every photo's person")
        _, rows = np.unique(units, return_inverse=True)
        labels = labels_of(tables[0])[0]
        self._counts = [counts_by_person(rows, labels, labels_of(one)[1]) for one in tables]
        self._classes = counts_by_person(rows, labels, labels)[:, 0] > 0  # (P, 18)
        self.name = " and ".join(path.parent.name or path.stem for path in map(Path, paths))
        self.truth = macro_f1_of_counts(np.stack([one.sum(axis=0) for one in self._counts]))

    def draw(self, random: np.random.Generator, people: int) -> Sample:
        """Return the answers to the photos of so many people."""
        who = random.integers(0, len(self._classes), people)
        return Sample([one[who] for one in self._counts], self._classes[who].sum(axis=0))


@dataclass(frozen=True)
class SimulatedPeople:
    """Seven photos of each person, and models that see them as well as can be.

    A photo looks like the values of its attributes, each with noise: some of the person in all
    photos, some of the photo, and some of each model. Each model answers by Bayes' rule and the
    shares of the population, but sees everybody a little too old or too young, as chance has it
    in its training.

    Attributes:
        old: Share of the old.
        models: Trainings of one recipe, K.
        scatter: Standard deviation over trainings of how much too old people look.
    """

    old: float
    models: int
    scatter: float = 0.0

    @property
    def name(self) -> str:
        """What sets it apart from other simulations."""
        return f"simulated, {100 * self.old:.0f} % old"

    @cached_property
    def truth(self) -> NDArray[np.float64]:
        """Macro F1 of each model on very many people; the recipe's mean where trainings scatter."""
        return np.full(self.models, self.of_trainings.mean())

    @cached_property
    def of_trainings(self) -> NDArray[np.float64]:
        """Macro F1 of many trainings on very many people."""
        random = np.random.default_rng(0)
        many = SimulatedPeople(self.old, _TRAININGS if self.scatter else 1, self.scatter)
        counts = many.draw(random, _MANY).counts
        return macro_f1_of_counts(np.stack([one.sum(axis=0) for one in counts]))

    def draw(self, random: np.random.Generator, people: int) -> Sample:
        """Return the answers to the photos of so many people, by models that are trained anew."""
        young = _YOUNG * (1 - self.old)
        shares = {
            "mask": np.bincount(_MASKS) / len(_MASKS),
            "gender": np.array([1 - _WOMEN, _WOMEN]),
            "age": np.array([young, 1 - young - self.old, self.old]),
        }
        rows = np.repeat(np.arange(people), len(_MASKS))
        values = {name: random.choice(len(each), people, p=each)[rows]
                  for name, each in shares.items()}  # fmt: skip
        values["mask"] = np.tile(_MASKS, people)
        truth = encode(**values)
        seen = {
            name: _APART[name] * value + _noise(random, rows, _PERSON, _PHOTO)
            for name, value in values.items()
        }
        counts = []
        for _ in range(self.models):
            parts = {
                name: _answer(look + _noise(random, rows, _OWN_PERSON, _OWN_PHOTO), name, shares)
                for name, look in self._too_old(random, seen).items()
            }
            counts.append(counts_by_person(rows, truth, encode(**parts)))
        return Sample(counts, people_by_class(rows, truth))

    def _too_old(
        self, random: np.random.Generator, seen: Mapping[str, NDArray[np.float64]]
    ) -> dict[str, NDArray[np.float64]]:
        return {**seen, "age": seen["age"] + self.scatter * random.normal()}


def _noise(
    random: np.random.Generator, rows: NDArray[np.int64], of_person: float, of_photo: float
) -> NDArray[np.float64]:
    people = int(rows[-1]) + 1
    return of_person * random.normal(size=people)[rows] + of_photo * random.normal(size=len(rows))


def _answer(
    look: NDArray[np.float64], name: str, shares: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.int64]:
    """Return the most probable value of an attribute by how photos look, (N,)."""
    variance = sum(sd**2 for sd in (_PERSON, _PHOTO, _OWN_PERSON, _OWN_PHOTO))
    away = look[:, None] - _APART[name] * np.arange(len(ATTRIBUTES[name]))
    return (np.log(shares[name]) - away**2 / (2 * variance)).argmax(axis=1)


#: Sample -> interval, by one method.
Method = Callable[[Sample], Interval]


class Question(NamedTuple):
    """What is asked of samples, and how it is answered."""

    of: str
    truth: float
    methods: Mapping[str, Method]


def measure(
    tables: Sequence[Path] = (),
    *,
    sets: int = 1000,
    sizes: Sequence[int] = SIZES,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how often intervals hold the truth, of simulated people and of those of tables.

    Args:
        tables: Predictions of the same photos of people held out. Their people are a population;
            each table is a model, and two of them a pair.
        sets: Samples of each population and size.
        sizes: People in a sample.
        seed: Of the samples.

    Returns:
        One row per population, size, question and method: ``truth``; ``covered``, the share of
        intervals that hold it; ``above`` and ``below``, where it lies otherwise; ``width``, the
        mean; of differences ``detectable``, the mean, and ``power``, the share that would be shown
        of a true difference as large as that. Where there is no true difference, ``1 - covered``
        is the share of false positives.
    """
    pairs: list[Population] = [SimulatedPeople(old, 2) for old in _OLD]
    if tables:
        pairs.append(TablePeople(tables))
    trained = [SimulatedPeople(old, 6, scatter) for old in _OLD for scatter in _SCATTERS]
    studies: list[tuple[Population, list[Question]]] = [(one, models(one)) for one in pairs]
    studies += [(one, recipes(one)) for one in trained]
    each = [(*study, size) for study in studies for size in sizes]
    shown = track(each, "coverage", console=Console(stderr=True))
    return pd.DataFrame([row for study in shown for row in _study(*study, sets, seed)])


def models(population: Population) -> list[Question]:
    """Ask for the macro F1 of the first model, and for the difference of the first two."""
    truth = population.truth
    one = Question("macro F1", float(truth[0]), {
        "jackknife": lambda sample: macro_f1_interval_of(sample.counts[:1], sample.people),
        "percentile bootstrap": lambda sample: _bootstrap(sample.counts[:1]),
        "BCa bootstrap": lambda sample: _bca(sample.counts[0]),
    })  # fmt: skip
    if len(truth) < 2:
        return [one]
    difference = float(truth[1] - truth[0])
    return [one, Question("two models", difference, {
        "jackknife": lambda sample: _apart(sample, 1).difference(),
        "percentile bootstrap": lambda sample: _bootstrap(sample.counts[:2]),
    })]  # fmt: skip


def recipes(population: SimulatedPeople) -> list[Question]:
    """Ask for the difference of two equal recipes: of a training of each, and of several."""
    half = population.models // 2
    words = f"whose trainings scatter by {population.of_trainings.std():.3f}"
    return [
        Question(f"recipes, one training each, {words}", 0.0, {
            "people alone": lambda sample: _apart(sample, 1).difference(),
        }),
        Question(f"recipes, {half} trainings each, {words}", 0.0, {
            "jackknife": lambda sample: _apart(sample, half).difference(),
            "people alone": lambda sample: _mean(_apart(sample, half)).difference(),
        }),
    ]  # fmt: skip


def _study(
    population: Population, questions: Sequence[Question], size: int, sets: int, seed: int
) -> Iterator[dict[str, object]]:
    random = np.random.default_rng([seed, size])
    found: dict[tuple[int, str], list[Interval]] = {}
    for _ in range(sets):
        sample = population.draw(random, size)
        for number, question in enumerate(questions):
            for name, method in question.methods.items():
                found.setdefault((number, name), []).append(method(sample))
    for (number, name), intervals in found.items():
        of, truth, _ = questions[number]
        low, high = (np.array([getattr(one, end) for one in intervals]) for end in ("low", "high"))
        detectable = np.mean([getattr(one, "detectable", np.nan) for one in intervals])
        seen = (low - truth + detectable > 0).mean() if np.isfinite(detectable) else np.nan
        yield {
            "population": population.name,
            "people": size,
            "of": of,
            "method": name,
            "sets": sets,
            "truth": truth,
            "covered": np.mean((low <= truth) & (truth <= high)),
            "above": np.mean(high < truth),
            "below": np.mean(low > truth),
            "width": np.mean(high - low),
            "detectable": detectable,
            "power": seen,
        }


def _apart(sample: Sample, models: int) -> Jackknife:
    """Return by how much the second so many models beat the first."""
    found = macro_f1_jackknife(sample.counts[: 2 * models])
    return found[models:] - found[:models]


def _mean(found: Jackknife) -> Jackknife:
    """Return the mean of models as if it were one."""
    return Jackknife(found.values.mean(keepdims=True), found.pseudo.mean(axis=0, keepdims=True))


def _resampled(counts: Sequence[Counts]) -> tuple[float, NDArray[np.float64]]:
    """Return macro F1, or by how much the second model is better, as it is and resampled, (R,)."""
    people = len(counts[0])
    draws = np.vstack([np.ones(people), resample_people(people, _RESAMPLES)])
    *first, last = (macro_f1_of_draws(draws, one) for one in counts)
    scores = last - first[0] if first else last
    return float(scores[0]), scores[1:]


def _bootstrap(counts: Sequence[Counts]) -> Interval:
    value, scores = _resampled(counts)
    low, high = np.quantile(scores, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


def _bca(counts: Counts) -> Interval:
    """Return the bias-corrected and accelerated interval, Efron, 1987."""
    value, scores = _resampled([counts])
    moves = macro_f1_jackknife([counts]).pseudo[0]
    moves = moves - moves.mean()
    acceleration = (moves**3).sum() / (6 * (moves**2).sum() ** 1.5) if moves.any() else 0.0
    share = np.clip((scores < value).mean(), 1 / (2 * _RESAMPLES), 1 - 1 / (2 * _RESAMPLES))
    bias = norm.ppf(share)
    tails = norm.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    moved = bias + (bias + tails) / (1 - acceleration * (bias + tails))
    low, high = np.quantile(scores, norm.cdf(moved))
    return Interval(value, float(low), float(high))
