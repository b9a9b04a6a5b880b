"""Person-wise splits: all photos of a person fall on the same side."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.errors import InputError
from mmmask.known import classes_of
from mmmask.labels import AGE_GROUPS, MASKS, NUM_CLASSES, age_group


def assign_folds(samples: pd.DataFrame, *, folds: int = 5, seed: int = 0) -> pd.Series:
    """Return the fold 0..folds-1 of each row, the same for all rows of a person.

    People are stratified by gender and age group: each stratum is shuffled, the strata are laid
    end to end and dealt out one by one. So the sizes of two folds differ by at most one person,
    within each stratum too. The result depends on the people and the seed alone, neither on the
    order of rows nor on how many photos a person has.

    Args:
        samples: Table with person, gender and age (years); gender and age as in the first row
            of a person. The age cut is always the competition's, so that folds stay the same
            when labels are made with another cut.
        folds: How many; at least 2 and at most the number of people.
        seed: Seed of the shuffle.

    Raises:
        InputError: ``folds`` is out of range.
    """
    people = samples[["person", "gender", "age"]].drop_duplicates("person").sort_values("person")
    if not 2 <= folds <= len(people):
        raise InputError(
            f"folds must be from 2 to the number of people, {len(people)}; got {folds}"
        )
    stratum = people["gender"] + pd.Series(
        np.take(AGE_GROUPS, age_group(people["age"].to_numpy(dtype="int64"))),
        index=people.index,
        dtype="str",
    )
    fold_of = deal(people["person"], stratum, folds, seed)
    return samples["person"].map(fold_of).astype("Int8")


def folds_of(samples: pd.DataFrame, *, folds: int = 5, seed: int = 0) -> pd.Series:
    """Return the fold of each row: the given one, where samples have some, else a dealt one.

    Args:
        samples: As for :func:`assign_folds`; perhaps with ``fold``, missing for people to be dealt.
        folds: How many.
        seed: Seed of the deal.

    Raises:
        InputError: A given fold is none of these, or a person is in two.
    """
    if "fold" not in samples or samples["fold"].isna().all():
        return assign_folds(samples, folds=folds, seed=seed)
    given = samples.dropna(subset="fold")
    outside = given[given["fold"] >= folds]
    if len(outside):
        raise InputError(
            f"{outside['image'].iloc[0]}: fold must be from 0 to data.folds - 1 = {folds - 1}; "
            f"got {outside['fold'].iloc[0]}"
        )
    pairs = given[["person", "fold"]].drop_duplicates()
    twice = pairs["person"].duplicated()
    if twice.any():
        person = pairs["person"][twice].iloc[0]
        where = sorted(pairs["fold"][pairs["person"] == person])
        raise InputError(
            f"person {person} must be in one fold; got {' and '.join(map(str, where))}"
        )
    fold = samples["person"].map(pairs.set_index("person")["fold"]).astype("Int8")
    rest = samples[fold.isna()]
    if len(rest):
        fold[rest.index] = assign_folds(rest, folds=folds, seed=seed)
    return fold


def deal(people: pd.Series, stratum: pd.Series, parts: int, seed: int) -> pd.Series:
    """Return the part 0..parts-1 of each person, by person, each stratum spread over all parts.

    ``people``, each once, and their strata, which can be ordered, have the same index.
    """
    random = np.random.default_rng([seed, parts])
    shuffled = people.iloc[random.permutation(len(people))]
    dealt = shuffled.iloc[np.argsort(stratum[shuffled.index].to_numpy(), kind="stable")]
    return pd.Series(np.arange(len(dealt)) % parts, index=dealt.to_numpy())


def all_but_a_quarter(samples: pd.DataFrame, *, seed: int = 0) -> NDArray[np.bool_]:
    """Return, (N,), which photos are of three quarters of the people; the others choose by them.

    People are stratified by gender and age group, as far as they are known. ``samples`` have
    ``person`` and ``label``, and ``fits`` where labels are missing.

    Raises:
        InputError: There are fewer than four people.
    """
    parts = 4
    people = samples["person"].drop_duplicates().sort_values()
    if len(people) < parts:
        raise InputError(f"photos of {parts} people or more are needed; got {len(people)}")
    kinds = NUM_CLASSES // len(MASKS)  # the mask is no trait of a person
    if "fits" in samples:
        fits = classes_of(samples.loc[people.index]).reshape(-1, len(MASKS), kinds).any(axis=1)
        several = fits.sum(axis=1) > 1
        number = np.where(several, kinds + fits @ (1 << np.arange(kinds)), fits.argmax(axis=1))
        stratum = pd.Series(number, index=people.index)
    else:
        stratum = samples["label"][people.index] % kinds
    part = deal(people, stratum, parts, seed)
    return (samples["person"].map(part) != 0).to_numpy()
