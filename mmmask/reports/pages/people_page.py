"""The page on who is who: pairs of photos of which it is doubtful whether they show one person."""

from pathlib import Path

import numpy as np
import pandas as pd

from mmmask.reports.output import counted
from mmmask.reports.pages.page import write_page
from mmmask.reports.pages.parts import Gallery, photo_name
from mmmask.reports.pages.thumbnails import Thumbnails

#: Doubts that the page shows.
MOST_DOUBTS = 500
_KINDS = {"given": "two given people, alike", "joined": "one person", "apart": "two people"}


def write_people_page(
    path: str | Path,
    table: str,
    samples: pd.DataFrame,
    doubts: pd.DataFrame,
    given: pd.Series,
    threshold: str,
    thumbnails: Thumbnails,
) -> None:
    """Write the page.

    Args:
        path: The page.
        table: Path of the table of photos, for the heading.
        samples: The photos, with ``person``.
        doubts: Most doubtful first: kind, distance (1 is the threshold), one, other (rows of
            photos), words (the distance).
        given: Whether the person of each photo was given.
        threshold: In the unit of the distances.
        thumbnails: Of the photos of the first ``MOST_DOUBTS`` doubts.
    """
    sizes = samples["person"].value_counts()
    shown = doubts.head(MOST_DOUBTS)
    write_page(
        path,
        "people_page.html",
        title=table,
        kind="people page",
        summary=f"{counted(len(samples), 'photos')} of {counted(len(sizes), 'people')}",
        thumbnails=thumbnails,
        figures=[
            ("photos", f"{len(samples):,}"),
            ("people", f"{len(sizes):,}"),
            ("photos of a given person", f"{given.sum():,}"),
            ("people with one photo", f"{(sizes == 1).sum():,}"),
            ("most photos of one person", f"{sizes.max():,}"),
            ("doubts", f"{len(doubts):,}"),
        ],
        threshold=threshold,
        shown=len(shown),
        doubts=len(doubts),
        gallery=_pairs(samples, shown, sizes, thumbnails),
    )


def _pairs(
    samples: pd.DataFrame, doubts: pd.DataFrame, sizes: pd.Series, thumbnails: Thumbnails
) -> Gallery:
    one, other = (samples.iloc[doubts[name]] for name in ("one", "other"))
    kinds = [_KINDS[kind] for kind in doubts["kind"]]
    return Gallery(
        id="doubts",
        pictures={
            "one": thumbnails.numbers(one["image"]), "other": thumbnails.numbers(other["image"])
        },
        captions={
            "one": one["image"].map(photo_name).tolist(),
            "other": other["image"].map(photo_name).tolist(),
        },
        titles=[
            " and ".join(f"{photo_name(name)} ({sizes[name]:,})" for name in dict.fromkeys(names))
            for names in zip(one["person"], other["person"], strict=True)
        ],
        lines={"": kinds, "distance": doubts["words"].tolist()},
        facets={"now": pd.Categorical(kinds, [name for name in _KINDS.values() if name in kinds])},
        orders={
            "most doubtful first": -np.arange(len(doubts)),
            "most alike first": -doubts["distance"],
            "least alike first": doubts["distance"],
        },
        noun="pairs",
    )  # fmt: skip
