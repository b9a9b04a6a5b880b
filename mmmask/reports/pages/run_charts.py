"""Charts and tables of the run page: curves, classes, honesty of probabilities, slices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from markupsafe import Markup

from mmmask.evaluation.calibration import expected_calibration_error, reliability
from mmmask.evaluation.intervals import Interval, units_to_draw
from mmmask.evaluation.scores import TINY, confusion, f1_per_class, negative_log_likelihood
from mmmask.evaluation.slices import Members, slice_scores
from mmmask.ledger.curves import Curves
from mmmask.reports.pages.charts import MOST_SERIES, Chart, bars, heat, intervals, lines
from mmmask.reports.pages.parts import Table
from mmmask.reports.pages.run_facts import BY_YEAR, Part, Scored
from mmmask.reports.pages.svg import dot, drawing, element, grid, words

#: Bins of the reliability plots, of equal width over the probability 0 to 1.
BINS = 10
#: Score of a validation -> what the page calls it.
_RIGHT = {"accuracy": "class", "mask_accuracy": "mask", "gender_accuracy": "gender"}
_RIGHT |= {"age_accuracy": "age"}
#: Curves that tell one number for all folds: column -> title, kind.
_OF_EPOCHS = {
    "macro_f1": ("Macro F1, validation", "score"),
    "nll": ("-log p, validation (nats)", "number"),
    "age_mae": ("Error of age, validation (years)", "number"),
}
_OF_STEPS = {
    "loss": ("Loss, training", "number"),
    "lr": ("Learning rate", "number"),
    "grad_norm": ("Norm of the gradient", "number"),
}


def curve_charts(curves: Mapping[str, Curves]) -> list[Chart]:
    """Return the charts of one run's curves, or of several runs' side by side, by epoch."""
    known = {name: each for name, each in curves.items() if len(each.steps)}
    if not known:
        return []
    return _of_one(next(iter(known.values()))) if len(known) == 1 else _of_many(known)


def _of_one(curves: Curves) -> list[Chart]:
    """Return the curves of a run; the best epoch stands as an upright line."""
    steps, epochs, best = curves.steps, curves.epochs, curves.best_epoch
    charts = []
    if best is not None:
        mark = (float(best), f"best: epoch {best}")
        at = epochs["epoch"]
        charts.append(_validation("macro_f1", epochs, mark))
        right = {name: epochs[key] for key, name in _RIGHT.items() if key in epochs}
        if right:
            title = "Right answers, validation"
            charts.append(lines(title, at, right, axis="epoch", kind="share", mark=mark))
        charts += [_validation(key, epochs, mark) for key in ("nll", "age_mae") if key in epochs]
    last = None if best is None else steps["step"][steps["epoch"] <= best].max()
    mark_of_step = None if last is None or pd.isna(last) else (float(last), f"epoch {best}")
    for key, (title, kind) in _OF_STEPS.items():
        if key in steps:
            series = {key: steps[key]}
            if key == "loss":
                parts = [name for name in steps if name.startswith("loss_")]
                series |= {name: steps[name] for name in parts[: MOST_SERIES - 1]}
            charts.append(
                lines(title, steps["step"], series, axis="step", kind=kind, mark=mark_of_step)
            )
    return charts


def _validation(key: str, epochs: pd.DataFrame, mark: tuple[float, str]) -> Chart:
    title, kind = _OF_EPOCHS[key]
    return lines(title, epochs["epoch"], {key: epochs[key]}, axis="epoch", kind=kind, mark=mark)


def _of_many(curves: Mapping[str, Curves]) -> list[Chart]:
    """Return curves of several runs by epoch; of more than a chart holds their mean and range."""
    charts = []
    by_epoch = {name: each.steps.groupby("epoch").mean() for name, each in curves.items()}
    validated = {
        name: each.epochs.set_index("epoch") for name, each in curves.items() if len(each.epochs)
    }
    for columns, tables in ((_OF_EPOCHS, validated), (_OF_STEPS, by_epoch)):
        for key, (title, kind) in columns.items():
            found = {name: table[key] for name, table in tables.items() if key in table}
            if not found:
                continue
            wide = pd.DataFrame(found).sort_index()
            if len(found) > MOST_SERIES:
                names = {"mean": wide.mean(axis=1), "lowest": wide.min(axis=1)}
                wide = pd.DataFrame(names | {"highest": wide.max(axis=1)})
            series = {name: wide[name] for name in wide}
            charts.append(lines(title, wide.index, series, axis="epoch", kind=kind))
    return charts


def matrices(scored: Scored) -> list[Chart]:
    """Return the confusion matrix of each attribute and, last, of the classes."""
    charts = []
    for part in [*scored.parts[1:], scored.parts[0]]:
        counts = confusion(part.truth, part.predicted, len(part.values))
        title = "All classes" if part.name == "class" else part.name.capitalize()
        charts.append(heat(title, counts, part.values, part.values, shares=True))
    return charts


def by_class(part: Part) -> Chart:
    """Return the F1 of each value, with precision, recall and photos behind it."""
    counts = confusion(part.truth, part.predicted, len(part.values))
    f1, photos, told = f1_per_class(counts), counts.sum(axis=1), counts.sum(axis=0)
    notes = [f"({n:,})" for n in photos]
    title = f"F1 of each {part.name} (photos)"
    chart = bars(title, part.values, {"F1": f1}, kind="score", notes=notes)
    hits = np.diagonal(counts)
    precision, recall = (
        [h / n if n else None for h, n in zip(hits, each, strict=True)] for each in (told, photos)
    )
    rows = [list(row) for row in zip(part.values, photos, f1, precision, recall, strict=True)]
    kinds = {part.name: "text", "photos": "count", "F1": "score"}
    kinds |= {"precision": "score", "recall": "score"}
    return replace(chart, table=Table(chart.title, kinds, rows))


def reliability_charts(parts: Sequence[Part]) -> list[Chart]:
    """Return how often answers are right, by how probable they are; one chart a part.

    The area of a dot is as the number of photos in its bin.
    """
    charts = []
    for part in parts:
        found = reliability(part.probabilities, part.truth, BINS)
        error = expected_calibration_error(part.probabilities, part.truth, BINS)
        rows = [
            [float(sure), int(photos), float(right)]
            for sure, photos, right in zip(
                found.confidence, found.photos, found.accuracy, strict=True
            )
            if photos
        ]
        title = f"{part.name.capitalize()}: ECE {error:.3f}"
        described = (
            f"Expected calibration error {error:.3f}: by so much the probability of the most "
            f"probable {part.name} differs from the share of right ones, in the mean over photos."
        )
        kinds = {"mean probability": "share", "photos": "count", "share right": "share"}
        table = Table(f"{title}, in bins of {1 / BINS:g}", kinds, rows)
        charts.append(Chart(title, described, _diagonal(rows), table))
    return charts


def _diagonal(rows: Sequence[Sequence[float]]) -> Markup:
    """Draw share right over mean probability, with the line where they are equal."""
    height, left = 220, 11.0
    ticks = [0, 0.25, 0.5, 0.75, 1]
    most = max(photos for _, photos, _ in rows)

    def place(sure: float) -> float:
        return left + 3 + (94 - left) * sure  # percent

    parts = grid(ticks, left, height, "share")
    x1, x2 = f"{place(0):.2f}%", f"{place(1):.2f}%"
    parts.append(element("line", tone="zero", x1=x1, x2=x2, y1=height, y2=0))
    steps = " L".join(f"{place(sure):.2f} {height * (1 - right):.1f}" for sure, _, right in rows)
    path = element("path", tone="line l0", d=f"M{steps}")
    stretched = {"viewBox": f"0 0 100 {height}", "preserveAspectRatio": "none"}
    parts.append(element("svg", path, width="100%", height=height, **stretched))
    for sure, photos, right in rows:
        tip = f"{photos:,} photos of {sure:.1%} in the mean: {right:.1%} right"
        radius = max(2.0, 9 * (photos / most) ** 0.5)
        parts.append(dot(place(sure), height * (1 - right), "s0", tip, radius))
    parts += [words(place(tick), height + 13, f"{tick:.0%}", tone="tick") for tick in ticks]
    parts.append(words(50, height + 31, "probability of the answer", tone="axis"))
    return drawing(parts, height + 40)


def calibration_table(parts: Sequence[Part]) -> Table:
    """Return, for each part, how sure the answers are, how often right, and by how much it errs."""
    rows = []
    for part in parts:
        p = part.probabilities
        sure, right = float(p.max(axis=1).mean()), float((p.argmax(axis=1) == part.truth).mean())
        error = expected_calibration_error(p, part.truth, BINS)
        loss = negative_log_likelihood(part.truth, np.log(np.maximum(p, TINY)))
        rows.append([part.name, sure, right, sure - right, error, loss])
    kinds = {"of": "text", "mean probability": "share", "share right": "share"}
    kinds |= {"too sure by": "difference", "ECE": "score", "-log p, nats": "score"}
    return Table("Probabilities of the most probable answers", kinds, rows)


@dataclass(frozen=True)
class Slices:
    """The scores of the slices by one thing.

    Attributes:
        by: What they are by.
        scores: As of :func:`mmmask.evaluation.slices.slice_scores`.
        chart: Their shares of right answers with intervals; None of the years of age, which are
            many and small.
        table: All scores.
    """

    by: str
    scores: pd.DataFrame
    chart: Chart | None
    table: Table


def slices_of(scored: Scored) -> list[Slices]:
    """Return the scores of all slices, those by one thing together."""
    return [_slices(scored, by, members) for by, members in scored.slices.items()]


def _slices(scored: Scored, by: str, members: Members) -> Slices:
    units, unit = units_to_draw(scored.table)
    whole = scored.whole
    scores = slice_scores(units, whole.truth, whole.predicted, members, scored.attribute)
    shares = {whole.name: "accuracy"}
    shares |= {part.name: f"{part.name}_accuracy" for part in scored.parts[1:]}
    labels = [f"{name} ({n:,})" for name, n in zip(scores["slice"], scores["photos"], strict=True)]
    chart = intervals(
        f"Right {whole.name} by {by} (photos)",
        labels,
        *(scores[f"accuracy{end}"] for end in ("", "_low", "_high")),
        kind="share",
        reference=scored.scores["accuracy"].value,
    )
    # Where photos are drawn, each by itself, there is but one number.
    numbers = ["units", "photos"] if unit == "people" else ["photos"]
    rows = [
        [
            row["slice"],
            *row[numbers],
            *(_interval(row, score) for score in shares.values()),
            _interval(row, "macro_f1"),
            row["classes"],
        ]
        for _, row in scores.iterrows()
    ]
    kinds = {by: "text", unit: "count", "photos": "count"} | {
        f"{name} right": "share" for name in shares
    }
    kinds |= {"macro F1": "score", "of classes": "count"}
    caption = f"By {by}; in brackets 95 % of resamples of the {unit}"
    drawn = None if by == BY_YEAR else chart
    return Slices(by, scores, drawn, Table(caption, kinds, rows))


def _interval(row: pd.Series, score: str) -> Interval | float:
    """Return a score with its bounds, or alone where it has none."""
    low, high = row[f"{score}_low"], row[f"{score}_high"]
    return row[score] if np.isnan(low) else Interval(row[score], low, high)
