"""The compare page: where two predictions differ, with the photos."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmmask.evaluation.scores import confusion, f1_per_class
from mmmask.evaluation.slices import with_bounds
from mmmask.labels import ATTRIBUTES, CLASSES, NUM_CLASSES, decode
from mmmask.reports.output import counted
from mmmask.reports.pages.age_charts import TITLES
from mmmask.reports.pages.charts import Chart, bars, intervals, matrix
from mmmask.reports.pages.comparison import Comparison, pairs, right, signed
from mmmask.reports.pages.page import write_page
from mmmask.reports.pages.parts import (
    Finding,
    Gallery,
    Show,
    Table,
    by_weight,
    changes,
    joined,
    photo_name,
    shown,
)
from mmmask.reports.pages.thumbnails import Thumbnails


def write_compare_page(path: str | Path, comparison: Comparison, thumbnails: Thumbnails) -> None:
    """Write the page; ``thumbnails`` are of the photos that differ, or of none."""
    agreement = comparison.agreement
    write_page(
        path,
        "compare_page.html",
        title="A against B",
        kind="compare page",
        summary=f"{counted(len(comparison.photos), 'photos')} that both predict",
        thumbnails=thumbnails,
        comparison=comparison,
        figures=[
            ("photos", f"{len(comparison.photos):,}"),
            ("same class", f"{100 * agreement['overall']:.1f} %"),
            ("other class", f"{len(comparison.differing):,}"),
            *((f"same {name}", f"{100 * agreement[name]:.1f} %") for name in ATTRIBUTES),
        ],
        findings=by_weight(_findings(comparison)),
        **(_scored(comparison) if comparison.scores else {}),
        shares=_shares(comparison),
        pairs=_pairs(comparison),
        matrices=_matrices(comparison),
        made_by=_made_by(comparison),
        gallery=_gallery(comparison, thumbnails),
    )


def _findings(comparison: Comparison) -> Iterator[Finding]:
    photos, agreement = comparison.photos, comparison.agreement
    if comparison.scores:
        pair = comparison.scores["18 classes"]
        text = f"Macro F1 of B minus that of A is {signed(pair.difference)}: {pair.verdict}."
        yield Finding("know", text, "scores")
    least = min(ATTRIBUTES, key=lambda name: agreement[name])
    yield Finding(
        "know",
        f"A and B give {100 * agreement['overall']:.1f} % of the photos the same class. They "
        f"differ most in {least}: {100 * (1 - agreement[least]):.1f} % of the photos.",
        "pairs",
    )
    a, b = (float((decode(photos[name])["age"] == 2).mean()) for name in "ab")
    if abs(a - b) >= 0.01:
        yield Finding(
            "look", f"A calls {100 * a:.1f} % of the photos old, B {100 * b:.1f} %.", "classes"
        )
    for letter, alone in zip("AB", comparison.alone, strict=True):
        if alone:
            some = f"{counted(alone, 'photos')} {'is' if alone == 1 else 'are'}"
            text = f"{some} in {letter} alone and not compared."
            yield Finding("look", text, "findings")


def _scored(comparison: Comparison) -> dict[str, Any]:
    """Return what the page shows where true classes are known."""
    pairs_of = comparison.scores
    labels = [f"{name}, {letter}" for name in pairs_of for letter in "AB"]
    scores = [score for pair in pairs_of.values() for score in (pair.a, pair.b)]
    differences = [pair.difference for pair in pairs_of.values()]
    title = "Macro F1 of B minus that of A"
    return {
        "scores": [
            intervals("Macro F1", labels, scores),
            intervals(title, list(pairs_of), differences, kind="difference", reference=0),
        ],
        "rights": _rights(comparison),
        "by_class": _by_class(comparison),
        "ages": _ages(comparison),
    }


def _rights(comparison: Comparison) -> Table:
    photos = comparison.photos
    same = photos["a"] == photos["b"]
    hit = photos["a"] == photos["label"]
    who = pd.Series(right(comparison)).value_counts()
    rows: list[list] = [["both right", int((same & hit).sum()), None]]
    for facet, text in {
        "A": "A right, B wrong",
        "B": "B right, A wrong",
        "neither": "both wrong, differently",
    }.items():
        show = Show("differences", {"who is right": facet}, facet)
        rows.append([text, int(who.get(facet, 0)), show])
    rows.append(["both wrong, alike", int((same & ~hit).sum()), None])
    kinds = {"who": "text", "photos": "count", "show": "show"}
    return Table("Who is right about the class", kinds, rows)


def _by_class(comparison: Comparison) -> Table:
    truth, a, b = (comparison.photos[name].to_numpy(dtype=np.int64) for name in ("label", "a", "b"))
    of_a, of_b = (f1_per_class(confusion(truth, predicted)) for predicted in (a, b))
    columns: dict[str, tuple[str, Any]] = {
        "class": ("text", CLASSES),
        "photos": ("count", np.bincount(truth, minlength=NUM_CLASSES)),
        "F1 of A": ("score", of_a),
        "F1 of B": ("score", of_b),
        "B - A": ("difference", of_b - of_a),
    }
    return Table.from_columns("F1 of each class", columns)


def _ages(comparison: Comparison) -> Table | None:
    """Return the scores of ages of each that is a model of years; None where neither is."""
    a, b = comparison.ages
    if a is None and b is None:
        return None
    rows = []
    for name, (title, kind) in TITLES.items():
        row = [title]
        row += ["" if x is None else shown(with_bounds(x.scores, name)[0], kind) for x in (a, b)]
        if a is not None and b is not None:
            signed = "points" if kind == "share" else "bias"
            row.append(shown(with_bounds(b.minus(a), name)[0], signed))
        rows.append(row)
    titles = ("ages", "A", "B", "B - A")[: len(rows[0])]
    return Table("Ages in years", dict.fromkeys(titles, "text"), rows)


def _shares(comparison: Comparison) -> list[Chart]:
    classes, values = {}, {}
    for letter, name in (("A", "a"), ("B", "b")):
        given = comparison.photos[name]
        classes[letter] = np.bincount(given, minlength=NUM_CLASSES) / len(given)
        parts = decode(given)
        values[letter] = np.concatenate(
            [
                np.bincount(parts[attribute], minlength=len(names)) / len(given)
                for attribute, names in ATTRIBUTES.items()
            ]
        )
    labels = [value for names in ATTRIBUTES.values() for value in names]
    return [
        bars("Photos given to each class", CLASSES, classes, kind="share"),
        bars("Photos given to each value", labels, values, kind="share"),
    ]


def _pairs(comparison: Comparison) -> Table:
    table = pairs(comparison)
    a, b = (table[letter].to_numpy(dtype=np.int64) for letter in "ab")
    of_a, of_b = decode(a), decode(b)
    mine, theirs = np.take(CLASSES, a), np.take(CLASSES, b)
    shows = [
        Show("differences", {"A says": x, "B says": y}, f"{x}, {y}")
        for x, y in zip(mine, theirs, strict=True)
    ]
    columns: dict[str, tuple[str, Any]] = {
        "show": ("show", shows),
        "A says": ("text", mine),
        "B says": ("text", theirs),
        "differs in": ("text", joined({name: of_a[name] != of_b[name] for name in ATTRIBUTES})),
        "photos": ("count", table["photos"]),
    }
    if comparison.scores:
        columns |= {"A right": ("count", table["A"]), "B right": ("count", table["B"])}
        columns["neither"] = ("count", table["neither"])
    caption = "Pairs of different classes, the commonest first"
    return Table.from_columns(caption, columns, search=True)


def _matrices(comparison: Comparison) -> list[Chart]:
    a, b = (comparison.photos[name].to_numpy(dtype=np.int64) for name in "ab")
    charts = []
    for name, values in ATTRIBUTES.items():
        counts = confusion(decode(a)[name], decode(b)[name], len(values))
        charts.append(matrix(name.capitalize(), counts, values, down="A", across="B"))
    return [*charts, matrix("All classes", confusion(a, b), CLASSES, down="A", across="B")]


def _made_by(comparison: Comparison) -> Table:
    rows = [
        [fact, mine, theirs, "" if mine == theirs else "differs"]
        for fact, (mine, theirs) in comparison.made_by.items()
    ]
    kinds = dict.fromkeys(("fact", "A", "B", "equal"), "text")
    return Table("How they were made, as far as the files tell", kinds, rows)


def _gallery(comparison: Comparison, thumbnails: Thumbnails) -> Gallery:
    photos = comparison.differing
    a, b = (photos[letter].to_numpy(dtype=np.int64) for letter in "ab")
    of_a, of_b = decode(a), decode(b)
    facets = {
        name: changes(names, of_a[name], of_b[name], "same") for name, names in ATTRIBUTES.items()
    }
    facets["A says"] = pd.Categorical.from_codes(a, CLASSES)
    facets["B says"] = pd.Categorical.from_codes(b, CLASSES)
    lines = {"A": _answers(a, photos["sure_a"]), "B": _answers(b, photos["sure_b"])}
    if "label" in photos:
        lines["true"] = np.take(CLASSES, photos["label"].to_numpy(dtype=np.int64)).tolist()
    tones = []
    if comparison.scores:
        who = right(comparison)
        facets["who is right"] = pd.Categorical(who, categories=["A", "B", "neither"])
        tones = [{"A": "bad", "B": "good"}.get(each, "") for each in who]
    return Gallery(
        id="differences",
        pictures={"": thumbnails.numbers(photos["image"])},
        titles=[photo_name(image) for image in photos["image"]],
        lines=lines,
        facets=facets,
        orders={
            "largest disagreement first": photos["distance"],
            "A surest first": photos["sure_a"].fillna(0),
            "B surest first": photos["sure_b"].fillna(0),
            "as in A": -np.arange(len(photos)),
        },
        tones=tones,
        noun="differing photos",
    )


def _answers(labels: np.ndarray, sure: pd.Series) -> list[str]:
    """Return the classes, each with its probability where that is known."""
    return [
        CLASSES[k] if np.isnan(p) else f"{CLASSES[k]}, {100 * p:.0f} %"
        for k, p in zip(labels, sure, strict=True)
    ]
