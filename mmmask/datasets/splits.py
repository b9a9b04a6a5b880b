"""Person-wise splits: all photos of a person fall on the same side."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.errors import InputError
from mmmask.known import age_spans, classes_of
from mmmask.labels import AGE_GROUPS, GENDERS, MASKS, NUM_CLASSES, age_group, decode


def assign_folds(samples: pd.DataFrame, *, folds: int = 5, seed: int = 0) -> pd.Series:
    """Return the fold 0..folds-1 of each row, the same for all rows of a person.

    People are stratified by gender and age group: each stratum is shuffled, the strata are laid
    end to end and dealt out one by one. So the sizes of two folds differ by at most one person,
    within each stratum too. The result depends on the people and the seed alone, neither on the
    order of rows nor on how many photos a person has.

    Args:
        samples: Table with ``person`` and what is known of photos. Of a person counts what the
            first photo says that knows it; people whose gender or age group nothing tells are
            strata of their own. The age cut is always the competition's, so that folds stay the
            same when labels are made with another cut.
        folds: How many; at least 2 and at most the number of people.
        seed: Seed of the shuffle.

    Raises:
        InputError: ``folds`` is out of range.
    """
    count = samples["person"].nunique()
    if not 2 <= folds <= count:
        raise InputError(f"folds must be from 2 to the number of people, {count}; got {folds}")
    return _dealt(samples, folds, seed)


def _dealt(samples: pd.DataFrame, folds: int, seed: int) -> pd.Series:
    people = known_of_people(samples)
    fold_of = deal(people["person"], people["gender"] + people["age_group"], folds, seed)
    return samples["person"].map(fold_of).astype("Int8")


def known_of_people(samples: pd.DataFrame) -> pd.DataFrame:
    """Return person, gender and age group of each person, by name, "" where no photo tells.

    They are as the first photo says that knows them; ages are grouped by the competition's cut.
    """
    empty = pd.Series("", samples.index, dtype="str")
    first, last = (age_group(age) for age in age_spans(samples))
    group = empty.mask(first == last, pd.Series(np.take(AGE_GROUPS, first), samples.index))
    gender = samples.get("gender", empty).fillna("").astype("str")
    if "label" in samples and samples["label"].notna().any():
        told = samples["label"].notna()
        parts = decode(samples["label"].fillna(0).to_numpy(dtype=np.int64))
        gender = gender.mask(told & (gender == ""), np.take(GENDERS, parts["gender"]))
        group = group.mask(told & (group == ""), np.take(AGE_GROUPS, parts["age"]))
    known = pd.DataFrame({"person": samples["person"], "gender": gender, "age_group": group})
    told_of = known.replace("", None).groupby("person").first()  # of each column, what is known
    return told_of.fillna("").astype("str").reset_index()


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
        fold[rest.index] = _dealt(rest, folds, seed)
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
