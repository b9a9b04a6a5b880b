"""Classify by a frozen backbone: its features once, then a logistic regression per attribute.

``OUT/features.arrow`` has the features of all photos, ``OUT/oof.parquet`` the predictions of
everybody by a head that was fitted on other people, ``OUT/summary.csv`` their scores. The head that
was fitted on everybody is an ordinary run in ``OUT``, and ``OUT/eval.parquet`` has its predictions.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.progress import track

from mmmask.config import parse_options, with_flags, write_config
from mmmask.datasets.features import Features
from mmmask.datasets.layout import read_train
from mmmask.datasets.packed import photos_of
from mmmask.datasets.splits import all_but_a_quarter
from mmmask.errors import InputError
from mmmask.files import atomic_write, write_csv
from mmmask.labels import MIDDLE_FROM, OLD_FROM
from mmmask.ledger.provenance import code_version, fingerprint
from mmmask.tables import PREDICTIONS, read_predictions, write_table
from mmmask.workflows.frozen_features import ensure_features, frozen_model
from mmmask.workflows.predict import provenance_of
from mmmask.workflows.studies.commands import PLAN, Study, claim, contents, last_checkpoint
from mmmask.workflows.studies.folds import EVAL, Fold, out_of_fold, summarise
from mmmask.workflows.submission import check_outputs, write_submission
from mmmask.workflows.testing import Tested
from mmmask.workflows.train import train

if TYPE_CHECKING:
    from mmengine.config import Config

LOOP = "LinearProbeLoop"
OOF, SCORES, FEATURES = "oof.parquet", "summary.csv", "features.arrow"
#: What the results in the folder were made of; it is written when they are whole.
FITTED = "fitted.json"
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

    Features are kept, and so is all else while photos, labels and code stay the same.

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
    if (out / "last_checkpoint").exists() and not (out / PLAN).exists():
        raise InputError(f"{out}: holds a run that is no probe; use another --work-dir")
    first = not (out / PLAN).exists()
    claim(out, plan)
    images = [name for name in photos_of(cfg) if with_eval or not name.startswith("eval/")]
    try:
        features = ensure_features(cfg, model, images, path)
    except InputError:  # of weights or photos, which may be others the next time
        if first:
            (out / PLAN).unlink()
            with suppress(OSError):  # there is something else in it
                out.rmdir()
        raise
    learned, scored = (samples_of(cfg, loader, "all") for loader in ("train", "test"))
    facts = {
        "features": features.digest(),
        "learned": fingerprint(learned, ("image", "person", "label", "age", "weight", "fold")),
        "scored": fingerprint(scored),
        "eval": with_eval,
        "code": code_version()["hash"],
    }
    if _read(out / FITTED) != facts:
        for name in (FITTED, "last_checkpoint"):  # of photos, labels or code that have changed
            (out / name).unlink(missing_ok=True)
        _fit_all(cfg, study, features, (learned, scored), with_eval)
        with atomic_write(out / FITTED) as partial:
            partial.write_text(json.dumps(facts, indent=1))
    files = {
        "features": path,
        "out of fold": out / OOF,
        "scores": out / SCORES,
        "checkpoint": last_checkpoint(out),
        **({"eval": out / EVAL} if with_eval else {}),
    }
    if study.submission is not None:
        table = read_predictions(out / EVAL)
        origin = {**table.attrs["provenance"], "predictions": str(out / EVAL)}
        write_submission(study.submission, table, root, origin=origin)
        files["submission"] = study.submission
    table = read_predictions(out / OOF)
    return table, summarise(table), files


def _read(path: Path) -> Any:
    """Return what a JSON file says; None where it is not there or no JSON."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _fit_all(
    cfg: "Config",
    study: LinearProbe,
    features: Features,
    samples: tuple[pd.DataFrame, pd.DataFrame],
    with_eval: bool,
) -> None:
    """Write the predictions out of fold, their scores, the run on everybody, and ``eval/``'s."""
    folds, chosen = _folds(cfg, features, *samples, study.out)
    table = out_of_fold(folds, read_train(cfg.data.data_root))
    checkpoint = _train_on_everybody(cfg, study, features.path)
    meta, head = _fitted_head(cfg, checkpoint)
    tested = _predict(head, features, samples_of(cfg, "test", "eval") if with_eval else samples[1])
    stated = provenance_of(cfg, meta, checkpoint, tested, "eval", _CUTS)
    if with_eval:
        write_table(study.out / EVAL, tested.table(_CUTS), PREDICTIONS, stated)
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
    write_table(study.out / OOF, table, PREDICTIONS, provenance)
    write_csv(study.out / SCORES, summarise(table))


def _folds(
    cfg: "Config", features: Features, learned: pd.DataFrame, scored: pd.DataFrame, out: Path
) -> tuple[list[Fold], list[Mapping[str, float]]]:
    """Return the folds, each predicted by a head fitted on the others, and each head's C.

    ``learned`` are the samples as a training takes them, ``scored`` all with the competition's
    labels.
    """
    chosen, folds = [], []
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


def samples_of(cfg: "Config", loader: str, split: str) -> pd.DataFrame:
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
    learns = all_but_a_quarter(samples, seed=cfg.randomness.seed or 0)
    return fit_head(head, rows, samples, Cs=Cs, learns=learns)


def _predict(head: Any, features: Features, samples: pd.DataFrame) -> Tested:
    from mmmask.models.linear_fit import head_predictions

    probabilities, years = head_predictions(head, features.of(samples["image"]))
    return Tested(samples, probabilities, years, None)


def _train_on_everybody(cfg: "Config", study: LinearProbe, features: Path) -> Path:
    """Return the checkpoint of a run that is trained on everybody."""
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
