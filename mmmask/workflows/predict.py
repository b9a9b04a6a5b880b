"""Predict a split with a trained checkpoint: predictions table, scores, submission."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mmmask.blocks import SPLITS, has_blocks
from mmmask.config import parse_options, with_flags
from mmmask.datasets.face_boxes import preprocessing_facts
from mmmask.errors import InputError, WriteError
from mmmask.evaluation.calibrated_tables import (
    calibrated,
    check_decision,
    decided,
    read_calibration,
)
from mmmask.evaluation.intervals import units_to_draw
from mmmask.labels import MIDDLE_FROM, OLD_FROM, Cuts, checked_cuts
from mmmask.ledger.calibrated_people import CALIBRATION, calibration_origin
from mmmask.ledger.chosen_epoch import CHOSEN, chosen_epoch
from mmmask.ledger.provenance import file_hash, fingerprint, made_now, text_hash
from mmmask.ledger.score_log import note_score
from mmmask.tables import prediction_columns, write_table
from mmmask.workflows.score import intervals_of, labels_of
from mmmask.workflows.submission import check_outputs, read_answers, write_submission
from mmmask.workflows.testing import Tested, check_same, run_plain_test, run_test
from mmmask.workflows.unreadable_photos import UNREADABLE, unreadable_to_predict, with_shares

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be predicted, and what is to be written."""

    config: str | Path  # path of a config file
    checkpoint: str | Path  # checkpoint of a run of that config
    #: Folder that holds ``train/`` and ``eval/``; None keeps the config's.
    data_root: str | None = None
    split: str = "eval"  # ``eval``, ``val`` (the held-out fold), ``train`` or ``all``
    tta: bool = False  # average over the views of the config's ``tta`` block
    #: File of packed photos to read, and to make first where it is missing or stale.
    pack: str | None = None
    #: Where the predictions go (.parquet or .csv); by default beside the checkpoint.
    out: str | Path | None = None
    #: File of a calibration that is applied to the predictions.
    calibration: str | Path | None = None
    decision: str = "argmax"  # one of ``mmmask.evaluation.decision.RULES``
    #: Where a submission in info.csv's order goes; with the split ``eval`` only.
    submission: str | Path | None = None
    #: csv (ImageID, ans) with the true classes of the photos in ``eval``; ``person`` is optional.
    labels: str | Path | None = None
    #: First age, in years, called old in the predictions, for a model of years; None keeps the
    #: competition's 60. True classes always have the competition's cut.
    old_from: int | None = None
    pictures: str | Path | None = None  # folder of pictures that the caller will draw
    unreadable: str = "refuse"  # or ``prior``: such photos of eval get the class shares of training
    options: Sequence[str] = ()  # ``name=value`` overrides of the config
    launcher: str = "none"  # ``none`` or ``pytorch`` (torchrun)

    @property
    def cuts(self) -> Cuts:
        """First age of the middle and of the old group in the predictions."""
        return checked_cuts((MIDDLE_FROM, OLD_FROM if self.old_from is None else self.old_from))

    def check_plain(self) -> None:
        """Refuse what only a config with blocks can be asked for."""
        names = ("out", "calibration", "submission", "labels", "pictures")
        asked = {name: getattr(self, name) for name in names}
        asked |= {"old-from": self.old_from, "split": None if self.split == "eval" else self.split}
        asked |= {"decision": None if self.decision == "argmax" else self.decision}
        asked |= {"unreadable": None if self.unreadable == "refuse" else self.unreadable}
        for name, value in asked.items():
            if value is not None:
                raise InputError(
                    f"--{name} {value} needs a config with a block `data`; {self.config} is one of "
                    "MMPretrain's own kind, and is tested on its test_dataloader"
                )

    def check_head(self, head: "nn.Module") -> None:
        """Refuse a head that does not predict what is asked for."""
        attribute = getattr(head, "attribute", None)
        check_decision(self.decision, self.config, attribute, self.calibration is not None)
        if self.submission and attribute:
            raise InputError(
                f"--submission needs the 18 classes, and {self.config} predicts {attribute} "
                "alone; compose three predictions by tools/ensemble.py --compose"
            )
        if self.old_from is not None and getattr(head, "age_model", None) is None:
            raise InputError(
                f"--old-from {self.old_from} needs a model of years, such as CoralAge; "
                f"{self.config} predicts {attribute or 'age groups'}, not years"
            )


@dataclass(frozen=True)
class Prediction:
    """What a prediction run leaves."""

    table: pd.DataFrame  # the predictions table
    data_root: Path  # what its image paths are relative to
    path: Path  # the file that holds it


def predict(request: Request) -> Prediction | None:
    """Predict a split and write the table; None on all processes but the main one.

    A config without blocks is tested as MMPretrain does; the scores go to the log, and there is no
    table.

    Raises:
        InputError: The checkpoint belongs to another model or another preprocessing, or the model
            does not predict what is asked for.
    """
    from mmmask.engine.checkpoints import load_checkpoint_file

    cfg = _config_of(request)
    checkpoint = Path(request.checkpoint)
    content = load_checkpoint_file(str(checkpoint))
    if not has_blocks(cfg):
        run_plain_test(cfg, content, checkpoint, request.launcher, tta=request.tta)
        return None
    cuts = request.cuts
    meta = content.get("meta", {})
    _check_run(request, cfg, meta)
    unread = unreadable_to_predict(cfg, request.unreadable)
    if unread:
        cfg.test_dataloader.dataset.unread = unread
    tested = run_test(cfg, content, checkpoint, request.launcher, fits=request.check_head)
    if tested is None:
        return None
    tested = with_shares(cfg, tested, unread)
    cfg.test_dataloader.dataset.pop("unread", None)  # of these photos, not of the config
    if request.labels is not None:
        tested = replace(tested, samples=read_answers(request.labels, tested.samples))
    table = tested.table(cuts)
    path = _out(request, cfg)
    chose = request.split == "val"  # the people predicted
    provenance = {
        **provenance_of(cfg, meta, checkpoint, tested, request.split, cuts),
        CHOSEN: chosen_epoch(content, checkpoint, tested.samples) if chose else None,
        **({UNREADABLE: unread} if unread else {}),
    }
    if request.calibration is not None:
        table.attrs["provenance"] = provenance
        table = decided(
            calibrated(table, checkpoint, request.calibration), checkpoint, request.decision
        )
        provenance = {
            **table.attrs["provenance"],
            CALIBRATION: calibration_origin(request.calibration),
            "decision": request.decision,
        }
    write_table(path, table, prediction_columns(tested.attribute)[0], provenance)
    score = intervals_of(table).get("macro_f1") if "label" in table else None
    if score is not None:
        known = int((labels_of(table)[0] >= 0).sum())
        try:
            note_score(score, units_to_draw(table)[1], known, path, provenance)
        except WriteError as error:  # of a checkpoint in a folder of somebody else
            print(f"warning: the score is not noted: {error}", file=sys.stderr)
    table.attrs["provenance"] = provenance
    if request.submission is not None:
        origin = {**provenance, "predictions": str(path)}
        write_submission(request.submission, table, cfg.data.data_root, origin=origin)
    return Prediction(table, Path(cfg.data.data_root), path)


def _config_of(request: Request) -> "Config":
    """Return the config with what is asked for, its outputs checked before any work."""
    if request.split != "eval" and (request.submission or request.labels):
        raise InputError(f"--submission and --labels need --split eval; got {request.split}")
    if request.split != "eval" and request.unreadable != "refuse":
        raise InputError(
            f"--unreadable {request.unreadable} needs --split eval; got {request.split}"
        )
    options = parse_options(request.options)
    with_flags(options, {"launcher": (f"--launcher {request.launcher}", request.launcher)})
    from mmmask.engine.runner_config import load_checked

    cfg = load_checked(request.config, options, data_root=request.data_root, pack=request.pack)
    if not has_blocks(cfg):
        request.check_plain()
        return cfg
    check_decision(request.decision, request.config, None, request.calibration is not None)
    if request.calibration is not None:
        read_calibration(request.calibration)
    cfg.tta.enabled = cfg.tta.enabled or request.tta
    out = _out(request, cfg)
    check_outputs(out, submission=request.submission, data_root=cfg.data.data_root)
    if cfg.get("test_dataloader") is None:
        raise InputError(f"{request.config}: nothing can be tested without test_dataloader")
    if cfg.test_dataloader.get("drop_last"):
        raise InputError("test_dataloader.drop_last must be off, as each photo is predicted")
    stated = cfg.test_dataloader.dataset.get("split")
    if stated not in (SPLITS["test"], request.split):
        raise InputError(
            f"test_dataloader.dataset.split is {stated}, and --split {request.split}; "
            "choose the photos by --split alone"
        )
    cfg.test_dataloader.dataset.split = request.split
    return cfg


def _out(request: Request, cfg: "Config") -> Path:
    """Return where the predictions go."""
    views = "_tta" if cfg.tta.enabled else ""
    default = Path(request.checkpoint).with_name(f"predictions_{request.split}{views}.parquet")
    return Path(request.out or default)


def _check_run(request: Request, cfg: "Config", meta: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of another preprocessing, or of people who are not held out."""
    checkpoint = Path(request.checkpoint)
    check_same(cfg, meta, "preprocessing", checkpoint)
    if request.split in ("val", "train"):
        # Of another split, most people held out are people it was trained on.
        check_same(cfg, meta, "data", checkpoint, keys=("folds", "fold", "split_seed"))
    if request.split == "val" and meta.get("trained_on") == "all":
        raise InputError(
            f"{checkpoint}: was trained on everybody, so nobody is held out; --split all would "
            "predict the people that it knows"
        )


def provenance_of(
    cfg: "Config", meta: Mapping[str, Any], checkpoint: Path, tested: Tested, split: str, cuts: Cuts
) -> dict[str, Any]:
    """Return where the predictions come from; ``meta`` is that of the checkpoint."""
    text = cfg.pretty_text  # formatted anew at each access
    return {
        "config": text,
        "config_hash": text_hash(text),
        "checkpoint": str(checkpoint),
        "checkpoint_hash": file_hash(checkpoint),
        "data_fingerprint": fingerprint(tested.samples),
        "preprocessing": preprocessing_facts(cfg),
        "tta": list(cfg.tta.views) if cfg.tta.enabled else [],
        "unlabelled": meta.get("unlabelled"),  # photos it was trained on without their labels
        "pseudo_labels": meta.get("pseudo_labels"),  # and with labels that a model gave them
        "split": split,
        "old_from": _age_cut(meta, cuts, tested),
        "seed": cfg.randomness.seed,
        **made_now(),
    }


def _age_cut(meta: Mapping[str, Any], cuts: Cuts, tested: Tested) -> int | None:
    """Return from which age on the predictions call people old; None: they say nothing of age."""
    if tested.attribute not in (None, "age"):
        return None
    # A classifier of groups calls old what its training labels did.
    return meta.get("data", {}).get("old_from") if tested.years is None else cuts[1]
