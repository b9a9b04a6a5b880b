"""Errors that two unlike models share: what may remain wrong whatever the model.

Two models that err independently, given the true classes, are wrong about the same photo only as
often as chance has it. Chance is simulated: each person gets the second model's answers to another
person, drawn among those whose photos have the same true classes, and photo by photo: by class, and
within a class by file name. So mask1 to mask5 of a woman of 34 get the answers to mask1 to mask5 of
another woman of 30 to 59. How often each model errs in each class stays as it is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.errors import InputError
from mmmask.evaluation.disagreement import SHARED
from mmmask.evaluation.intervals import share_interval
from mmmask.evaluation.jackknife import LEVEL, Interval, pseudo_values
from mmmask.evaluation.parts import Part, parts_of

#: From this probability on, the answer to a person counts as sure.
SURE = 0.8
#: What happens to people that no model seems to tell.
NOT_TOLD = f"both wrong, the same answer, both sure (at least {100 * SURE:.0f} %)"
#: How often people are paired at random.
PAIRINGS = 500


@dataclass(frozen=True)
class Shared:
    """How often two models err together, beside what independent errors would do.

    Attributes:
        of: "class", "mask", "gender" or "age".
        what: How they err, in words.
        among: Of how many photos or people.
        count: How many of them it is.
        share: The same as a share, with its 95 % interval over people; None of none.
        by_chance: The share for independent errors: its mean over the pairings, and the range of
            95 % of them; None of none.
    """

    of: str
    what: str
    among: int
    count: int
    share: Interval | None
    by_chance: Interval | None


@dataclass(frozen=True)
class SharedErrors:
    """What two models get wrong together.

    Attributes:
        photos: Of the class and each attribute, the photos.
        people: Of gender and age, the people, each judged by all photos.
        untold: Gender and age -> the share of people whom both get wrong beyond chance, see
            :func:`untold_share`.
        paired: How many people these are.
        alone: How many people are left out, as nobody else has the same true classes.
    """

    photos: list[Shared]
    people: list[Shared]
    untold: dict[str, Interval]
    paired: int
    alone: int


def shared_errors(
    units: NDArray,
    one: pd.DataFrame,
    other: pd.DataFrame,
    *,
    pairings: int = PAIRINGS,
    seed: int = 0,
) -> SharedErrors:
    """Return how far two models err together, and how far chance explains that.

    Args:
        units: (N,) of whom, see :func:`mmmask.evaluation.intervals.units_to_draw`.
        one: Predictions of N photos with the column ``label``, of the 18 classes or an attribute.
        other: Those of the other model, of the same photos in the same order.
        pairings: How often people are paired at random.
        seed: Of the pairings.

    Raises:
        InputError: No two people have the same true classes.
    """
    label = one["label"].to_numpy(dtype=np.int64)
    who = np.unique(units, return_inverse=True)[1]
    names = one["image"].str.rsplit("/", n=1).str[-1].to_numpy(dtype=str)
    order = np.lexsort((names, label, who))  # person by person, each in the same order
    profile = pd.factorize(pd.Series(label[order]).groupby(who[order]).agg(tuple))[0]  # (P,)
    paired = np.bincount(profile)[profile] > 1
    if not paired.any():
        raise InputError(
            f"shared errors need two people whose photos have the same true classes; of "
            f"{len(profile):,} people no two have"
        )
    order = order[paired[who[order]]]
    who = np.unique(who[order], return_inverse=True)[1]  # (M,) of the people who are left
    first = np.flatnonzero(np.diff(who, prepend=-1))  # (Q,) row of the first photo of each
    place = np.arange(len(who)) - first[who]  # (M,) of a photo among those of the person
    partners = list(_partners(profile[paired], pairings, seed))
    rows = [first[each][who] + place for each in partners]
    photos: list[Shared] = []
    people: list[Shared] = []
    untold: dict[str, Interval] = {}
    ones, others = (parts_of(table.iloc[order]) for table in (one, other))
    for mine, theirs in zip(ones, others, strict=True):
        answers = (mine.truth, mine.predicted, theirs.predicted)
        photos += _of_photos(mine, who, answers, rows)
        if mine.name in SHARED:
            truth, told = mine.truth[first], (_told(mine, who), _told(theirs, who))
            people += _of_people(mine.name, truth, *told, partners)
            wrong, also = (values != truth for values, _ in told)
            untold[mine.name] = untold_share(profile[paired], wrong, also)
    return SharedErrors(photos, people, untold, len(first), int((~paired).sum()))


def untold_share(
    classes: NDArray[np.integer], one: NDArray[np.bool_], other: NDArray[np.bool_]
) -> Interval:
    """Return the share of people whom no model tells, if that alone makes the errors alike.

    Let a share s of people be such that every model is wrong about them, and let two models err
    about the others independently, within each true class. Then P(both wrong) - P(one wrong)
    P(other wrong) = s P(both right). Where both err more often about some people than about others,
    such as near the cut of two age groups, s is too high.

    Args:
        classes: (P,) the true class of each person, any numbers from 0.
        one: (P,) whether the first model is wrong about the person.
        other: (P,) the same of the other.

    Returns:
        s, the mean over the classes by how many people both get right, with its 95 % interval over
        people; NaN where that is nobody.
    """
    facts = np.stack([np.ones(len(one)), one, other, one & other, ~one & ~other], axis=1)
    sums = np.zeros((classes.max() + 1, facts.shape[1]))
    np.add.at(sums, classes, facts)

    def terms(n: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 5) sums of a class -> (..., 2): covariance and both right, in people."""
        by_chance = n[..., 1] * n[..., 2] / np.maximum(n[..., 0], 1)
        return np.stack([n[..., 3] - by_chance, n[..., 4]], axis=-1)

    each = terms(sums)  # (C, 2)
    without = each.sum(axis=0) - each[classes] + terms(sums[classes] - facts)  # (P, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = [part[..., 0] / part[..., 1] for part in (each.sum(axis=0), without)]
    return pseudo_values(shares[0][None], shares[1][None]).score_interval(0, 0)


def _partners(
    profile: NDArray[np.integer], pairings: int, seed: int
) -> Iterator[NDArray[np.int64]]:
    """Yield for each of Q people another one of the same profile, (Q,), anew each time.

    Those of a profile stand in a random circle, and each gets the next.
    """
    random = np.random.default_rng(seed)
    sizes = np.unique(profile, return_counts=True)[1]
    ends = sizes.cumsum()
    following = np.arange(1, len(profile) + 1)
    following[ends - 1] = ends - sizes
    for _ in range(pairings):
        circle = np.lexsort((random.random(len(profile)), profile))
        partner = np.empty_like(circle)
        partner[circle] = circle[following]
        yield partner


def _of_photos(
    part: Part, who: NDArray, answers: tuple[NDArray, NDArray, NDArray], rows: Sequence[NDArray]
) -> Iterator[Shared]:
    """Yield how often both are wrong, and, of several wrong answers, how often they are the same.

    ``answers``: (M,) truth, and what each model says; ``rows``: those of the partners, (M,) each.
    """
    truth, one, other = answers
    wrong, also = one != truth, other != truth
    both = wrong & also
    chance = [wrong & also[each] for each in rows]
    yield _shared(part.name, "both wrong", who, both, [each.mean() for each in chance])
    if len(part.values) > 2:
        same = one == other
        alike = [
            np.mean((one == other[each])[pair]) if pair.any() else np.nan
            for each, pair in zip(rows, chance, strict=True)
        ]
        yield _shared(part.name, "of these, the same answer", who[both], same[both], alike)


def _told(part: Part, who: NDArray) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return what all photos of each person tell, by the mean of their probabilities.

    Returns:
        (Q,) values, and (Q,) whether their mean probability is ``SURE`` or more.
    """
    sums = np.zeros((who.max() + 1, part.probabilities.shape[1]))
    np.add.at(sums, who, part.probabilities)
    mean = sums / np.bincount(who)[:, None]
    return mean.argmax(axis=1), mean.max(axis=1) >= SURE


def _of_people(
    of: str,
    truth: NDArray[np.int64],
    one: tuple[NDArray[np.int64], NDArray[np.bool_]],
    other: tuple[NDArray[np.int64], NDArray[np.bool_]],
    partners: Sequence[NDArray[np.int64]],
) -> Iterator[Shared]:
    """Yield how many people both tell wrongly, and how many the same way and surely.

    ``truth`` is (Q,), ``one`` and ``other`` are from :func:`_told`.
    """
    (mine, sure), (theirs, also_sure) = one, other

    def alike(rows: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
        both = (mine != truth) & (theirs[rows] != truth)
        surely = sure & also_sure[rows] & (mine == theirs[rows])
        return {"both wrong": both, NOT_TOLD: both & surely}

    everybody = np.arange(len(truth))
    chance = pd.DataFrame(
        [{what: hits.mean() for what, hits in alike(each).items()} for each in partners]
    )
    for what, hits in alike(everybody).items():
        yield _shared(of, what, everybody, hits, chance[what])


def _shared(
    of: str, what: str, who: NDArray, hits: NDArray[np.bool_], chance: Sequence[float]
) -> Shared:
    """Return a share of the photos or people, (M,), beside the shares in the pairings."""
    tail = (1 - LEVEL) / 2
    shares = np.asarray(chance, dtype=np.float64)
    shares = shares[np.isfinite(shares)]
    by_chance = None
    if len(shares):
        by_chance = Interval(float(shares.mean()), *np.quantile(shares, [tail, 1 - tail]).tolist())
    share = share_interval(who, hits) if len(hits) else None
    return Shared(of, what, len(hits), int(hits.sum()), share, by_chance)
