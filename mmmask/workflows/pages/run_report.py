"""Gather what a run left, predict its hold-out where that was not done, and write the run page."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from mmmask.csv_files import read_csv
from mmmask.datasets.layout import MASK_OF_STEM
from mmmask.errors import InputError
from mmmask.evaluation.slices import Members, by_age, by_tag, by_thirds, by_value
from mmmask.known import named, truths_of
from mmmask.labels import AGE_GROUPS, GENDERS
from mmmask.ledger.curves import read_curves
from mmmask.reading import is_there
from mmmask.reports.pages.run_facts import BY_YEAR, RunFacts, Scored
from mmmask.reports.pages.run_page import write_run_page
from mmmask.reports.pages.thumbnails import make_thumbnails
from mmmask.reports.score_tables import WIDTH, how_sure, print_macro_f1
from mmmask.tables import BOXES, read_predictions, read_table
from mmmask.workflows.data_stats import measure
from mmmask.workflows.pages.run_cams import add_heats
from mmmask.workflows.pages.run_folder import FEATURES, OOF, SPLIT, RunFolder, is_out_of_fold
from mmmask.workflows.pages.run_likeness import add_likeness
from mmmask.workflows.studies.folds import summarise

#: Characters that the photos of the page may take together.
BUDGET = 12_000_000


def run_report(
    path: str | Path,
    out: str | Path,
    *,
    data_root: str | Path | None = None,
    boxes: str | Path | None = None,
    tags: str | Path | None = None,
    features: str | Path | None = None,
    cam: int = 48,
) -> RunFacts:
    """Write the page of a run, a k-fold or a probe, and print its score and what the page lacks.

    Args:
        path: Folder of a training run, or with predictions out of fold, ``oof.parquet``.
        out: The page, .html.
        data_root: Where the photos are; None: where they were in training.
        boxes: Table of tools/detect_faces.py, to slice by whether a face was found.
        tags: csv (person or image, tag), to slice by.
        features: Frozen features of the photos, by which people look alike; None: those of the
            folder, where it has any.
        cam: For how many of the surest wrong answers HiResCAM shows the evidence; 0: none.

    Raises:
        InputError: A file is damaged, or no photo is below the ``data_root`` that is given.
    """
    if cam < 0:
        raise InputError(f"cam must be none or a number of photos; got {cam}")
    path = Path(path)
    pooled = is_out_of_fold(path)
    folders = sorted(path.glob("fold_[0-9]*"), key=_fold) if pooled else []
    runs = {each.name.replace("_", " "): RunFolder.at(each) for each in folders}
    runs = runs or {"": RunFolder.at(path)}
    first = next(iter(runs.values()))
    missing: list[str] = []
    root, given = Path(data_root or first.data_root or "data"), data_root is not None
    table = read_predictions(path / OOF) if pooled else _predictions(first, root, given, missing)
    if table is not None:
        stated = table.attrs.get("provenance", {})
        table = table.copy()  # one block: its columns are many
        ages = table["age"] if "age" in table else _ages(table, [path, *folders])
        table["age"], table["light"] = ages.astype("float64"), np.nan
        table.attrs["provenance"] = stated
    facts = RunFacts(
        path=str(path),
        config_name=first.config_name,
        curves={name: read_curves(run.path) for name, run in runs.items()},
        cards={name: run.card for name, run in runs.items() if run.card},
        config=first.config_text,
        folds=summarise(table) if table is not None and "fold" in table else None,
    )
    if table is not None:
        scored = Scored(table, photo_slices(table, boxes, tags), made_by(stated))
        facts = _with_photos(replace(facts, scored=scored), scored, root, given, missing)
        found = path / FEATURES
        if features is not None or found.is_file():
            facts = add_likeness(facts, features or found, root, features is not None, missing)
        if facts.thumbnails.data and cam and (folders or not pooled):
            facts = add_heats(facts, runs, root, cam, missing)
    facts = replace(facts, missing=tuple(missing))
    write_run_page(out, facts)
    print_facts(facts)
    return facts


def _fold(folder: Path) -> int:
    return int(folder.name.removeprefix("fold_"))


def _predictions(
    run: RunFolder, root: Path, given: bool, missing: list[str]
) -> pd.DataFrame | None:
    """Return predictions of the people held out, made now where there are none yet."""
    if not run.holds_out:
        missing.append(
            "The model was trained on everybody (--split all), so nobody is left to score it on."
        )
        return None
    found = run.predictions()
    if found is None:
        try:
            found = _predict(run, root)
        except InputError as error:
            if given:
                raise
            missing.append(f"The people held out are not predicted: {error}")
            return None
    return read_predictions(found)


def _predict(run: RunFolder, root: Path) -> Path:
    """Predict the people held out with the run's best checkpoint; return the table."""
    if run.config is None:
        raise InputError(f"{run.path}: has no config (*.py)")
    from mmmask.config import load_config

    on_tables = load_config(run.config).get("data", {}).get("table")
    if not on_tables and not (root / "train" / "train.csv").is_file():
        raise InputError(f"{root}: has no train/train.csv; --data-root names the folder")
    checkpoint = run.checkpoint
    from mmmask.workflows.predict import Request, predict

    # The photos themselves, as a pack may be gone; its numbers would be the same.
    request = Request(
        config=run.config,
        checkpoint=checkpoint,
        data_root=str(root),
        split="val",
        options=["data.pack=None"],
    )
    made = predict(request)
    assert made is not None
    return made.path


def _with_photos(
    facts: RunFacts, scored: Scored, root: Path, given: bool, missing: list[str]
) -> RunFacts:
    """Return the facts with how bright the photos are, and thumbnails, as far as they are there."""
    lit = with_light(scored, root, given, missing)
    if lit is None:
        return facts
    if lit.images:
        thumbnails = make_thumbnails(root, lit.images, budget=BUDGET)
        facts = replace(facts, thumbnails=thumbnails)
    return replace(facts, scored=lit)


def with_light(scored: Scored, root: Path, given: bool, missing: list[str]) -> Scored | None:
    """Return the answers with how bright the photos are, and slices by it.

    None where no photo is there. What is not there is added to ``missing``.

    Raises:
        InputError: No photo is there, though the ``root`` was ``given``.
    """
    images = scored.table["image"].tolist()
    there = [image for image in images if is_there(root / image)]
    if not there:
        words = f"{root}: none of the {len(images):,} photos is there, such as {images[0]}"
        if given:
            raise InputError(words)
        missing.append(f"Without photos: {words}; --data-root names the folder that holds them.")
        return None
    if len(there) < len(images):
        missing.append(f"{len(images) - len(there):,} of {len(images):,} photos are not in {root}.")
    light = [np.nan if fact is None else fact.light for fact in measure(root, images)]
    slices = dict(scored.slices)
    if np.isfinite(light).any():
        slices["brightness"] = by_thirds(light, ("dark", "middle", "bright"))
    return replace(scored, table=scored.table.assign(light=light), slices=slices)


def print_facts(facts: RunFacts) -> None:
    """Print the score, and what the page should have and has not."""
    console = Console(width=WIDTH)
    if facts.scored is not None:
        how = how_sure(facts.scored.table)
        print_macro_f1(console, facts.scored.scores.get("macro_f1"), how)
    learned = [] if facts.learned is None else [facts.learned]
    warnings = [f"warning: {words}" for words in (*learned, *facts.flattered)]
    for sentence in [*warnings, *facts.missing]:
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def made_by(stated: Mapping[str, Any]) -> str:
    """Return in words which checkpoint answered, as the provenance of the predictions tells."""
    if "members" in stated:
        count = len(stated["members"])
        words = f"Out of fold: each of {count} models answers for the people it has not seen"
    elif not stated.get("checkpoint") and stated.get("split") == "oof":
        words = "Out of fold: each fold is answered by a model that has not seen it"
    else:
        name = Path(str(stated.get("checkpoint", "an unknown checkpoint"))).name
        words = f"Answers are from {name}"
    if stated.get("tta"):
        words += f", test-time augmentation with {', '.join(stated['tta'])}"
    return f"{words}."


def _ages(table: pd.DataFrame, folders: list[Path]) -> pd.Series:
    """Return the age in years of the person in each photo, NaN where no split.csv tells it."""
    for folder in folders:
        if (folder / SPLIT).is_file() and "person" in table:
            split = read_csv(folder / SPLIT, ("person", "age")).drop_duplicates("person")
            ages = pd.to_numeric(split.set_index("person")["age"], errors="coerce")
            return table["person"].map(ages)
    return pd.Series(np.nan, table.index)


def photo_slices(
    table: pd.DataFrame, boxes: str | Path | None = None, tags: str | Path | None = None
) -> dict[str, Members]:
    """Return what the photos are sliced by -> the slices; ``table`` is that of ``Scored``."""
    labels = truths_of(table)
    names = table["image"].map(lambda image: PurePosixPath(image).stem)
    slices: dict[str, Members] = {}
    if table["age"].notna().any():
        slices["age"] = by_age(table["age"])
        years = table["age"].dropna().astype(int)
        slices[BY_YEAR] = {f"{y}": (table["age"] == y).to_numpy() for y in sorted({*years})}
    else:
        slices["age group"] = by_value(named(labels["age"], AGE_GROUPS))
    slices["gender"] = by_value(named(labels["gender"], GENDERS), list(GENDERS))
    slices["photo"] = by_value(names, [stem for stem in MASK_OF_STEM if (names == stem).any()])
    if "source" in table and table["source"].nunique() > 1:
        slices["source"] = by_value(table["source"])
    if boxes is not None:
        found = read_table(boxes, BOXES).drop_duplicates("image").set_index("image")["x0"].notna()
        face = table["image"].map(found)
        if face.isna().all():
            raise InputError(f"{boxes}: has none of the {len(table):,} photos that were scored")
        words = face.map({True: "found", False: "not found"})
        slices["face"] = by_value(words, ["found", "not found"])
    if tags is not None:
        slices["tag"] = by_tag(str(tags), table["image"], table.get("person"))
    return slices
