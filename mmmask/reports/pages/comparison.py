"""How two predictions of the same photos compare: figures, and the summary in the terminal."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mmmask.evaluation.ages import MAE, Ages
from mmmask.evaluation.jackknife import POWER, Difference, Interval
from mmmask.evaluation.slices import with_bounds
from mmmask.labels import CLASSES
from mmmask.ledger.calibrated_people import CALIBRATION
from mmmask.ledger.chosen_epoch import CHOSEN
from mmmask.ledger.submissions import agreement
from mmmask.reports.difference_report import ONE_MODEL
from mmmask.reports.pages.parts import shown
from mmmask.reports.score_tables import WIDTH, age_sentence

#: What the verdicts of a comparison mean.
SHOWN_FROM = f"Shown from: the true difference that {100 * POWER:.0f} % of samples would show"


@dataclass(frozen=True)
class ScorePair:
    """Macro F1 of A and of B, and by how much B beats A, paired."""

    a: Interval
    b: Interval
    difference: Difference

    @property
    def verdict(self) -> str:
        """What the interval of the difference allows to say."""
        if not self.difference.shown:
            return f"not shown; shown from {self.difference.detectable:.3f}"
        return f"{'B' if self.difference.value > 0 else 'A'} is better: shown"


@dataclass(frozen=True)
class Comparison:
    """Two predictions on the photos that both have.

    Attributes:
        paths: Of A and of B.
        photos: One row per photo: image; ``a`` and ``b``, the classes; ``sure_a`` and ``sure_b``,
            their probabilities, NaN where unknown; ``distance``, 0 to 1; where known ``label``,
            the true class, and ``person``.
        alone: How many photos A alone and B alone has.
        scores: "18 classes", "mask", "gender" and "age" -> scores; empty without true classes.
        how: How the intervals were made.
        made_by: Fact of the provenance -> (of A, of B).
        ages: Ages of A and of B; None where it is no model of years, or true ages are unknown.
    """

    paths: tuple[str, str]
    photos: pd.DataFrame
    alone: tuple[int, int]
    scores: Mapping[str, ScorePair]
    how: str
    made_by: Mapping[str, tuple[str, str]]
    ages: tuple[Ages | None, Ages | None] = (None, None)

    @property
    def differing(self) -> pd.DataFrame:
        """The photos that A and B give different classes."""
        return self.photos[self.photos["a"] != self.photos["b"]]

    @property
    def agreement(self) -> dict[str, float]:
        """Share of the photos with the same class (overall), and with the same mask, ...."""
        return agreement(*(self.photos[name].to_numpy(dtype=np.int64) for name in "ab"))


def right(comparison: Comparison) -> NDArray[np.str_]:
    """Return who is right about each differing photo: "A", "B", "neither", or "" if unknown."""
    photos = comparison.differing
    if "label" not in photos:
        return np.full(len(photos), "")
    truth = photos["label"].to_numpy(dtype=np.int64)
    return np.select([photos["a"] == truth, photos["b"] == truth], ["A", "B"], "neither")


def pairs(comparison: Comparison) -> pd.DataFrame:
    """Return the pairs of different classes: a, b, photos, and who is right how often."""
    photos = comparison.differing.assign(right=right(comparison))
    if photos.empty:
        return pd.DataFrame(columns=["a", "b", "photos", "A", "B", "neither"])
    counts = photos.groupby(["a", "b"])["right"].value_counts().unstack(fill_value=0)
    counts["photos"] = counts.sum(axis=1)
    counts = counts.reindex(columns=["photos", "A", "B", "neither"], fill_value=0)
    return counts.sort_values("photos", ascending=False, kind="stable").reset_index()


def print_comparison(comparison: Comparison) -> None:
    """Print how far the two agree, where they differ most, and scores where there are any."""
    console = Console(width=WIDTH)
    for letter, path, alone in zip("AB", comparison.paths, comparison.alone, strict=True):
        more = f" ({alone:,} photos that the other has not)" if alone else ""
        console.print(f"{letter}: {path}{more}", highlight=False, soft_wrap=True)
    same = Table(title=f"Same answer, of {len(comparison.photos):,} photos", title_justify="left")
    for name in comparison.agreement:
        same.add_column(name, justify="right")
    same.add_row(*(f"{100 * share:.1f} %" for share in comparison.agreement.values()))
    console.print(same)
    commonest = pairs(comparison).head(5)
    if len(commonest):
        table = Table("A says", "B says", title="Commonest differences", title_justify="left")
        counts = {"photos": "photos"}
        if comparison.scores:
            counts |= {"A": "A right", "B": "B right"}
        for title in counts.values():
            table.add_column(title, justify="right")
        for _, row in commonest.iterrows():
            table.add_row(CLASSES[row["a"]], CLASSES[row["b"]], *(f"{row[n]:,}" for n in counts))
        console.print(table)
    if comparison.scores:
        table = Table(title="macro F1", title_justify="left")
        for title in ("", "A", "B", "B - A", ""):
            table.add_column(title, justify="right" if title else "left")
        for name, pair in comparison.scores.items():
            scores = (f"{each.value:.3f}" for each in (pair.a, pair.b))
            table.add_row(name, *scores, signed(pair.difference), pair.verdict)
        console.print(table)
        console.print(comparison.how, highlight=False, soft_wrap=True)
        console.print(f"{SHOWN_FROM}. {ONE_MODEL}", highlight=False, soft_wrap=True)
    for letter, ages in zip("AB", comparison.ages, strict=True):
        if ages is not None:
            print(f"{letter}: {age_sentence(ages)}")
    a, b = comparison.ages
    if a is not None and b is not None:
        difference = with_bounds(b.minus(a), MAE)[0]
        print(f"B - A: MAE {shown(difference, 'bias')} years")
    for fact in (CHOSEN, CALIBRATION):
        for letter, sentence in zip("AB", comparison.made_by.get(fact, ()), strict=False):
            if sentence:
                print(f"warning: {letter}: {sentence}")


def signed(interval: Interval) -> str:
    """Return a difference with its sign and its interval."""
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
