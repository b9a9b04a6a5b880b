"""Compare two predictions of the same photos, and write the page on where they differ."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmmask.csv_files import read_csv
from mmmask.errors import InputError, MissingFileError
from mmmask.evaluation.ages import Ages
from mmmask.evaluation.intervals import paired_difference, score_intervals, units_to_draw
from mmmask.labels import ATTRIBUTES, CLASSES, decode
from mmmask.ledger.calibrated_people import CALIBRATION, calibrated_on_people
from mmmask.ledger.chosen_epoch import CHOSEN, chosen_by_people
from mmmask.ledger.submissions import read_submission
from mmmask.reports.pages.compare_page import write_compare_page
from mmmask.reports.pages.comparison import Comparison, ScorePair, print_comparison
from mmmask.reports.pages.thumbnails import NO_THUMBNAILS, make_thumbnails
from mmmask.reports.score_tables import how_sure
from mmmask.tables import (
    PROBABILITIES,
    answers,
    attribute_of,
    photo_index,
    probabilities,
    read_predictions,
)
from mmmask.workflows.submission import read_answers

#: Of the provenance, what may tell why two predictions differ.
MADE_BY = ("checkpoint", "config_hash", "split", "tta", "old_from", "seed", "time")


def compare(
    one: str | Path,
    other: str | Path,
    out: str | Path,
    *,
    data_root: str | Path | None = None,
    labels: str | Path | None = None,
) -> Comparison:
    """Compare A and B on the photos that both have; write the page and print its summary.

    Args:
        one: A: predictions of the 18 classes, or a submission (csv: ImageID, ans).
        other: B, likewise.
        out: The page, .html.
        data_root: Where the photos are; None: the page has none.
        labels: csv (ImageID, ans, perhaps person) of true classes; by default as A and B tell.

    Raises:
        InputError: The tables have no photo in common, contradict each other on true classes, or
            are of one attribute alone; or no photo is below ``data_root``.
    """
    if data_root is not None and not Path(data_root).is_dir():
        raise MissingFileError(
            f"{data_root}: no such folder; --data-root must name the folder with the photos"
        )
    comparison = compared(Path(one), Path(other), labels)
    thumbnails = NO_THUMBNAILS
    differing = comparison.differing["image"].tolist()
    if data_root is not None and differing:
        thumbnails = make_thumbnails(data_root, differing)
        if len(thumbnails.unreadable) == len(differing):
            raise InputError(
                f"{data_root}: none of the {len(differing)} photos is there and can be read, "
                f"such as {differing[0]}"
            )
    write_compare_page(out, comparison, thumbnails)
    print_comparison(comparison)
    return comparison


def compared(one: Path, other: Path, labels: str | Path | None = None) -> Comparison:
    """Return how two tables compare on the photos that both have, in the order of the first."""
    tables = [_read(one), _read(other)]
    # A submission knows photos by their names alone.
    by_name = any("ans" in table.attrs for table in tables)
    keys = []
    for path, table in zip((one, other), tables, strict=True):
        names = table["image"].str.rsplit("/", n=1).str[-1] if by_name else table["image"]
        keys.append(photo_index(path, names))
    common = keys[0][keys[0].isin(keys[1])]
    if common.empty:
        raise InputError(
            f"{one} and {other} have no photo in common; the first has {keys[0][0]}, the second "
            f"{keys[1][0]}"
        )
    a, b = (
        table.take(key.get_indexer(common)).reset_index(drop=True)
        for table, key in zip(tables, keys, strict=True)
    )
    photos = (b if "ans" in tables[0].attrs else a)[["image"]].assign(
        a=a["answer"], b=b["answer"], sure_a=a["sure"], sure_b=b["sure"], distance=_distance(a, b)
    )
    for name, truth in (("person", ""), ("label", "classes"), ("age", "ages")):
        needed = pd.Series.any if name == "age" else pd.Series.all  # of how many it is known
        found = [table[name] for table in (a, b) if name in table and needed(table[name].notna())]
        if len(found) == 2 and truth and not found[0].equals(found[1]):
            raise InputError(f"{one} and {other} have different true {truth} of the same photos")
        if found:
            photos[name] = found[0]
    if labels is not None:
        photos = read_answers(labels, photos)
    return Comparison(
        paths=(str(one), str(other)),
        photos=photos,
        alone=(len(keys[0]) - len(common), len(keys[1]) - len(common)),
        scores=_scores(photos) if "label" in photos else {},
        how=how_sure(photos) if "label" in photos else "",
        made_by=_made_by(tables[0], tables[1]),
        ages=(_ages(a, photos), _ages(b, photos)),
    )


def _read(path: Path) -> pd.DataFrame:
    """Return image, answer (class), sure (its probability, NaN if unknown) and what else is told.

    ``attrs["ans"]`` is there where the table is a submission.
    """
    if path.suffix == ".csv" and "ImageID" in read_csv(path, ()):
        given = read_submission(path)
        if given.index.hasnans:
            raise InputError(
                f"{path}: ImageID must not be empty; it is in {int(given.index.isna().sum())} rows"
            )
        images = "eval/images/" + given.index
        table = pd.DataFrame({"image": images, "answer": given.to_numpy(), "sure": np.nan})
        table.attrs["ans"] = True
        return table
    table = read_predictions(path)
    attribute = attribute_of(table)
    if attribute is not None:
        raise InputError(f"{path}: the comparison needs the 18 classes; got {attribute} alone")
    if "label" in table and table["label"].isna().any():
        unknown = f"{table['label'].isna().sum()} of {len(table)}"
        raise InputError(
            f"{path}: label must be known of all photos or of none; got {unknown} empty"
        )
    values, table = probabilities(table), table.copy()  # one block: its 100 columns are many
    decided = answers(table)
    table["answer"], table["sure"] = decided, values[np.arange(len(decided)), decided]
    return table


def _distance(a: pd.DataFrame, b: pd.DataFrame) -> pd.Series:
    """Return how far two predictions are apart, photo by photo.

    It is half the sum of the differences of their probabilities, 0 to 1 (total variation);
    without probabilities the share of the three attributes that differ.
    """
    if set(PROBABILITIES) <= set(a) and set(PROBABILITIES) <= set(b):
        return pd.Series(np.abs(probabilities(a) - probabilities(b)).sum(axis=1) / 2)
    parts = zip(decode(a["answer"]).values(), decode(b["answer"]).values(), strict=True)
    return pd.Series(np.mean([mine != theirs for mine, theirs in parts], axis=0))


def _ages(table: pd.DataFrame, photos: pd.DataFrame) -> Ages | None:
    """Return the ages of a table, with what is known of its photos."""
    known = photos[[name for name in ("person", "label", "age") if name in photos]]
    return Ages.of(table.assign(**known)) if "label" in known else None


def _scores(photos: pd.DataFrame) -> dict[str, ScorePair]:
    """Return macro F1 of the 18 classes and of each attribute."""
    units, _ = units_to_draw(photos)
    truth, a, b = (photos[name].to_numpy(dtype=np.int64) for name in ("label", "a", "b"))
    scores = {}
    for name in ("18 classes", *ATTRIBUTES):
        attribute = name if name in ATTRIBUTES else None
        if attribute is not None:
            true, mine, theirs = (decode(labels)[attribute] for labels in (truth, a, b))
        else:
            true, mine, theirs = truth, a, b
        of_a, of_b = (
            score_intervals(units, true, told, attribute)["macro_f1"] for told in (mine, theirs)
        )
        classes = len(ATTRIBUTES.get(name, CLASSES))
        difference = paired_difference(units, true, [theirs], [mine], classes=classes)
        scores[name] = ScorePair(of_a, of_b, difference)
    return scores


def _made_by(a: pd.DataFrame, b: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return what the two state of their making: fact -> (of A, of B)."""
    stated: list[Mapping[str, Any]] = [t.attrs.get("provenance", {}) for t in (a, b)]
    facts = {key: tuple(_words(one.get(key)) for one in stated) for key in MADE_BY}
    facts[CHOSEN] = tuple(chosen_by_people(one) or "" for one in stated)
    facts[CALIBRATION] = tuple(calibrated_on_people(one) or "" for one in stated)
    return {key: (mine, theirs) for key, (mine, theirs) in facts.items() if mine or theirs}


def _words(value: Any) -> str:
    """Return a stated fact in words: hashes short, lists with commas, nothing as nothing."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    text = str(value)
    return text[:12] if len(text) == 64 and set(text) <= set("0123456789abcdef") else text
