"""Gather what the model card shows, from predictions of people that the model did not learn."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.csv_files import read_csv
from mmmask.errors import InputError
from mmmask.evaluation.intervals import units_to_draw
from mmmask.evaluation.mistakes import surest_wrong
from mmmask.evaluation.shared_errors import shared_errors
from mmmask.evaluation.slices import by_value
from mmmask.known import named, truths_of
from mmmask.labels import AGE_GROUPS, MASKS
from mmmask.reading import is_there
from mmmask.reports.model_card import ModelCard, Other, write_card
from mmmask.reports.pages.run_facts import RunFacts, Scored
from mmmask.reports.score_tables import warnings_of
from mmmask.tables import attribute_of
from mmmask.workflows.label_errors.find import check_split
from mmmask.workflows.pages.run_report import made_by, photo_slices, print_facts, with_light
from mmmask.workflows.score import intervals_of, read_scored

#: Photos of the sheet side by side, and how much larger than usual.
COLUMNS, SCALE = 5, 1.8


def model_card(
    predictions: str | Path,
    out: str | Path,
    *,
    other: str | Path | None = None,
    data_root: str | Path | None = None,
    wrong: int = 20,
    causes: str | Path | None = None,
    pictures: str | Path | None = None,
) -> ModelCard:
    """Write the card, print its score, and draw the surest wrong answers.

    Args:
        predictions: Table of a model, of people that it did not learn.
        out: The card, .md.
        other: Such a table of an unlike model, of the same photos.
        data_root: Where the photos are, to measure how bright they are; None: that is left out.
        wrong: How many of the surest wrong answers the card lists, one of each person.
        causes: csv (image, cause) that says why people are got wrong; a row is about the person in
            the photo.
        pictures: Sheet of the surest wrong answers, .png or .jpg. It shows people: for the eyes
            of whoever may see the photos.

    Raises:
        InputError: A table is not of people held out or lacks persons or classes, the two are of
            different photos, ``causes`` contradicts itself, or an option needs another.
    """
    _check(out, wrong, data_root, causes, pictures)
    paths = [Path(path) for path in (predictions, other) if path is not None]
    tables = read_scored(paths)
    if len(tables) < len(paths):
        raise InputError(f"{other}: the second table must be of another model; got the first again")
    for path, each in tables.items():
        check_split(path, each.attrs.get("provenance", {}))
    table = tables[paths[0]].copy()
    if units_to_draw(table)[1] != "people":
        raise InputError(
            f"{predictions}: column person must name the person of each photo; it has gaps or is "
            "missing"
        )
    if pictures is not None and attribute_of(table) is not None:
        raise InputError(f"--pictures needs the 18 classes; got {attribute_of(table)} alone")
    ages = table["age"] if "age" in table else pd.Series(np.nan, table.index)
    table["age"], table["light"] = ages.astype("float64"), np.nan
    labels = truths_of(table)
    slices = {
        "age group": by_value(named(labels["age"], AGE_GROUPS), list(AGE_GROUPS)),
        "mask": by_value(named(labels["mask"], MASKS), list(MASKS)),
        **photo_slices(table),
    }
    scored = Scored(table, slices, made_by(table.attrs.get("provenance", {})))
    missing: list[str] = []
    lit = None if data_root is None else with_light(scored, Path(data_root), True, missing)
    scored = scored if lit is None else lit
    if not scored.whole.known.any():
        raise InputError(f"{predictions}: mask, gender and age together are known of no photo")
    wrong_known = scored.whole.wrong & scored.whole.known
    rows = surest_wrong(scored.units, wrong_known, scored.sure, wrong)
    card = ModelCard(
        facts=RunFacts(
            "/".join(paths[0].parts[-2:]), "", {}, {}, scored=scored, missing=tuple(missing)
        ),
        scored=scored,
        wrong=rows,
        other=None if other is None else _other(scored, paths[1], tables[paths[1]]),
        causes=None if causes is None else read_causes(causes, table).reindex(scored.units[rows]),
    )
    if pictures is not None:
        _draw(scored, rows, Path(str(data_root)), pictures)
    write_card(out, card)
    print_facts(card.facts)
    return card


def _check(
    out: str | Path,
    wrong: int,
    data_root: str | Path | None,
    causes: str | Path | None,
    pictures: str | Path | None,
) -> None:
    """Refuse options that are impossible, alone or together."""
    if Path(out).suffix != ".md":
        raise InputError(f"--out must end in .md; got {out}")
    if wrong < 0:
        raise InputError(f"--wrong must be 0 or more; got {wrong}")
    for option, value in (("--causes", causes), ("--pictures", pictures)):
        if value is not None and not wrong:
            raise InputError(f"{option} needs the surest wrong answers; --wrong must not be 0")
    if pictures is not None and Path(pictures).suffix.lower() not in {".png", ".jpg"}:
        raise InputError(f"--pictures must end in .png or .jpg; got {pictures}")
    if pictures is not None and data_root is None:
        raise InputError("--pictures needs the photos; --data-root names the folder that has them")


def _other(scored: Scored, path: Path, table: pd.DataFrame) -> Other:
    """Return the second model beside the first."""
    known = scored.whole.known
    return Other(
        name="/".join(path.parts[-2:]),
        table=table,
        scores=intervals_of(table),
        shared=shared_errors(scored.units[known], scored.table[known], table[known]),
        warnings=warnings_of(table.attrs.get("provenance", {})),
    )


def read_causes(path: str | Path, table: pd.DataFrame) -> pd.Series:
    """Return person -> cause, from a csv (image, cause) of photos in a predictions table.

    Raises:
        InputError: A photo is not in the table, or a person has two causes.
    """
    given = read_csv(path, ("image", "cause")).dropna(subset="cause")
    if given.empty:
        raise InputError(f"{path}: column cause is empty in all rows")
    person = given["image"].map(table.set_index("image")["person"])
    if person.isna().any():
        unknown = given["image"][person.isna()]
        raise InputError(f"{path}: {unknown.iloc[0]} is not among the photos that were predicted")
    causes = pd.Series(given["cause"].str.strip().to_numpy(), person).groupby(level=0)
    several = causes.nunique() > 1
    if several.any():
        raise InputError(f"{path}: {several.idxmax()} has several causes; a person may have one")
    return causes.first()


def _draw(scored: Scored, rows: NDArray[np.int64], root: Path, path: str | Path) -> None:
    """Draw the photos of some answers."""
    # matplotlib takes seconds to load, and few ask for pictures
    from mmmask.reports.prediction_pictures import plot_faces

    gone = [image for image in scored.table["image"].iloc[rows] if not is_there(root / image)]
    if gone:
        raise InputError(f"{root}: --pictures would show {gone[0]}, which is not there")
    height = max(-(-len(rows) // COLUMNS), 1)
    plot_faces(
        scored.table, root, path, columns=COLUMNS, rows=height, chosen=rows.tolist(), scale=SCALE
    )
