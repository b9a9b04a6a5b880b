"""The model card: how good a model is and where it fails, as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.ages import BIAS, MAE, NEAR, NEARBY
from mmmask.evaluation.jackknife import Interval
from mmmask.evaluation.mistakes import confused_pairs
from mmmask.evaluation.shared_errors import NOT_TOLD, PAIRINGS, Shared, SharedErrors
from mmmask.evaluation.slices import with_bounds
from mmmask.files import atomic_write
from mmmask.labels import median_age
from mmmask.reports.output import counted
from mmmask.reports.pages.parts import Table, photo_name, shown
from mmmask.reports.pages.run_charts import by_class, slices_of
from mmmask.reports.pages.run_facts import BY_YEAR, RunFacts, Scored
from mmmask.reports.pages.run_findings import find
from mmmask.reports.score_tables import how_sure
from mmmask.tables import answers, years_of

#: Pairs of classes that the card lists.
MOST_PAIRS = 15


@dataclass(frozen=True)
class Other:
    """A second, unlike model of the same photos.

    Attributes:
        name: Its file.
        table: Its predictions, in the order of the first.
        scores: As ``scored.scores``.
        shared: What both get wrong.
        warnings: Sentences on what to expect of it on other people.
    """

    name: str
    table: pd.DataFrame
    scores: Mapping[str, Interval]
    shared: SharedErrors
    warnings: Sequence[str]


@dataclass(frozen=True)
class ModelCard:
    """What the card shows.

    Attributes:
        facts: Of the model; ``scored`` is there.
        scored: Its answers.
        wrong: (K,) rows of the surest wrong answers, one of each person.
        other: None without a second model.
        causes: (K,) why each of ``wrong`` is wrong, NaN where nobody said; None: nobody looked.
    """

    facts: RunFacts
    scored: Scored
    wrong: NDArray[np.int64]
    other: Other | None = None
    causes: pd.Series | None = None


def write_card(path: str | Path, card: ModelCard) -> None:
    """Write the card, whole or not at all."""
    text = "\n\n".join(_paragraphs(card))
    with atomic_write(path) as partial:
        partial.write_text(f"{text}\n")


def markdown(table: Table) -> str:
    """Return a table as Markdown, its caption as a paragraph above it."""
    kinds = list(table.columns.values())
    marks = ["---" if kind == "text" else "---:" for kind in kinds]
    rows = [
        [shown(value, kind) for value, kind in zip(row, kinds, strict=True)] for row in table.rows
    ]
    lines = [" | ".join(_cell(cell) for cell in row) for row in (table.columns, marks, *rows)]
    return f"{table.caption}:\n\n" + "\n".join(f"| {line} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _paragraphs(card: ModelCard) -> Iterator[str]:
    facts, scored = card.facts, card.scored
    slices = [each for each in slices_of(scored) if each.by != BY_YEAR]
    people = len(np.unique(scored.units))
    yield f"# Model card: {facts.path}"
    yield f"{scored.made_by} {counted(len(scored.table), 'photos')} of {counted(people, 'people')}."
    yield "## What stands out"
    yield "\n".join(f"* {finding.text}" for finding in find(facts, slices))
    yield "## Scores"
    yield markdown(_scores(scored))
    yield markdown(by_class(scored.whole).table)
    yield "## Where it fails"
    yield from (markdown(each.table) for each in slices)
    if scored.whole.of_known.wrong.any():
        yield "## What it takes for what"
        yield markdown(_pairs(scored))
    if card.other is not None:
        yield "## What remains possible"
        yield from _remaining(card.other)
    if len(card.wrong):
        yield "## The surest wrong answers"
        yield from _surest(card)


def _scores(scored: Scored) -> Table:
    """Return all scores with their intervals."""
    rows = [[name, shown(scored.scores[key], kind)] for key, (name, kind) in _named(scored.scores)]
    if scored.ages is not None:
        of_years = {MAE: ("MAE, years", "years"), BIAS: ("bias, years", "bias")}
        of_years[NEARBY] = (f"within {NEAR} years", "share")
        for key, (name, kind) in of_years.items():
            rows.append([f"age: {name}", shown(with_bounds(scored.ages.scores, key)[0], kind)])
    return Table(f"With {how_sure(scored.table)}", {"score": "text", "value": "text"}, rows)


def _named(scores: Mapping[str, Interval]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield key, name and kind of each score."""
    for key in scores:
        what = "answer" if key == "accuracy" else key.removesuffix("_accuracy")
        yield key, ("macro F1", "score") if key == "macro_f1" else (f"{what} right", "share")


def _pairs(scored: Scored) -> Table:
    """Return the commonest pairs of true and predicted class."""
    whole = scored.whole.of_known
    pairs = confused_pairs(scored.units_of(whole.name), whole.truth, whole.predicted)
    photos, some = pairs["photos"].sum(), pairs.head(MOST_PAIRS)
    columns: dict[str, tuple[str, Any]] = {
        f"true {whole.name}": ("text", np.take(whole.values, some["truth"])),
        "answer": ("text", np.take(whole.values, some["predicted"])),
        "photos": ("count", some["photos"]),
        "people": ("count", some["units"]),
        f"of the true {whole.name}": ("share", some["share"]),
    }
    caption = (
        f"The {len(some)} commonest of {len(pairs)} pairs, {some['photos'].sum():,} of {photos:,} "
        "wrong answers"
    )
    return Table.from_columns(caption, columns)


def _remaining(other: Other) -> Iterator[str]:
    shared = other.shared
    told = (
        f"{name} {shown(other.scores[key], kind)}" for key, (name, kind) in _named(other.scores)
    )
    yield (
        f"Beside it stands a second model, {other.name}: {', '.join(told)}. What two unlike models "
        "get wrong in the same way lies rather in photos and labels than in a model."
    )
    yield from (f"Of the second model: {words}." for words in other.warnings)
    alone = f"; {shared.alone:,} people whom nobody equals are left out" if shared.alone else ""
    yield (
        "By chance: the share if both erred independently, given the true classes, with the range "
        f"of 95 % of {PAIRINGS:,} random pairings. In a pairing, each of {shared.paired:,} people "
        "gets the second model's answers to another person whose photos have the same true "
        f"classes{alone}."
    )
    yield markdown(_shared("Photos that both get wrong", "photos", shared.photos))
    if not shared.people:
        return
    caption = "People, each told by the mean probability over all photos of that person"
    yield markdown(_shared(caption, "people", shared.people))
    sure = {each.of: each for each in shared.people if each.what == NOT_TOLD}
    yield "\n".join(_estimate(sure[of], share) for of, share in shared.untold.items())
    yield (
        "The first share is too low where a model is not sure of much; the second is too high "
        "where some people are hard for both, though not impossible, such as those near a cut."
    )


def _estimate(sure: Shared, most: Interval) -> str:
    """Return in words how many people no model seems to tell."""
    what = "age group" if sure.of == "age" else sure.of
    return (
        f"* People whose {what} no photo seems to tell, or whose label is wrong: "
        f"{shown(sure.share, 'share')}, counting those of whom both models are sure; "
        f"{shown(most, 'share')}, if such people are the only reason why both are wrong together "
        "more often than by chance."
    )


def _shared(caption: str, noun: str, found: Sequence[Shared]) -> Table:
    columns: dict[str, tuple[str, Any]] = {
        "of": ("text", [each.of for each in found]),
        "both models": ("text", [each.what for each in found]),
        noun: ("count", [each.count for each in found]),
        "among": ("count", [each.among for each in found]),
        "share": ("share", [each.share for each in found]),
        "by chance": ("share", [each.by_chance for each in found]),
    }
    return Table.from_columns(caption, columns)


def _surest(card: ModelCard) -> Iterator[str]:
    scored, rows, whole = card.scored, card.wrong, card.scored.whole
    table, truth = scored.table.iloc[rows], whole.truth[rows]
    columns: dict[str, tuple[str, Any]] = {
        "": ("count", range(1, len(rows) + 1)),
        "photo": ("text", [photo_name(image) for image in table["image"]]),
        f"true {whole.name}": ("text", np.take(whole.values, truth)),
        "answer": ("text", np.take(whole.values, whole.predicted[rows])),
        "probability": ("share", scored.sure[rows]),
        "of the true": ("share", whole.probabilities[rows, truth]),
    }
    if table["age"].notna().any():
        columns["age, years"] = ("count", table["age"])
    years = years_of(table)
    if years is not None:
        columns["age told"] = ("count", median_age(years))
    wrong = pd.Series(~scored.right).groupby(scored.units).agg(["sum", "size"])
    wrong = wrong.loc[scored.units[rows]]
    columns["their photos wrong"] = (
        "text",
        [f"{n} of {photos}" for n, photos in zip(wrong["sum"], wrong["size"], strict=True)],
    )
    if card.other is not None:
        told = answers(card.other.table.iloc[rows])
        columns["second model"] = ("text", np.take(whole.values, told))
    if card.causes is not None:
        columns["cause"] = ("text", card.causes)
    people = len(np.unique(scored.units[whole.wrong & whole.known]))
    caption = f"The surest {len(rows)} of {people:,} people with a wrong answer, one photo of each"
    yield markdown(Table.from_columns(caption, columns))
    if card.causes is not None:
        counts = card.causes.fillna("not sorted").value_counts()
        kinds = {"cause": "text", "people": "count", "share": "share"}
        found = [[cause, count, count / len(rows)] for cause, count in counts.items()]
        yield markdown(Table("Their causes, as somebody sorted them by eye", kinds, found))
