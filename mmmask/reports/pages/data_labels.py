"""Of the data page: what is known of photos and people, as charts and tables."""

from itertools import product

import numpy as np
import pandas as pd

from mmmask.labels import AGE_GROUPS, CLASSES, GENDERS, MASKS
from mmmask.reports.pages.charts import Chart, bars, columns
from mmmask.reports.pages.data_facts import DataFacts, age_in_words, called_old, has_age
from mmmask.reports.pages.data_findings import class_sizes
from mmmask.reports.pages.parts import Table

#: First ages called old that teams used.
AGE_CUTS = (57, 58, 59, 60)
#: Ranges of ages that a chart shows.
_MOST_RANGES = 20
_UNKNOWN = "unknown"
_NOTHING = f"{_UNKNOWN} {_UNKNOWN}"  # neither gender nor age group


def known_table(facts: DataFacts) -> Table:
    """Return how many photos, and people who are named, know what, for each source."""
    train, everybody = facts.train, facts.train.assign(age_from=pd.NA, age_to=pd.NA)
    spans = train if "age_from" in train and "age_to" in train else everybody
    ranges = (spans["age_from"].notna() | spans["age_to"].notna()) & train["age"].isna()
    known = {
        "all": train["image"].notna(),
        "mask": train["mask"].notna(),
        "gender": train["gender"].notna(),
        "age in years": train["age"].notna(),
        "range of ages": ranges,
        "class": train["label"].notna(),
    }
    rows = []
    for source, part in train.groupby("source", sort=False):
        rows.append([source, "photos", *(int(is_[part.index].sum()) for is_ in known.values())])
        people = part["person"][facts.named]
        if len(people):
            counts = (people[is_[people.index]].nunique() for is_ in known.values())
            rows.append([source, "people", *counts])
    kinds = {"source": "text", "counted": "text"} | dict.fromkeys(known, "count")
    return Table("Photos and named people of whom it is known, by source", kinds, rows)


def class_charts(facts: DataFacts) -> list[Chart]:
    """Return the charts of classes, people and masks, each of those of whom they are known."""
    train, people = facts.train, facts.people
    sizes, photos = class_sizes(train), len(train)
    charts = []
    if sizes.any():
        title = _titled("Photos of each class", sizes.sum(), photos)
        charts.append(bars(title, CLASSES, {"photos": sizes}))
    charts += _people_charts(people)
    masks = train["mask"].value_counts().reindex(MASKS, fill_value=0)
    if masks.any():
        title = _titled("Photos by state of the mask", masks.sum(), photos)
        charts.append(bars(title, MASKS, {"photos": masks}))
    return charts


def _people_charts(people: pd.DataFrame) -> list[Chart]:
    grouped, gendered = people["age_group"].notna(), people["gender"].notna()
    if (grouped & gendered).any():
        counts = pd.crosstab(people["age_group"], people["gender"])
        counts = counts.reindex(index=AGE_GROUPS, columns=GENDERS, fill_value=0)
        title = _titled("People by age group and gender", counts.sum().sum(), len(people))
        return [bars(title, AGE_GROUPS, dict(counts.items()))]
    charts = []
    for column, name, values in (
        ("age_group", "age group", AGE_GROUPS),
        ("gender", "gender", GENDERS),
    ):
        if people[column].notna().any():
            each = people[column].value_counts().reindex(values, fill_value=0)
            title = _titled(f"People by {name}", each.sum(), len(people))
            charts.append(bars(title, values, {"people": each}))
    return charts


def age_charts(people: pd.DataFrame) -> list[Chart]:
    """Return people by age in years, and by range of ages, as far as these are known."""
    charts = []
    exact = people.dropna(subset="age")
    if len(exact):
        years = np.arange(exact["age"].min(), exact["age"].max() + 1)
        gender = exact["gender"].fillna(_UNKNOWN)
        counts = pd.crosstab(exact["age"].astype("int64"), gender).reindex(years, fill_value=0)
        series = {name: counts[name] for name in (*GENDERS, _UNKNOWN) if name in counts}
        title = _titled("People by age", len(exact), len(people))
        labels = [str(year) for year in years]
        charts.append(columns(title, labels, series, axis="age in years"))
    ranges = people[has_age(people) & people["age"].isna()]
    if len(ranges):
        sizes = ranges.groupby(["age_from", "age_to"]).size()
        most = sizes.nlargest(_MOST_RANGES).sort_index()
        title = _titled("People by range of ages", most.sum(), len(people))
        labels = [age_in_words(*span) for span in most.index]
        charts.append(bars(title, labels, {"people": most}))
    return charts


def age_cuts(people: pd.DataFrame) -> Table | None:
    """Return how many people each cut calls old; None where nobody's age is known."""
    if not has_age(people).any():
        return None
    old = {cut: called_old(people, cut) for cut in AGE_CUTS}
    yes = {cut: each.fillna(0).astype(bool) for cut, each in old.items()}
    unknown = [int(each.isna().sum()) for each in old.values()]
    # A cut within a range of ages that people have tells no share of them.
    shares = [
        None if (each.isna() & has_age(people)).any() else float(each.mean())
        for each in old.values()
    ]
    cells: dict[str, tuple[str, list]] = {
        "old": ("text", [f"from {cut} on" for cut in AGE_CUTS]),
        "people": ("count", [int(each.sum()) for each in yes.values()]),
        "share": ("share", shares),
    }
    for name in GENDERS if people["gender"].notna().any() else ():
        counts = [int((each & (people["gender"] == name)).sum()) for each in yes.values()]
        cells[name] = ("count", counts)
    if any(unknown):
        cells["not known"] = ("count", unknown)
    return Table.from_columns("People called old, by the age cut", cells)


def split_table(facts: DataFacts) -> Table | None:
    """Return who is held out by each fold; None where there are no folds."""
    train, people = facts.train, facts.people
    if people["fold"].isna().all():
        return None
    gender, group = people["gender"].fillna(_UNKNOWN), people["age_group"].fillna(_UNKNOWN)
    stratum = (gender + " " + group).replace(_NOTHING, _UNKNOWN)
    counts = pd.crosstab(people["fold"], stratum)
    strata = [f"{gender} {age}" for gender in GENDERS for age in AGE_GROUPS]
    if not {*counts} <= {*strata}:
        names = ((*GENDERS, _UNKNOWN), (*AGE_GROUPS, _UNKNOWN))
        strata = [*map(" ".join, product(*names)), _UNKNOWN]
        strata = [name for name in strata if name in counts]
    counts = counts.reindex(columns=strata, fill_value=0)
    counts.insert(0, "people", counts.sum(axis=1))
    counts.insert(1, "photos", train.groupby("fold").size())
    table = counts.reset_index()
    caption = f"People held out by each of {len(table)} folds"
    return Table.from_frame(caption, table, dict.fromkeys(table, "count"))


def _titled(title: str, known: int, everything: int) -> str:
    """Return a title that says of how many the values are known, where not of all."""
    return title if known == everything else f"{title}: {known:,} of {everything:,} known"
