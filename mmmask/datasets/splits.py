"""Person-wise splits: all photos of a person fall on the same side."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.errors import InputError
from mmmask.known import age_spans, classes_of, named
from mmmask.labels import AGE_GROUPS, GENDERS, MASKS, NUM_CLASSES, age_group, decode


def assign_folds(samples: pd.DataFrame, *, folds: int = 5, seed: int = 0) -> pd.Series:
    """Return the fold 0..folds-1 of each row, the same for all rows of a person.

    People are stratified by gender and age group: each stratum is shuffled, the strata are laid
    end to end and dealt out one by one. So the sizes of two folds differ by at most one person,
    within each stratum too. The result depends on the people and the seed alone, neither on the
    order of rows nor on how many photos a person has. Of a person, all counts that any photo
    knows; an unknown gender, and an age group that is unknown or cut by a range, are strata of
    their own.

    Args:
        samples: Table with person, and what is known of gender, age (years), ``age_from`` and
            ``age_to``, or ``label``. Where photos of a person differ, the first one that knows
            it counts. The age cut is always the competition's, so that folds stay the same when
            labels are made with another cut.
        folds: How many; at least 2 and at most the number of people.
        seed: Seed of the shuffle.

    Raises:
        InputError: ``folds`` is out of range.
    """
    people = samples[["person"]].drop_duplicates("person").sort_values("person")
    if not 2 <= folds <= len(people):
        raise InputError(
            f"folds must be from 2 to the number of people, {len(people)}; got {folds}"
        )
    traits = _traits(samples).groupby(samples["person"].to_numpy()).first()
    stratum = traits.loc[people["person"]].fillna("").astype("str").agg("".join, axis=1)
    fold_of = deal(people["person"], stratum.set_axis(people.index), folds, seed)
    return samples["person"].map(fold_of).astype("Int8")


def _traits(samples: pd.DataFrame) -> pd.DataFrame:
    """Return ``gender`` and ``group`` of age of each photo, missing where several are possible."""
    first, last = (age_group(age) for age in age_spans(samples))
    group = np.where(first == last, first, -1)
    gender = samples.get("gender", pd.Series(None, samples.index, dtype="object"))
    gender = gender.astype("object").where(gender.notna(), None)
    if "label" in samples:  # a class may be known without gender and years
        known = samples["label"].notna().to_numpy()
        parts = decode(samples["label"].fillna(0).to_numpy(dtype=np.int64))
        group = np.where((group < 0) & known, parts["age"], group)
        stated = pd.Series(named(np.where(known, parts["gender"], -1), GENDERS), gender.index)
        gender = gender.where(gender.notna(), stated)
    return pd.DataFrame(
        {"gender": gender.array, "group": named(group, AGE_GROUPS)}, index=samples.index
    )


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
