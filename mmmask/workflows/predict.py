"""Predict a split with a trained checkpoint: predictions table, scores, submission."""

import hashlib
import importlib.metadata
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mmmask import __version__
from mmmask.config import compose, inference_model, load_config, parse_options, plain
from mmmask.errors import InputError
from mmmask.tables import PREDICTIONS, PROBABILITIES, write_table
from mmmask.workflows.submission import read_answers, write_submission
from mmmask.workflows.train import build_runner

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn

#: Hooks that a test needs; the others belong to training.
TEST_HOOKS = ("runtime_info", "timer", "logger", "progress", "channels_last")


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
    out: str | Path | None = None,
    submission: str | Path | None = None,
    labels: str | Path | None = None,
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
        out: Where the predictions go (.parquet or .csv); by default beside the checkpoint.
        submission: Where a submission in info.csv's order goes; with the split ``eval`` only.
        labels: csv (ImageID, ans) with the true classes of the photos in ``eval``.
        options: ``name=value`` overrides of the config.
        launcher: ``none`` or ``pytorch`` (torchrun).

    Raises:
        InputError: The checkpoint belongs to another model or another preprocessing.
    """
    from mmengine.dist import is_main_process

    from mmmask.engine.checkpoints import load_checkpoint_file

    if split != "eval" and (submission or labels):
        raise InputError(f"--submission and --labels need --split eval; got {split}")
    cfg = load_config(config, parse_options(options))
    if data_root is not None:
        cfg.data.data_root = data_root
    cfg.tta.enabled = cfg.tta.enabled or tta
    checkpoint = Path(checkpoint)
    content = load_checkpoint_file(str(checkpoint))
    meta = content.get("meta", {})
    check_same(cfg, meta, "preprocessing", checkpoint)
    if split in ("val", "train"):
        # Of another split, most people held out are people it was trained on.
        check_same(cfg, meta, "data", checkpoint, keys=("folds", "fold", "split_seed"))

    cfg.test_dataloader.dataset.split = split
    cfg.work_dir = str(checkpoint.parent / "test")
    runner = build_runner(_for_test(cfg), launcher)
    load_weights(runner.model, content, checkpoint)
    runner.test()
    if not is_main_process():
        return None
    rows, probabilities = runner.test_evaluator.metrics[0].predictions
    samples = runner.test_dataloader.dataset.samples.iloc[rows].reset_index(drop=True)
    if labels is not None:
        samples = read_answers(labels, samples)
    known = [name for name in PREDICTIONS if name in samples and samples[name].notna().all()]
    table = pd.concat(
        [samples[known], pd.DataFrame(probabilities, columns=list(PROBABILITIES))], axis=1
    )
    path = Path(out or checkpoint.parent / f"predictions_{split}{'_tta' * cfg.tta.enabled}.parquet")
    text = cfg.pretty_text  # formatted anew at each access
    provenance = {
        "config": text,
        "config_hash": hashlib.sha256(text.encode()).hexdigest(),
        "checkpoint": str(checkpoint),
        "checkpoint_hash": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        "data_fingerprint": fingerprint(samples),
        "preprocessing": plain(cfg.preprocessing),
        "tta": list(cfg.tta.views) if cfg.tta.enabled else [],
        "split": split,
        "seed": cfg.randomness.seed,
        "versions": versions(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    write_table(path, table, PREDICTIONS, provenance)
    if submission is not None:
        write_submission(submission, table, cfg.data.data_root)
    return Prediction(table, Path(cfg.data.data_root), path)


def check_same(
    cfg: "Config",
    meta: Mapping[str, Any],
    block: str,
    checkpoint: Path,
    *,
    keys: Sequence[str] | None = None,
) -> None:
    """Refuse to test with another block of the config, or keys of it, than was trained with."""
    if block not in meta:
        raise InputError(f"{checkpoint}: no checkpoint of an mmmask run, it names no {block}")
    trained, now = plain(meta[block]), plain(cfg[block])
    different = [
        key for key in keys or sorted({*trained, *now}) if trained.get(key) != now.get(key)
    ]
    if different:
        raise InputError(
            f"{checkpoint}: trained with another {block} than {cfg.filename}: "
            + "; ".join(f"{key} was {trained.get(key)}, is {now.get(key)}" for key in different)
            + f"; the run's own config is {checkpoint.parent}/*.py"
        )


def load_weights(model: "nn.Module", content: Mapping[str, Any], checkpoint: Path) -> None:
    """Load every weight into the tested model; refuse a checkpoint of another model."""
    while hasattr(model, "module"):  # of several processes, of several views
        model = model.module
    try:
        model.load_state_dict(content["state_dict"], strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{checkpoint}: weights of another model: {reason[:300]}") from error


def fingerprint(samples: pd.DataFrame) -> str:
    """Return a hash of which photos with which labels a table holds."""
    known = [name for name in ("image", "person", "label") if name in samples]
    return hashlib.sha256(samples[known].to_csv(index=False).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of the packages that a result depends on."""
    names = ("torch", "mmengine", "mmpretrain", "numpy", "opencv-python")
    return {"mmmask": __version__, **{name: importlib.metadata.version(name) for name in names}}


def _for_test(cfg: "Config") -> "Config":
    """Return the config reduced to what a test needs."""
    cfg.pretrained = None
    cfg.tracking = None  # a test is no run of its own
    compose(cfg)
    cfg.model = inference_model(cfg)
    hooks = {name: hook for name, hook in cfg.default_hooks.items() if name in TEST_HOOKS}
    cfg.default_hooks = {**hooks, "sampler_seed": None, "param_scheduler": None, "checkpoint": None}
    cfg.custom_hooks = []
    for part in ("dataloader", "cfg", "evaluator"):
        cfg[f"val_{part}"] = None
    for key in ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler"):
        cfg[key] = None
    return cfg
