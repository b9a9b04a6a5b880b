"""Which classes are taken for which, and whom a model is surest to get wrong."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.evaluation.intervals import share_interval


def confused_pairs(
    units: NDArray, truth: NDArray[np.integer], predicted: NDArray[np.integer]
) -> pd.DataFrame:
    """Return the pairs of true and predicted class that differ, those of the most photos first.

    Args:
        units: (N,) of whom, see :func:`mmmask.evaluation.intervals.units_to_draw`.
        truth: (N,) labels of the photos.
        predicted: (N,) predicted labels.

    Returns:
        One row per pair: ``truth``, ``predicted``, ``photos``, ``units`` (how many of them), and
        ``share``, the :class:`~mmmask.evaluation.jackknife.Interval` of the share of the photos of
        the true class.
    """
    table = pd.DataFrame({"truth": truth, "predicted": predicted, "unit": units})
    wrong = table[table["truth"] != table["predicted"]].groupby(["truth", "predicted"])["unit"]
    pairs = wrong.agg(photos="size", units="nunique").reset_index()
    pairs = pairs.sort_values("photos", ascending=False, kind="stable", ignore_index=True)
    shares = [
        share_interval(units[truth == true], predicted[truth == true] == told)
        for true, told in zip(pairs["truth"], pairs["predicted"], strict=True)
    ]
    return pairs.assign(share=pd.Series(shares, dtype=object))


def surest_wrong(
    units: NDArray, wrong: NDArray[np.bool_], sure: NDArray[np.floating], most: int
) -> NDArray[np.int64]:
    """Return the rows of the surest wrong answers, one of each person, the surest first.

    Shape:
        ``units``, ``wrong``, ``sure``: (N,) of whom, whether the answer is wrong, and its
        probability; result: (K,) with K at most ``most``.
    """
    rows = np.flatnonzero(wrong)
    rows = rows[np.argsort(-sure[rows], kind="stable")]
    _, first = np.unique(units[rows], return_index=True)
    return rows[np.sort(first)][:most]
