"""Who looks alike, for the run page: a map of the people, and what is most like a wrong answer."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console

from mmmask.datasets.features import read_features
from mmmask.errors import InputError
from mmmask.evaluation.neighbours import nearest, people_map
from mmmask.labels import MASKS
from mmmask.reading import is_there
from mmmask.reports.pages.run_facts import Likeness, RunFacts, Scored
from mmmask.reports.pages.thumbnails import Thumbnails, make_thumbnails

#: Characters that the photos of the map and of those most alike may take together; their height.
BUDGET, TALLEST = 5_000_000, 112


def add_likeness(
    facts: RunFacts, path: str | Path, root: Path, given: bool, missing: list[str]
) -> RunFacts:
    """Return the facts with a map of the people, and the photos most like the wrong answers.

    Args:
        facts: With ``scored``, and thumbnails where the photos are there.
        path: Frozen features of the photos.
        root: Where the photos are.
        given: Whether the user named ``path``.
        missing: Takes a sentence on what cannot be shown.

    Raises:
        InputError: ``path`` was given, and cannot be read or lacks a photo.
    """
    scored = facts.scored
    assert scored is not None
    table = scored.table
    if "person" not in table or table["person"].isna().any():
        missing.append("Nobody is compared by looks: no column tells the person in each photo.")
        return facts
    if not scored.whole.known.all():
        missing.append("Nobody is compared by looks: of some photos not all is known.")
        return facts
    try:
        values = read_features(path).of(table["image"])
    except InputError as error:
        if given:
            raise
        missing.append(f"Nobody is compared by looks: {error}")
        return facts
    bare = _without_mask(scored)
    places = pd.DataFrame({"row": bare, "x": np.nan, "y": np.nan})
    try:
        with Console(stderr=True).status(f"a map of {len(bare):,} people"):  # can take minutes
            places[["x", "y"]] = people_map(values[bare])
    except InputError as error:
        missing.append(f"There is no map of the people: {error}")
        places = places.iloc[:0]
    alike = _most_alike(scored, values)
    rows = np.union1d(places["row"], alike[alike >= 0])
    thumbnails = _with_more(facts.thumbnails, root, table["image"].iloc[rows].tolist())
    return replace(facts, likeness=Likeness(places, alike), thumbnails=thumbnails)


def _without_mask(scored: Scored) -> NDArray[np.int64]:
    """Return the first row of each person whose label is a face without mask."""
    rows = np.flatnonzero(scored.truths["mask"] == MASKS.index("normal"))
    return rows[~scored.table["person"].iloc[rows].duplicated().to_numpy()]


def _most_alike(scored: Scored, values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return, for the wrong answers that are shown, the rows of the photos most alike, (W, K).

    They are in the same state of the mask, unless that is what the answer is wrong in.
    """
    person, state = scored.table["person"], scored.truths["mask"]
    rows = scored.worst
    free = np.zeros(len(rows), dtype=bool)
    for part in scored.parts:
        if part.name == "mask":
            free = part.wrong[rows]
    alike = nearest(values, person, rows, group=state)
    alike[free] = nearest(values, person, rows[free])
    return alike


def _with_more(thumbnails: Thumbnails, root: Path, images: Sequence[str]) -> Thumbnails:
    """Return the thumbnails with small ones of further photos, if any photo is there."""
    new = [image for image in images if image not in thumbnails.number]
    if not any(is_there(root / image) for image in new):
        return thumbnails
    more = make_thumbnails(root, new, budget=BUDGET, tallest=TALLEST)
    first = len(thumbnails.data)
    return replace(
        thumbnails,
        data=thumbnails.data + more.data,
        number={**thumbnails.number, **{image: first + k for image, k in more.number.items()}},
        height=thumbnails.height or more.height,
        unreadable=thumbnails.unreadable + more.unreadable,
    )
