"""The section of the run page on ages in years: predicted by true age, and the bias."""

from itertools import chain
from typing import Any

import pandas as pd

from mmmask.evaluation.ages import BIAS, MAE, NEAR, NEARBY, Ages
from mmmask.evaluation.slices import with_bounds
from mmmask.reports.pages import svg
from mmmask.reports.pages.charts import Chart, intervals
from mmmask.reports.pages.parts import Table, figure

#: Score of ages -> title, kind.
TITLES = {
    MAE: ("MAE, years", "years"),
    NEARBY: (f"within {NEAR} years", "share"),
    BIAS: ("bias, years", "bias"),
}
#: Lowest and highest percentile of the predicted ages that the picture shows.
_FROM, _TO = 10, 90


def age_section(ages: Ages) -> dict[str, Any]:
    """Return the figures, charts and table of the section."""
    everybody = ages.scores
    parts = {by: ages.by(members) for by, members in ages.slices.items()}
    by_group = pd.concat([parts["age group"], parts["gender"]])
    return {
        "figures": [
            figure(title, with_bounds(everybody, name)[0], kind)
            for name, (title, kind) in TITLES.items()
        ],
        "known": (len(ages.true), ages.photos),
        "charts": [
            predicted_by_true(ages),
            _biases("Bias by true age (photos)", parts["true age"]),
            _biases("Bias by age group and gender (photos)", by_group),
        ],
        "table": score_table(ages, pd.concat([everybody, *parts.values()])),
    }


def predicted_by_true(ages: Ages) -> Chart:
    """Return the median of the predicted ages for each true age, and the range of most of them."""
    title = "Predicted age by true age, in years"
    predicted = pd.Series(ages.predicted).groupby(ages.true)
    spread = predicted.quantile([_FROM / 100, 0.5, _TO / 100]).unstack()
    rows = [
        [int(age), len(predicted.get_group(age)), *map(float, each)]
        for age, each in zip(spread.index, spread.to_numpy(), strict=True)
    ]
    seen = [*spread.index, *chain(*spread.to_numpy())]
    height, ticks = 260, svg.round_ticks(min(seen), max(seen))
    parts, room, place = svg.diagonal(ticks, height, "number", "true age")
    for age, photos, low, middle, high in rows:
        x, y = place(age, middle)
        tip = f"{age} years, {photos:,} photos: {middle:g} in the median, {low:g} to {high:g}"
        parts.append(svg.line(place(age, low), place(age, high), "line l0", tip))
        parts.append(svg.dot(x, y, "s0", tip, radius=3.5))
    kinds = {"true age": "count", "photos": "count"}
    kinds |= dict.fromkeys((f"{_FROM} %", "median", f"{_TO} %"), "years")
    least, most = rows[0], rows[-1]
    description = (
        f"In the median, people of {least[0]} are taken for {least[3]:g}, "
        f"those of {most[0]} for {most[3]:g}."
    )
    table = Table(f"{title}: percentiles over photos", kinds, rows)
    return Chart(title, description, svg.picture(parts, height + 40), table, room=(0, room))


def score_table(ages: Ages, scores: pd.DataFrame) -> Table:
    """Return the scores of slices."""
    # Where photos are drawn, each by itself, both numbers are the same.
    columns = {
        "of": ("text", scores["slice"]),
        ages.unit: ("count", scores["units"]),
        "photos": ("count", scores["photos"]),
        **{title: (kind, with_bounds(scores, name)) for name, (title, kind) in TITLES.items()},
    }
    caption = f"Ages in years; in brackets the 95 % interval over {ages.unit}"
    return Table.from_columns(caption, columns)


def _biases(title: str, scores: pd.DataFrame) -> Chart:
    labels = [f"{name} ({n:,})" for name, n in zip(scores["slice"], scores["photos"], strict=True)]
    return intervals(title, labels, with_bounds(scores, BIAS), kind="bias", reference=0)
