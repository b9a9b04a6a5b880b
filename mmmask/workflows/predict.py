"""Predict a split with a trained checkpoint: predictions table, scores, submission."""

import hashlib
import importlib.metadata
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mmmask import __version__
from mmmask.config import compose, inference_model, load_config, parse_options, plain
from mmmask.datasets.face_boxes import described
from mmmask.errors import InputError
from mmmask.labels import MIDDLE_FROM, OLD_FROM
from mmmask.tables import prediction_columns, write_table, year_columns
from mmmask.workflows.submission import read_answers, write_submission
from mmmask.workflows.train import build_runner
from mmmask.years import checked_cuts, move_cut

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config
    from numpy.typing import NDArray
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
        "config_hash": hashlib.sha256(text.encode()).hexdigest(),
        "checkpoint": str(checkpoint),
        "checkpoint_hash": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        "data_fingerprint": fingerprint(samples),
        "preprocessing": plain(described(cfg.preprocessing)),
        "tta": list(cfg.tta.views) if cfg.tta.enabled else [],
        "unlabelled": meta.get("unlabelled"),  # photos it was trained on without their labels
        "split": split,
        "old_from": _age_cut(meta, after, tested),
        "seed": cfg.randomness.seed,
        "versions": versions(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    write_table(path, table, columns, provenance)
    if submission is not None:
        write_submission(submission, table, cfg.data.data_root)
    return Prediction(table, Path(cfg.data.data_root), path)


@dataclass(frozen=True)
class Tested:
    """What a model says of photos.

    Attributes:
        samples: The photos.
        probabilities: (N, 18), or (N, C) of a model of one attribute.
        years: (N, 121) probabilities of ages, of a model of years.
        attribute: The attribute that the model predicts alone, if it does.
    """

    samples: pd.DataFrame
    probabilities: "NDArray[np.float32]"
    years: "NDArray[np.float32] | None"
    attribute: str | None


def run_test(
    cfg: "Config",
    content: Mapping[str, Any],
    checkpoint: Path,
    launcher: str = "none",
    *,
    dataset: Mapping[str, Any] | None = None,
    fits: "Callable[[nn.Module], None] | None" = None,
) -> Tested | None:
    """Predict photos with the weights of a checkpoint.

    Args:
        cfg: Composed config.
        content: The checkpoint, loaded.
        checkpoint: Its path.
        launcher: ``none`` or ``pytorch`` (torchrun).
        dataset: In place of the config's test dataset; it gets that one's pipeline.
        fits: Called with the model's head before the test; raises where it does not fit.

    Returns:
        None on all processes but the main one.
    """
    from mmengine.dist import is_main_process

    from mmmask.engine.distributed import stop_distributed

    cfg.work_dir = str(checkpoint.parent / "test")
    cfg = prepare_test(cfg)
    if dataset is not None:
        steps = cfg.test_dataloader.dataset.pipeline
        cfg.test_dataloader.dataset = {**dataset, "pipeline": steps}
    runner = build_runner(cfg, launcher)
    load_weights(runner.model, content, checkpoint)
    head = _bare(runner.model).head
    if fits is not None:
        fits(head)
    runner.test()
    main = is_main_process()  # asked while there is a group
    if launcher != "none":
        stop_distributed()
    if not main:
        return None
    metric = runner.test_evaluator.metrics[0]
    rows, probabilities = metric.predictions
    samples = runner.test_dataloader.dataset.samples.iloc[rows].reset_index(drop=True)
    return Tested(samples, probabilities, metric.years, getattr(head, "attribute", None))


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
    if block == "preprocessing":
        now = plain(described(now))  # as the checkpoint has it: face boxes by their content
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
    try:
        _bare(model).load_state_dict(content["state_dict"], strict=True)
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


def _bare(model: "nn.Module") -> "nn.Module":
    """Return the classifier inside the wrappers of several processes and of several views."""
    while hasattr(model, "module"):
        model = model.module
    return model


def _age_cut(meta: Mapping[str, Any], after: tuple[int, int], tested: "Tested") -> int | None:
    """Return from which age on the predictions call people old; None: they say nothing of age."""
    if tested.attribute not in (None, "age"):
        return None
    # A classifier of groups calls old what its training labels did.
    return meta.get("data", {}).get("old_from") if tested.years is None else after[1]


def prepare_test(cfg: "Config") -> "Config":
    """Return the config reduced to what a test needs."""
    cfg.pretrained = None
    cfg.load_from, cfg.resume = None, False  # the config that a resumed run saved names its own
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
