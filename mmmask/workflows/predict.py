"""Predict a split with a trained checkpoint: predictions table, scores, submission."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mmmask.config import load_config, parse_options, plain
from mmmask.datasets.face_boxes import described
from mmmask.errors import InputError
from mmmask.evaluation.intervals import units_to_draw
from mmmask.labels import MIDDLE_FROM, OLD_FROM, checked_cuts, move_cut
from mmmask.ledger.provenance import file_hash, fingerprint, made_now, text_hash
from mmmask.ledger.score_log import note_score
from mmmask.tables import prediction_columns, write_table, year_columns
from mmmask.workflows.score import intervals_of
from mmmask.workflows.submission import check_outputs, read_answers, write_submission
from mmmask.workflows.testing import Tested, check_same, run_test

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Prediction:
    """What a prediction run leaves.

    Attributes:
        table: The predictions table.
        data_root: What its image paths are relative to.
        path: The file that holds it.
    """

    table: pd.DataFrame
    data_root: Path
    path: Path


def predict(
    config: str | Path,
    checkpoint: str | Path,
    *,
    data_root: str | None = None,
    split: str = "eval",
    tta: bool = False,
    pack: str | None = None,
    out: str | Path | None = None,
    submission: str | Path | None = None,
    labels: str | Path | None = None,
    old_from: int | None = None,
    options: Sequence[str] = (),
    launcher: str = "none",
) -> Prediction | None:
    """Predict a split and write the table; None on all processes but the main one.

    Args:
        config: Path of a config file.
        checkpoint: Checkpoint of a run of that config.
        data_root: Folder that holds ``train/`` and ``eval/``; None keeps the config's.
        split: ``eval``, ``val`` (the held-out fold), ``train`` or ``all``.
        tta: Average over the views of the config's ``tta`` block.
        pack: File of packed photos to read, and to make first where it is missing or stale.
        out: Where the predictions go (.parquet or .csv); by default beside the checkpoint.
        submission: Where a submission in info.csv's order goes; with the split ``eval`` only.
        labels: csv (ImageID, ans) with the true classes of the photos in ``eval``.
        old_from: First age, in years, called old in the predictions, for a model of years; None
            keeps the competition's 60. True classes always have the competition's cut.
        options: ``name=value`` overrides of the config.
        launcher: ``none`` or ``pytorch`` (torchrun).

    Raises:
        InputError: The checkpoint belongs to another model or another preprocessing, or the model
            does not predict what is asked for.
    """
    from mmmask.engine.checkpoints import load_checkpoint_file

    if split != "eval" and (submission or labels):
        raise InputError(f"--submission and --labels need --split eval; got {split}")
    cfg = load_config(config, parse_options(options))
    if data_root is not None:
        cfg.data.data_root = data_root
    if pack is not None:
        cfg.data.pack = pack
    check_outputs(out, submission=submission, data_root=cfg.data.data_root)
    cfg.tta.enabled = cfg.tta.enabled or tta
    checkpoint = Path(checkpoint)
    content = load_checkpoint_file(str(checkpoint))
    meta = content.get("meta", {})
    check_same(cfg, meta, "preprocessing", checkpoint)
    if split in ("val", "train"):
        # Of another split, most people held out are people it was trained on.
        check_same(cfg, meta, "data", checkpoint, keys=("folds", "fold", "split_seed"))
    if split == "val" and meta.get("trained_on") == "all":
        raise InputError(
            f"{checkpoint}: was trained on everybody, so nobody is held out; --split all would "
            "predict the people that it knows"
        )

    cfg.test_dataloader.dataset.split = split
    after = checked_cuts((MIDDLE_FROM, OLD_FROM if old_from is None else old_from))

    def fits(head: "nn.Module") -> None:
        attribute = getattr(head, "attribute", None)
        if submission and attribute:
            raise InputError(
                f"--submission needs the 18 classes, and {cfg.filename} predicts {attribute} "
                "alone; compose three predictions by tools/ensemble.py --compose"
            )
        if old_from is not None and getattr(head, "age_model", None) is None:
            raise InputError(
                f"--old-from {old_from} needs a model of years, such as CoralAge; "
                f"{cfg.filename} predicts {attribute or 'age groups'}, not years"
            )

    tested = run_test(cfg, content, checkpoint, launcher, fits=fits)
    if tested is None:
        return None
    samples, probabilities = tested.samples, tested.probabilities
    if tested.years is not None:
        probabilities = move_cut(probabilities, tested.years, after=after)
    if labels is not None:
        samples = read_answers(labels, samples)
    columns, names = prediction_columns(tested.attribute)
    known = [name for name in columns if name in samples and samples[name].notna().all()]
    parts = [samples[known], pd.DataFrame(probabilities, columns=list(names))]
    if tested.years is not None:
        parts.append(year_columns(tested.years))
    table = pd.concat(parts, axis=1)
    path = Path(out or checkpoint.parent / f"predictions_{split}{'_tta' * cfg.tta.enabled}.parquet")
    text = cfg.pretty_text  # formatted anew at each access
    provenance = {
        "config": text,
        "config_hash": text_hash(text),
        "checkpoint": str(checkpoint),
        "checkpoint_hash": file_hash(checkpoint),
        "data_fingerprint": fingerprint(samples),
        "preprocessing": plain(described(cfg.preprocessing)),
        "tta": list(cfg.tta.views) if cfg.tta.enabled else [],
        "unlabelled": meta.get("unlabelled"),  # photos it was trained on without their labels
        "pseudo_labels": meta.get("pseudo_labels"),  # and with labels that a model gave them
        "split": split,
        "old_from": _age_cut(meta, after, tested),
        "seed": cfg.randomness.seed,
        **made_now(),
    }
    write_table(path, table, columns, provenance)
    if "label" in table:
        score, resampled = intervals_of(table)["macro_f1"], units_to_draw(table)[1]
        note_score(score, resampled, len(table), path, provenance)
    table.attrs["provenance"] = provenance
    if submission is not None:
        origin = {**provenance, "predictions": str(path)}
        write_submission(submission, table, cfg.data.data_root, origin=origin)
    return Prediction(table, Path(cfg.data.data_root), path)


def _age_cut(meta: Mapping[str, Any], after: tuple[int, int], tested: Tested) -> int | None:
    """Return from which age on the predictions call people old; None: they say nothing of age."""
    if tested.attribute not in (None, "age"):
        return None
    # A classifier of groups calls old what its training labels did.
    return meta.get("data", {}).get("old_from") if tested.years is None else after[1]
