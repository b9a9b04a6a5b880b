"""The run page's photos: the surest wrong answers, and people whose photos disagree."""

from itertools import compress
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.datasets.layout import MASK_OF_STEM
from mmmask.evaluation.parts import Part
from mmmask.known import values_of
from mmmask.labels import AGE_GROUPS, ATTRIBUTES, GENDERS
from mmmask.reports.pages.parts import Gallery, changes, joined, photo_name
from mmmask.reports.pages.run_facts import MOST_PEOPLE, RunFacts, Scored
from mmmask.reports.pages.run_likeness import against_label, in_words, strip

#: What stands for a value that no photo of a person knows.
UNKNOWN = "unknown"


def errors(facts: RunFacts, scored: Scored) -> Gallery:
    """Return the wrong answers; where it is known, the evidence for the answer stands beside."""
    rows, whole = scored.worst, scored.whole
    table = scored.table.iloc[rows]
    images = table["image"].tolist()
    predicted, sure = whole.predicted[rows], scored.sure[rows]
    of_label = np.sum(whole.probabilities[rows] * whole.fits[rows], axis=1)  # of all that fit
    pictures = {"": facts.thumbnails.numbers(images)}
    if facts.heats:
        evidence = [facts.heats.get(image, -1) for image in images]
        pictures = {"photo": pictures[""], "evidence": evidence}
    age = table["age"].to_numpy(dtype=np.float64)
    attributes = scored.parts[1:] or scored.parts
    wrong = {part.name: part.wrong[rows] for part in attributes}
    wrong_in = joined(wrong)
    fewest_first = sorted(set(wrong_in), key=lambda name: (name.count(" and "), name))
    labels = {name: scored.truths[name][rows] for name in ATTRIBUTES}
    alike = None if facts.likeness is None else facts.likeness.alike
    against = {} if alike is None else against_label(scored, alike)
    return Gallery(
        id="errors",
        pictures=pictures,
        titles=[photo_name(image) for image in images],
        lines={
            "says": _with_probability(np.take(whole.values, predicted), sure),
            "label": _with_probability(_known_values(scored, whole)[rows], of_label),
            "age": ["" if np.isnan(years) else f"{years:.0f}" for years in age],
        },
        facets={
            "wrong in": pd.Categorical(wrong_in, categories=fewest_first),
            **{
                part.name: changes(part.values, _told(part)[rows], part.predicted[rows], "right")
                for part in attributes
            },
            **{
                f"label: {name}": pd.Categorical.from_codes(labels[name], names)
                for name, names in ATTRIBUTES.items()
            },
            "photo": pd.Categorical([_stem(image) for image in images], list(MASK_OF_STEM)),
            **{f"most alike: other {name}": in_words(shares) for name, shares in against.items()},
        },
        orders={
            "surest first": sure,
            "label least probable first": -of_label,
            "least sure first": -sure,
            "oldest first": np.nan_to_num(age, nan=-1),
            "youngest first": -np.nan_to_num(age, nan=999),
            **({"label least like those alike": sum(against.values())} if against else {}),
        },
        noun="wrong answers",
        strip=[] if alike is None else strip(facts, scored, alike),
        strip_name="most alike",
    )


def people(facts: RunFacts, scored: Scored) -> Gallery:
    """Return the people whose photos disagree, each with all photos in a row."""
    found = scored.disagreeing.head(MOST_PEOPLE)
    parts = [part for part in scored.parts if part.name in found]
    answers = {part.name: np.take(part.values, part.predicted) for part in parts}
    wrong = np.any([part.wrong for part in parts], axis=0)
    words = ["\n".join(each) for each in zip(*answers.values(), strict=True)]
    numbers = facts.thumbnails.numbers(scored.table["image"])
    first = scored.table.drop_duplicates("person").set_index("person").loc[found.index]
    label = {name: _of_people(scored, name, found.index) for name in ("gender", "age")}
    gender, group = (
        np.append(names, UNKNOWN)[label[name]]
        for name, names in (("gender", GENDERS), ("age", AGE_GROUPS))
    )
    years = ["" if np.isnan(age) else f", {age:.0f} years" for age in first["age"]]
    rows = _rows(scored.table, found.index)  # person x file stem
    shown = {stem: list(rows[stem]) for stem in rows}
    orders = {"strongest first": found["bits"]}
    if len(parts) > 1:
        orders |= {f"{name}: strongest first": found[f"{name}_bits"] for name in answers}
    return Gallery(
        id="disagreeing",
        pictures={s: [numbers[r] if r >= 0 else -1 for r in each] for s, each in shown.items()},
        captions={s: [words[r] if r >= 0 else "" for r in each] for s, each in shown.items()},
        marked={
            s: ["bad" if r >= 0 and wrong[r] else "" for r in each] for s, each in shown.items()
        },
        titles=list(found.index),
        lines={
            "label": [f"{x} {y}{z}" for x, y, z in zip(gender, group, years, strict=True)],
            **{
                name: [_counted(values[r[r >= 0]]) for r in rows.to_numpy()]
                for name, values in answers.items()
            },
            "strength": [f"{bits:.2f} bits" for bits in found["bits"]],
        },
        facets={
            "differ in": joined({name: found[name] for name in answers}),
            "label: gender": pd.Categorical.from_codes(label["gender"], GENDERS),
            "label: age": pd.Categorical.from_codes(label["age"], AGE_GROUPS),
        },
        orders=orders,
        noun="people",
        rows=True,
    )


def _told(part: Part) -> NDArray[np.int64]:
    """Return the true values, (N,); the answer where what is known does not contradict it.

    A wrong answer where several values fit counts as one for the first of them.
    """
    return np.where(part.wrong, part.fits.argmax(axis=1), part.predicted)


def _known_values(scored: Scored, whole: Part) -> NDArray[np.str_]:
    """Return what is known of each photo in words, (N,): its class, or its known attributes."""
    names = np.append(whole.values, UNKNOWN)[whole.truth]
    if scored.attribute is not None or whole.known.all():
        return names
    fits = values_of(whole.fits)
    words = [
        [" or ".join(compress(values, row)) for row in fits[name]]
        if (fits[name].sum(axis=1) < len(values)).any()
        else [""] * len(names)
        for name, values in ATTRIBUTES.items()
    ]
    rows = zip(*words, strict=True)
    every = {" or ".join(values) for values in ATTRIBUTES.values()}
    some = [", ".join(each for each in row if each and each not in every) for row in rows]
    return np.where(whole.known, names, some)


def _of_people(scored: Scored, name: str, people: pd.Index) -> NDArray[np.int64]:
    """Return the value of an attribute that any photo of each person knows; -1 where none does."""
    values = pd.Series(scored.truths[name]).where(lambda codes: codes >= 0)
    first = values.groupby(scored.table["person"].to_numpy()).first()
    return first.reindex(people).fillna(-1).to_numpy(dtype=np.int64)


def _rows(table: pd.DataFrame, people: pd.Index) -> pd.DataFrame:
    """Return the row of each photo of some people, -1 where there is none: person x column.

    A column is a file stem of the competition's layout or, where photos have other names, the
    number of the photo among those of the person, up to as many as the layout has.
    """
    where = pd.DataFrame({"person": table["person"], "stem": table["image"].map(_stem)})
    where["row"] = np.arange(len(table))
    columns = list(MASK_OF_STEM)
    if not where["stem"].isin(columns).all():
        columns = [f"photo {number + 1}" for number in range(len(columns))]
        where["stem"] = "photo " + (where.groupby("person").cumcount() + 1).astype("str")
    wide = where.pivot_table(index="person", columns="stem", values="row", aggfunc="first")
    wide = wide.reindex(index=people, columns=columns).dropna(axis=1, how="all")
    return wide.fillna(-1).astype(int)


def _counted(values: NDArray[np.str_]) -> str:
    """Return each value with its number, the commonest first."""
    return ", ".join(f"{value} {n}" for value, n in pd.Series(values).value_counts().items())


def _with_probability(names: NDArray[np.str_], probabilities: NDArray[np.floating]) -> list[str]:
    return [f"{name}, {100 * p:.1f} %" for name, p in zip(names, probabilities, strict=True)]


def _stem(image: str) -> str:
    return PurePosixPath(image).stem
