"""Classify by a frozen backbone: its features once, then a logistic regression per attribute.

``OUT/features.arrow`` has the features of all photos, ``OUT/oof.parquet`` the predictions of
everybody by a head that was fitted on other people, ``OUT/summary.csv`` their scores. The head that
was fitted on everybody is an ordinary run in ``OUT``, and ``OUT/eval.parquet`` has its predictions.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from mmmask.config import parse_options, with_flags, write_config
from mmmask.datasets.features import (
    Features,
    open_features,
    read_features,
    write_features,
)
from mmmask.datasets.layout import read_train
from mmmask.datasets.packed import ensure_pack, photos_of
from mmmask.datasets.photo_store import StalePackError
from mmmask.errors import InputError, MissingFileError
from mmmask.files import write_csv
from mmmask.labels import MIDDLE_FROM, OLD_FROM
from mmmask.ledger.provenance import fingerprint
from mmmask.tables import PREDICTIONS, check_finite, write_table
from mmmask.workflows.predict import provenance_of
from mmmask.workflows.studies.commands import Study, claim, contents, last_checkpoint
from mmmask.workflows.studies.folds import EVAL, Fold, out_of_fold, summarise
from mmmask.workflows.submission import check_outputs, write_submission
from mmmask.workflows.testing import Tested
from mmmask.workflows.train import train

if TYPE_CHECKING:
    from mmengine.config import Config

logger = logging.getLogger("mmmask")

LOOP = "LinearProbeLoop"
OOF, FEATURES = "oof.parquet", "features.arrow"
_CUTS = (MIDDLE_FROM, OLD_FROM)


@dataclass(frozen=True, kw_only=True)
class LinearProbe(Study):
    """What is probed, and what is to be written."""

    config: Path  # path of a config file whose train loop is LinearProbeLoop
    seed: int | None = None  # deals people into parts; None keeps the config's
    corrections: str | None = None  # csv of label corrections; None keeps the config's
    samples: Sequence[str] = ()  # tables of further training samples, for every fold
    features: Path | None = None  # file of features, made where missing or stale; None: in ``out``
    eval_split: bool = True  # whether ``eval/`` is predicted, where the data root has one
    submission: Path | None = None  # where a submission in info.csv's order goes

    @cached_property
    def plan(self) -> dict[str, Any]:
        """Dotted name -> value of all that decides the result."""
        return self.plan_of(self.config, {name: value for name, (_, value) in self._flags.items()})

    @property
    def _flags(self) -> dict[str, tuple[str, Any]]:
        """Dotted name -> flag and value of what the command line has a flag for."""
        start = None if self.pretrained == "none" else self.pretrained
        given = {
            "pretrained": (f"--pretrained {self.pretrained}", start),
            "randomness.seed": (f"--seed {self.seed}", self.seed),
        }
        return {name: pair for name, pair in given.items() if pair[1] is not None}

    def load(self) -> "Config":
        """Return the config, composed and checked.

        Raises:
            InputError: It is none of a linear probe, or names no weights.
        """
        import mmmask.register  # noqa: F401
        from mmmask.engine.linear_probe_loop import check_probe
        from mmmask.engine.runner_config import load_checked

        cfg = load_checked(
            self.config,
            with_flags(parse_options(self.options), self._flags),
            data_root=self.data_root,
            corrections=self.corrections,
            samples=list(self.samples) or None,
            pack=self.pack,
        )
        loop = (cfg.get("train_cfg") or {}).get("type")
        if loop != LOOP:
            raise InputError(
                f"{self.config}: train_cfg.type must be {LOOP}, as in configs/face_probe.py; got "
                f"{loop}"
            )
        check_probe(cfg)
        if self.pretrained == "none" or cfg.pretrained is None:
            raise InputError(
                f"{self.config}: pretrained must name weights, a path or URL; got none: a backbone "
                "that has learned nothing tells nobody apart"
            )
        return cfg


def linear_probe(study: LinearProbe) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Path]]:
    """Predict everybody out of fold, fit a head on everybody, and predict ``eval/`` with it.

    Features are kept: a second start with the same photos, weights and preprocessing takes
    seconds. A run that is there already is kept too.

    Returns:
        The predictions out of fold, their scores as of :func:`summarise`, and the files written.

    Raises:
        InputError: The config is at fault, or the folder holds a probe of something else.
    """
    cfg = study.load()
    root, out = Path(cfg.data.data_root), study.out
    with_eval = study.eval_split and (root / "eval" / "info.csv").is_file()
    if study.submission is not None and not study.eval_split:
        raise InputError("--submission needs predictions of eval/; leave out --no-eval")
    check_outputs(submission=study.submission, data_root=root)
    path = study.features or out / FEATURES
    if path.suffix != ".arrow":
        raise InputError(f"{path}: a file of features ends in .arrow, got {path.suffix or 'none'}")
    plan = {**study.plan, **contents({**study.plan, "data.data_root": str(root)})}
    model = frozen_model(cfg)
    claim(out, plan)
    images = [name for name in photos_of(cfg) if with_eval or not name.startswith("eval/")]
    features = ensure_features(cfg, model, images, path)
    files = {"features": path}
    folds, chosen = _folds(cfg, features, out)
    table = out_of_fold(folds, read_train(root))
    summary = summarise(table)
    checkpoint = _fit_everybody(cfg, study, path)
    meta, head = _fitted_head(cfg, checkpoint)
    tested = Tested(table, np.empty((0, 0), np.float32), _years(head), None)
    stated = provenance_of(cfg, meta, checkpoint, tested, "eval", _CUTS)
    provenance = {
        **stated,
        "split": "oof",
        # Heads of other people made them, which no file holds.
        "checkpoint": None,
        "checkpoint_hash": None,
        "data_fingerprint": fingerprint(table),
        "folds": cfg.data.folds,
        "C": chosen,
    }
    files |= {"out of fold": out / OOF, "scores": out / "summary.csv", "checkpoint": checkpoint}
    write_table(files["out of fold"], table, PREDICTIONS, provenance)
    write_csv(files["scores"], summary)
    table.attrs["provenance"] = provenance
    if with_eval:
        files["eval"] = out / EVAL
        _predict_eval(
            cfg,
            study,
            _predict(head, features, _samples(cfg, "test", "eval")),
            files,
            stated,
        )
    return table, summary, files


def frozen_model(cfg: "Config") -> Any:
    """Return the classifier of a config in evaluation mode, its backbone filled with its weights.

    Raises:
        InputError: The weights are not there, or do not fit.
    """
    from mmengine.logging import MMLogger
    from mmengine.registry import init_default_scope
    from mmpretrain.registry import MODELS

    from mmmask.engine.allocator import keep_freed_memory
    from mmmask.engine.pretrained import check_pretrained, pretrained_weights

    keep_freed_memory()
    init_default_scope(cfg.default_scope)
    log = MMLogger.get_current_instance()
    level = log.level
    log.setLevel("ERROR")  # MMEngine tells each layer and each weight
    weights = pretrained_weights(cfg.model)
    assert weights is not None  # the config names some
    model = MODELS.build(cfg.model)
    check_pretrained(model, weights)
    model.init_weights()
    log.setLevel(level)
    return model.eval()


def ensure_features(cfg: "Config", model: Any, images: Sequence[str], path: Path) -> Features:
    """Return features from a file, which is made first unless it is still right."""
    try:
        open_features(cfg, model, images, path)
    except (MissingFileError, StalePackError) as error:
        if path.is_file():
            logger.warning(f"{error}; making it anew")
        if cfg.data.pack is not None:
            ensure_pack(cfg)
        write_features(cfg, model, images, _seen(cfg, model, images), path)
    return read_features(path)


def _seen(cfg: "Config", model: Any, images: Sequence[str]) -> Iterator[NDArray[np.float32]]:
    """Yield the head's input for photos in their order, batch by batch, with a progress bar."""
    import torch
    from mmengine.device import get_device
    from mmengine.runner import Runner

    from mmmask.datasets.listed_photos import ListedPhotos
    from mmmask.engine.linear_probe_loop import head_input

    device = get_device()
    model = model.to(device).to(memory_format=torch.channels_last)
    options = ("batch_size", "num_workers", "collate_fn", "persistent_workers")
    loader = Runner.build_dataloader(
        {
            **{
                name: cfg.train_dataloader[name] for name in options if name in cfg.train_dataloader
            },
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "dataset": ListedPhotos(cfg, images),
        }
    )
    title = f"features of {len(images)} photos"
    for batch in track(loader, title, console=Console(stderr=True)):
        rows = head_input(model, batch)
        check_finite(cfg.pretrained, rows)
        yield rows
    model.to("cpu")


def _folds(
    cfg: "Config", features: Features, out: Path
) -> tuple[list[Fold], list[Mapping[str, float]]]:
    """Return the folds, each predicted by a head fitted on the others, and each head's C."""
    chosen, folds = [], []
    # The former as a training takes them, the latter with the competition's labels, all of them.
    learned, scored = (_samples(cfg, loader, "all") for loader in ("train", "test"))
    for number in track(range(cfg.data.folds), "fitting the folds", console=Console(stderr=True)):
        # Further samples are in no fold, and in every training.
        trained = learned[learned["fold"].ne(number).fillna(True)].reset_index(drop=True)
        held_out = scored[scored["fold"] == number].reset_index(drop=True)
        head = _head(cfg)
        chosen.append(_fit(cfg, head, features, trained))
        table = _predict(head, features, held_out).table(_CUTS)
        people = (frozenset(part["person"]) for part in (trained, held_out))
        folds.append(Fold(number, out / f"fold_{number}", table, *people))
    return folds, chosen


def _samples(cfg: "Config", loader: str, split: str) -> pd.DataFrame:
    """Return a split of the dataset that a dataloader names; nothing of its photos is read."""
    from mmpretrain.registry import DATASETS

    dataset = cfg[f"{loader}_dataloader"].dataset
    return DATASETS.build({**dataset, "split": split, "pack": None, "pipeline": []}).samples


def _head(cfg: "Config") -> Any:
    from mmpretrain.registry import MODELS

    from mmmask.models.linear_fit import check_head

    head = MODELS.build(cfg.model.head)
    check_head(head)
    return head


def _fit(
    cfg: "Config", head: Any, features: Features, samples: pd.DataFrame
) -> Mapping[str, float]:
    from mmmask.models.linear_fit import fit_head

    rows, Cs = features.of(samples["image"]), cfg.train_cfg.Cs
    return fit_head(head, rows, samples, Cs=Cs, seed=cfg.randomness.seed or 0)


def _predict(head: Any, features: Features, samples: pd.DataFrame) -> Tested:
    from mmmask.models.linear_fit import head_predictions

    probabilities, years = head_predictions(head, features.of(samples["image"]))
    return Tested(samples, probabilities, years, None)


def _years(head: Any) -> NDArray[np.float32] | None:
    """Return years of no photo, where a head models them."""
    return None if head.age_model is None else np.empty((0, 0), np.float32)


def _fit_everybody(cfg: "Config", study: LinearProbe, features: Path) -> Path:
    """Return the checkpoint of a run on everybody, which is trained unless it is there."""
    if not (study.out / "last_checkpoint").exists():
        config = study.out / study.config.name
        cfg.train_cfg.features = str(features)
        write_config(cfg, config)
        train(config, work_dir=study.out, split="all")
    return last_checkpoint(study.out)


def _fitted_head(cfg: "Config", checkpoint: Path) -> tuple[Mapping[str, Any], Any]:
    """Return what a checkpoint states, and the head that it holds."""
    from mmmask.engine.checkpoints import load_checkpoint_file

    content, head = load_checkpoint_file(checkpoint), _head(cfg)
    prefix = "head."
    weights = {
        name.removeprefix(prefix): value
        for name, value in content["state_dict"].items()
        if name.startswith(prefix)
    }
    head.load_state_dict(weights)
    return content["meta"], head


def _predict_eval(
    cfg: "Config",
    study: LinearProbe,
    tested: Tested,
    files: dict[str, Path],
    stated: Mapping[str, Any],
) -> None:
    """Write the predictions of ``eval/``, and the submission that is asked for."""
    table = tested.table(_CUTS)
    provenance = {**stated, "data_fingerprint": fingerprint(tested.samples)}
    write_table(files["eval"], table, PREDICTIONS, provenance)
    if study.submission is not None:
        origin = {**provenance, "predictions": str(files["eval"])}
        write_submission(study.submission, table, cfg.data.data_root, origin=origin)
        files["submission"] = study.submission
