"""Charts and tables of the run page: curves, classes, honesty of probabilities, slices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from markupsafe import Markup

from mmmask.evaluation.ages import MAE
from mmmask.evaluation.calibration import reliability
from mmmask.evaluation.intervals import mean_intervals, units_to_draw
from mmmask.evaluation.parts import Part
from mmmask.evaluation.scores import confusion, f1_per_class, log_losses
from mmmask.evaluation.slices import Members, slice_scores, with_bounds
from mmmask.labels import ATTRIBUTES
from mmmask.ledger.curves import Curves
from mmmask.reports.pages import svg
from mmmask.reports.pages.charts import MOST_SERIES, Chart, bars, intervals, lines, matrix
from mmmask.reports.pages.parts import Table
from mmmask.reports.pages.run_facts import BY_YEAR, Scored

#: Accuracy of a validation -> what the page calls it.
_RIGHT = {"accuracy": "class"} | {f"{name}_accuracy": name for name in ATTRIBUTES}
#: Column of the validations -> title, kind.
_OF_EPOCHS = {
    "macro_f1": ("Macro F1, validation", "score"),
    "right": ("Right answers, validation", "share"),
    "nll": ("-log p, validation (nats)", "number"),
    "age_mae": ("Error of age, validation (years)", "number"),
}
#: Column of the log steps -> title, kind.
_OF_STEPS = {
    "loss": ("Loss, training", "number"),
    "lr": ("Learning rate", "number"),
    "grad_norm": ("Norm of the gradient", "number"),
}


def curve_charts(curves: Mapping[str, Curves]) -> list[Chart]:
    """Return the charts of one run's curves, or of several runs' side by side, by epoch."""
    known = {name: each for name, each in curves.items() if len(each.steps)}
    if len(known) == 1:
        return _of_one(*known.values())
    return _of_many(known)


def _of_one(curves: Curves) -> list[Chart]:
    """Return the curves of a run; the best epoch by macro F1 stands as an upright line."""
    steps, epochs, best = curves.steps, curves.epochs, curves.best_epoch
    charts = []
    mark = mark_of_step = None
    if best is not None:
        mark = (float(best), f"best: epoch {best}")
        last = steps["step"][steps["epoch"] <= best].max()
        mark_of_step = None if pd.isna(last) else (float(last), f"epoch {best}")
    for key, (title, kind) in _OF_EPOCHS.items():
        names = _RIGHT if key == "right" else {key: key}
        series = {name: epochs[column] for column, name in names.items() if column in epochs}
        if series:
            charts.append(lines(title, epochs["epoch"], series, axis="epoch", kind=kind, mark=mark))
    for key, (title, kind) in _OF_STEPS.items():
        if key in steps:
            parts = [name for name in steps if name.startswith("loss_")] if key == "loss" else []
            series = {
                name.removeprefix("loss_"): steps[name] for name in [key, *parts[: MOST_SERIES - 1]]
            }
            if parts:
                series = {"all": series.pop("loss"), **series}
            charts.append(
                lines(title, steps["step"], series, axis="step", kind=kind, mark=mark_of_step)
            )
    return charts


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
                wide = wide.agg(["mean", "min", "max"], axis=1)
                wide.columns = ["mean", "lowest", "highest"]
            charts.append(lines(title, wide.index, dict(wide.items()), axis="epoch", kind=kind))
    return charts


def matrices(scored: Scored) -> list[Chart]:
    """Return the confusion matrix of each attribute and, last, of the classes."""
    charts = []
    for part in sorted(scored.known_parts, key=lambda part: part.name == scored.whole.name):
        counts = confusion(part.truth, part.predicted, len(part.values))
        title = "All classes" if part.name == "class" else part.name.capitalize()
        charts.append(matrix(title, counts, part.values, shares=True))
    return charts


def by_class(part: Part) -> Chart:
    """Return the F1 of each value, with precision, recall and photos that know it behind it."""
    part = part.of_known
    counts = confusion(part.truth, part.predicted, len(part.values))
    f1, photos, answered = f1_per_class(counts), counts.sum(axis=1), counts.sum(axis=0)
    title = f"F1 of each {part.name} (photos)"
    notes = [f"({n:,})" for n in photos]
    chart = bars(title, part.values, {"F1": f1}, kind="score", notes=notes)
    precision, recall = (
        [hits / n if n else None for hits, n in zip(np.diagonal(counts), total, strict=True)]
        for total in (answered, photos)
    )
    columns = {
        part.name: ("text", part.values),
        "photos": ("count", photos),
        "F1": ("score", f1),
        "precision": ("score", precision),
        "recall": ("score", recall),
    }
    return replace(chart, table=Table.from_columns(title, columns))


def reliability_charts(scored: Scored) -> list[Chart]:
    """Return how often answers are right, by how probable they are; one chart per part.

    The area of a dot is as the number of photos in its bin.
    """
    charts = []
    for part in scored.known_parts:
        found = reliability(part.probabilities, part.truth, scored.units_of(part.name))
        filled = found.photos > 0
        columns = {
            "mean probability": ("share", found.confidence[filled].tolist()),
            "photos": ("count", found.photos[filled].tolist()),
            "share right": ("share", found.accuracy[filled].tolist()),
        }
        title = f"{part.name.capitalize()}: {found.ece_in_words}"
        description = (
            f"Expected calibration error {found.ece:.3f}: by so much the probability of the most "
            f"probable {part.name} differs from the share of right ones, on average over photos. "
            f"Perfectly calibrated probabilities would have {found.ece_by_chance:.3f} by chance."
        )
        table = Table.from_columns(f"{title}, in {len(filled)} bins of equal width", columns)
        picture, room = _diagonal(table.rows)
        charts.append(Chart(title, description, picture, table, room=(0, room)))
    return charts


def _diagonal(rows: Sequence[Sequence[float]]) -> tuple[Markup, int]:
    """Return share right over mean probability, with the line where they are equal.

    With the pixels that its numbers need at the left.
    """
    height = 220
    most = max(photos for _, photos, _ in rows)
    axis = "probability of the answer"
    parts, room, place = svg.diagonal([0, 0.25, 0.5, 0.75, 1], height, "share", axis)
    across, down = zip(*(place(sure, right) for sure, _, right in rows), strict=True)
    parts.append(svg.curve(across, down, "l0", height))
    for x, y, (sure, photos, right) in zip(across, down, rows, strict=True):
        tip = f"{photos:,} photos of {100 * sure:.1f} % on average: {100 * right:.1f} % right"
        parts.append(svg.dot(x, y, "s0", tip, max(2.0, 9 * (photos / most) ** 0.5)))
    return svg.picture(parts, height + 40), room


def calibration_table(scored: Scored) -> Table:
    """Return, for each part, its log loss, how sure the answers are, how often right, its ECE."""
    rows = []
    for part in scored.known_parts:
        p, units = part.probabilities, scored.units_of(part.name)
        found = reliability(p, part.truth, units)
        sure, right = p.max(axis=1), p.argmax(axis=1) == part.truth
        means = mean_intervals(units, {"loss": log_losses(part.truth, p), "gap": sure - right})
        shares = [float(sure.mean()), float(right.mean())]
        rows.append(
            [part.name, means["loss"], *shares, means["gap"], found.ece, found.ece_by_chance]
        )
    kinds = {"of": "text", "log loss, nats": "score", "mean probability": "share"}
    kinds |= {"share right": "share", "too sure by": "difference"}
    kinds |= {"ECE": "score", "ECE by chance": "score"}
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
    """Return the scores of all slices, those by one thing together; without those too small."""
    found = (_slices(scored, by, members) for by, members in scored.slices.items())
    return [slices for slices in found if slices is not None]


def _slices(scored: Scored, by: str, members: Members) -> Slices | None:
    units, unit = units_to_draw(scored.table)
    whole = scored.whole
    scores = slice_scores(
        units, whole.truth, whole.predicted, members, scored.attribute, scored.truths
    )
    # Where no photo knows the class, an attribute stands for it; where all are small, nothing does.
    ranked = ["accuracy", *(f"{name}_accuracy" for name in ATTRIBUTES)]
    charted = next((name for name in ranked if name in scores), None)
    if charted is None:
        return None
    chart = None
    if by != BY_YEAR:
        what = whole.name if charted == "accuracy" else charted.removesuffix("_accuracy")
        chart = intervals(
            f"Right {what} by {by} (photos)",
            [f"{name} ({n:,})" for name, n in zip(scores["slice"], scores["photos"], strict=True)],
            with_bounds(scores, charted),
            kind="share",
            reference=scored.scores[charted].value,
        )
    # Where photos are drawn, each by itself, both numbers are the same.
    columns = {
        by: ("text", scores["slice"]),
        unit: ("count", scores["units"]),
        "photos": ("count", scores["photos"]),
    }
    whole_known = "accuracy" in scores
    if whole_known:
        columns[f"{whole.name} right"] = ("share", with_bounds(scores, "accuracy"))
    for part in scored.parts[1:]:
        if f"{part.name}_accuracy" in scores:
            right = with_bounds(scores, f"{part.name}_accuracy")
            columns[f"{part.name} right"] = ("share", right)
    if whole_known:
        columns["macro F1"] = ("score", with_bounds(scores, "macro_f1"))
        columns["of classes"] = ("count", scores["classes"])
    if scored.ages is not None:
        known = scored.table["age"].notna().to_numpy()
        errors = scored.ages.by({name: chosen[known] for name, chosen in members.items()})
        of_slice = dict(zip(errors["slice"], with_bounds(errors, MAE), strict=True))
        columns["age MAE, years"] = ("years", scores["slice"].map(of_slice))
    caption = f"By {by}; in brackets the 95 % interval over {unit}"
    return Slices(by, scores, chart, Table.from_columns(caption, columns))
