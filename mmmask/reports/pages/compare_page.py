"""The compare page: where two predictions differ, with the photos."""

from pathlib import Path

import numpy as np
import pandas as pd

from mmmask.evaluation.scores import confusion, f1_per_class
from mmmask.labels import ATTRIBUTES, CLASSES, NUM_CLASSES, decode
from mmmask.reports.pages.charts import Chart, bars, heat, intervals
from mmmask.reports.pages.comparison import Comparison, pairs, right, signed
from mmmask.reports.pages.page import write_page
from mmmask.reports.pages.parts import Finding, Gallery, Show, Table
from mmmask.reports.pages.thumbnails import Thumbnails


def write_compare_page(path: str | Path, comparison: Comparison, thumbnails: Thumbnails) -> None:
    """Write the page; ``thumbnails`` are of the photos that differ, or of none."""
    photos, differing = comparison.photos, comparison.differing
    a, b = comparison.paths
    scored = bool(comparison.scores)
    sections = [
        ("findings", "What stands out"),
        *([("scores", "Scores")] if scored else []),
        ("classes", "What each says"),
        ("pairs", "Where they differ"),
        ("photos", "Photos"),
    ]
    write_page(
        path,
        "compare_page.html",
        title="A against B",
        kind="compare page",
        summary=f"{len(photos):,} photos that both predict",
        sections=sections,
        thumbnails=thumbnails,
        sides=(("A", a, comparison.alone[0]), ("B", b, comparison.alone[1])),
        figures=[
            ("photos", f"{len(photos):,}"),
            ("same class", f"{comparison.agreement['overall']:.1%}"),
            ("other class", f"{len(differing):,}"),
            *((f"same {name}", f"{comparison.agreement[name]:.1%}") for name in ATTRIBUTES),
        ],
        findings=find(comparison),
        scored=scored,
        how=comparison.how,
        scores=_scores(comparison) if scored else [],
        rights=_rights(comparison) if scored else None,
        by_class=_by_class(comparison) if scored else None,
        shares=_shares(comparison),
        pairs=_pairs(comparison),
        matrices=_matrices(comparison),
        made_by=_made_by(comparison),
        with_photos=bool(thumbnails.data),
        unreadable=len(thumbnails.unreadable),
        gallery=_gallery(comparison, thumbnails),
    )


def find(comparison: Comparison) -> list[Finding]:
    """Return what stands out in sentences."""
    photos, agreement = comparison.photos, comparison.agreement
    found = []
    if comparison.scores:
        pair = comparison.scores["18 classes"]
        words = f"Macro F1 of B minus that of A is {signed(pair.difference)}: {pair.verdict}."
        found.append(Finding("know", words, "scores"))
    least = min(ATTRIBUTES, key=lambda name: agreement[name])
    found.append(
        Finding(
            "know",
            f"A and B give {agreement['overall']:.1%} of the photos the same class. They part most "
            f"in {least}: {1 - agreement[least]:.1%} differ there.",
            "pairs",
        )
    )
    old = [float((decode(photos[name])["age"] == 2).mean()) for name in "ab"]
    if abs(old[0] - old[1]) >= 0.01:
        found.append(
            Finding("look", f"A calls {old[0]:.1%} of the photos old, B {old[1]:.1%}.", "classes")
        )
    for letter, alone in zip("AB", comparison.alone, strict=True):
        if alone:
            words = f"{alone:,} photos are in {letter} alone and not compared."
            found.append(Finding("look", words, "findings"))
    return sorted(found, key=lambda finding: finding.weight != "look")


def _scores(comparison: Comparison) -> list[Chart]:
    names = list(comparison.scores)
    scores, differences = [], []
    for pair in comparison.scores.values():
        scores += [(each.value, each.low, each.high) for each in (pair.a, pair.b)]
        differences.append((pair.difference.value, pair.difference.low, pair.difference.high))
    labels = [f"{name}, {letter}" for name in names for letter in "AB"]
    return [
        intervals("Macro F1", labels, *zip(*scores, strict=True)),
        intervals(
            "Macro F1 of B minus that of A",
            names,
            *zip(*differences, strict=True),
            kind="difference",
            reference=0,
        ),
    ]


def _rights(comparison: Comparison) -> Table:
    photos = comparison.photos
    truth = photos["label"].to_numpy(dtype=np.int64)
    same = photos["a"] == photos["b"]
    hit = photos["a"] == truth
    who = pd.Series(right(comparison)).value_counts()

    def lead(facet: str) -> Show:
        return Show("differences", {"who is right": facet}, facet)

    rows = [
        ["both right", int((same & hit).sum()), None],
        ["A right, B wrong", int(who.get("A", 0)), lead("A")],
        ["B right, A wrong", int(who.get("B", 0)), lead("B")],
        ["both wrong, differently", int(who.get("neither", 0)), lead("neither")],
        ["both wrong, alike", int((same & ~hit).sum()), None],
    ]
    kinds = {"who": "text", "photos": "count", "show": "show"}
    return Table("Who is right about the class", kinds, rows)


def _by_class(comparison: Comparison) -> Table:
    photos = comparison.photos
    truth, a, b = (photos[name].to_numpy(dtype=np.int64) for name in ("label", "a", "b"))
    f1 = [f1_per_class(confusion(truth, predicted)) for predicted in (a, b)]
    counts = np.bincount(truth, minlength=NUM_CLASSES)
    rows = [
        [CLASSES[k], int(counts[k]), float(f1[0][k]), float(f1[1][k]), float(f1[1][k] - f1[0][k])]
        for k in range(NUM_CLASSES)
    ]
    kinds = {"class": "text", "photos": "count", "F1 of A": "score", "F1 of B": "score"}
    return Table("F1 of each class", kinds | {"B - A": "difference"}, rows)


def _shares(comparison: Comparison) -> list[Chart]:
    photos = comparison.photos
    series = {
        letter.upper(): np.bincount(photos[letter], minlength=NUM_CLASSES) / len(photos)
        for letter in "ab"
    }
    values: dict[str, list[float]] = {"A": [], "B": []}
    labels: list[str] = []
    for name, names in ATTRIBUTES.items():
        labels += list(names)
        for letter, shares in values.items():
            part = decode(photos[letter.lower()])[name]
            shares += list(np.bincount(part, minlength=len(names)) / len(photos))
    return [
        bars("Photos given to each class", CLASSES, series, kind="share"),
        bars("Photos given to each value", labels, values, kind="share"),
    ]


def _pairs(comparison: Comparison) -> Table:
    known = bool(comparison.scores)
    table = pairs(comparison)
    parts = [decode(table[letter].to_numpy(dtype=np.int64)) for letter in "ab"]
    rows = []
    for place, row in enumerate(table.itertuples(index=False)):
        mine, theirs = CLASSES[row.a], CLASSES[row.b]
        what = [name for name in ATTRIBUTES if parts[0][name][place] != parts[1][name][place]]
        show = Show("differences", {"A says": mine, "B says": theirs}, f"{mine}, {theirs}")
        who = [row.A, row.B, row.neither] if known else []
        rows.append([show, mine, theirs, " and ".join(what), row.photos, *who])
    kinds = {
        "show": "show",
        "A says": "text",
        "B says": "text",
        "differs in": "text",
        "photos": "count",
    }
    if known:
        kinds |= dict.fromkeys(("A right", "B right", "neither"), "count")
    caption = "Pairs of different classes, the commonest first"
    return Table(caption, kinds, rows, search=True)


def _matrices(comparison: Comparison) -> list[Chart]:
    a, b = (comparison.photos[name].to_numpy(dtype=np.int64) for name in "ab")
    charts = []
    for name, values in ATTRIBUTES.items():
        counts = confusion(decode(a)[name], decode(b)[name], len(values))
        charts.append(heat(name.capitalize(), counts, values, values, down="A", across="B"))
    charts.append(heat("All classes", confusion(a, b), CLASSES, CLASSES, down="A", across="B"))
    return charts


def _made_by(comparison: Comparison) -> Table:
    rows = [
        [fact, *both, "" if both[0] == both[1] else "differs"]
        for fact, both in comparison.made_by.items()
    ]
    kinds = dict.fromkeys(("fact", "A", "B", "equal"), "text")
    return Table("How they were made, as far as the files tell", kinds, rows)


def _gallery(comparison: Comparison, thumbnails: Thumbnails) -> Gallery:
    photos = comparison.differing
    who = right(comparison)
    parts = [decode(photos[letter].to_numpy(dtype=np.int64)) for letter in "ab"]
    facets: dict[str, pd.Categorical] = {}
    for name, values in ATTRIBUTES.items():
        mine, theirs = (np.take(values, part[name]) for part in parts)
        step = [f"{x} \u2192 {y}" if x != y else "same" for x, y in zip(mine, theirs, strict=True)]
        order = ["same", *(f"{x} \u2192 {y}" for x in values for y in values if x != y)]
        facets[name] = pd.Categorical(step, categories=order)
    for letter in "ab":
        names = np.take(CLASSES, photos[letter].to_numpy(dtype=np.int64))
        facets[f"{letter.upper()} says"] = pd.Categorical(names, categories=CLASSES)
    if comparison.scores:
        facets["who is right"] = pd.Categorical(who, categories=["A", "B", "neither"])
    return Gallery(
        id="differences",
        pictures={"": thumbnails.numbers(photos["image"])},
        titles=[
            image.removeprefix("train/images/").removeprefix("eval/images/")
            for image in photos["image"]
        ],
        lines=_lines(photos),
        facets=facets,
        orders={
            "largest disagreement first": photos["distance"].to_numpy(),
            "A surest first": photos["sure_a"].fillna(0).to_numpy(),
            "B surest first": photos["sure_b"].fillna(0).to_numpy(),
            "as in A": [-float(place) for place in range(len(photos))],
        },
        tones=[{"A": "bad", "B": "good"}.get(each, "") for each in who]
        if comparison.scores
        else (),
        noun="differing photos",
    )


def _lines(photos: pd.DataFrame) -> dict[str, list[str]]:
    lines = {}
    for letter in "ab":
        names = np.take(CLASSES, photos[letter].to_numpy(dtype=np.int64))
        sure = photos[f"sure_{letter}"]
        lines[letter.upper()] = [
            name if np.isnan(p) else f"{name}, {p:.0%}" for name, p in zip(names, sure, strict=True)
        ]
    if "label" in photos:
        lines["true"] = list(np.take(CLASSES, photos["label"].to_numpy(dtype=np.int64)))
    return lines
