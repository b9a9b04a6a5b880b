"""Classify by a frozen backbone: its features once, then a logistic regression per attribute.

``OUT/features.arrow`` has the features of all photos, ``OUT/oof.parquet`` the predictions of
everybody by a head that was fitted on other people, ``OUT/summary.csv`` their scores. The head that
was fitted on everybody is an ordinary run in ``OUT``, and ``OUT/eval.parquet`` has its predictions.
With ``hold_out``, the people of that fold are nowhere among them.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.progress import Progress

from mmmask.config import parse_options, with_flags, write_config
from mmmask.datasets.data_source import DataSource
from mmmask.datasets.features import Features, parts_behind
from mmmask.datasets.mixture import mixture_of, with_mixture_weights
from mmmask.datasets.packed import photos_of
from mmmask.errors import InputError
from mmmask.files import atomic_write, write_csv
from mmmask.json_files import read_json
from mmmask.labels import MIDDLE_FROM, OLD_FROM
from mmmask.ledger.provenance import code_version, fingerprint
from mmmask.tables import PREDICTIONS, read_predictions, write_table
from mmmask.workflows.frozen_features import ensure_features, frozen_model
from mmmask.workflows.predict import provenance_of
from mmmask.workflows.studies.commands import PLAN, Study, alone, claim, contents, last_checkpoint
from mmmask.workflows.studies.folds import EVAL, Fold, out_of_fold, summarise
from mmmask.workflows.submission import check_outputs, write_submission
from mmmask.workflows.testing import Tested
from mmmask.workflows.train import train
from mmmask.workflows.unreadable_photos import UNREADABLE, unreadable_to_predict, with_shares

if TYPE_CHECKING:
    from mmengine.config import Config

LOOPS = ("LinearProbeLoop", "FeatureTrainLoop")
OOF, SCORES, FEATURES = "oof.parquet", "summary.csv", "features.arrow"
#: What the results in the folder were made of; it is written when they are whole.
FITTED = "fitted.json"
_CUTS = (MIDDLE_FROM, OLD_FROM)
#: What a fit depends on.
_LEARNED = (
    *("image", "person", "label", "fits", "age", "age_from", "age_to", "weight"),
    "fold",
)


@dataclass(frozen=True, kw_only=True)
class LinearProbe(Study):
    """What is probed, and what is to be written."""

    config: Path  # path of a config file whose train loop is LinearProbeLoop
    seed: int | None = None  # deals people into parts; None keeps the config's
    corrections: str | None = None  # csv of label corrections; None keeps the config's
    samples: Sequence[str] = ()  # tables of further training samples, for every fold
    #: Fold whose people are left out altogether, so that the tables can teach a student who holds
    #: them out; None: nobody is.
    hold_out: int | None = None
    features: Path | None = None  # file of features, made where missing or stale; None: in ``out``
    eval_split: bool = True  # whether ``eval/`` is predicted, where the data root has one
    #: Of photos of ``eval/`` that cannot be read, ``prior`` answers by class shares of training.
    unreadable: str = "refuse"
    submission: Path | None = None  # where a submission in info.csv's order goes

    @cached_property
    def plan(self) -> dict[str, Any]:
        """Dotted name -> value of all that decides the result."""
        given = {name: value for name, (_, value) in self._flags.items()}
        return self.plan_of(self.config, {**given, "hold_out": self.hold_out})

    @property
    def _flags(self) -> dict[str, tuple[str, Any]]:
        """Dotted name -> flag and value of what the command line has a flag for."""
        start = None if self.pretrained == "none" else self.pretrained
        given = {
            "pretrained": (f"--pretrained {self.pretrained}", start),
            "randomness.seed": (f"--seed {self.seed}", self.seed),
            "data.fold": (f"--hold-out {self.hold_out}", self.hold_out),
        }
        return {name: pair for name, pair in given.items() if pair[1] is not None}

    def load(self) -> "Config":
        """Return the config, composed and checked.

        Raises:
            InputError: It is none of a linear probe, or names no weights.
        """
        import mmmask.register  # noqa: F401
        from mmmask.datasets.mask_faces import check_fold
        from mmmask.engine.linear_probe_loop import check_probe, draws_of
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
        if loop not in LOOPS:
            raise InputError(
                f"{self.config}: train_cfg.type must be {' or '.join(LOOPS)}, as in "
                f"configs/face_probe.py; got {loop}"
            )
        check_probe(cfg)
        if draws_of(cfg) > 1:
            raise InputError(
                f"{self.config}: train_dataloader.sampler.times must be 1 for a file of features, "
                f"which has each photo as it is; got {draws_of(cfg)}; tools/train.py and "
                "tools/kfold.py take such a config"
            )
        if self.hold_out is not None:
            check_fold(self.hold_out, cfg.data.folds)
            if cfg.data.folds < 3:
                raise InputError(
                    "--hold-out needs data.folds of 3 or more, as the people of two at least are "
                    f"to predict each other; got {cfg.data.folds}"
                )
        if self.pretrained == "none" or cfg.pretrained is None:
            raise InputError(
                f"{self.config}: pretrained must name weights, a path or URL, for a linear probe; "
                "got none"
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
    from mmmask.engine.linear_probe_loop import check_behind

    cfg = study.load()
    root, out = Path(cfg.data.data_root), study.out
    with_eval = study.eval_split and DataSource.of(cfg).has_eval
    if study.submission is not None and not study.eval_split:
        raise InputError("--submission needs predictions of eval/; leave out --no-eval")
    check_outputs(submission=study.submission, data_root=root)
    path = study.features or out / FEATURES
    if path.suffix != ".arrow":
        raise InputError(
            f"{path}: a file of features must end in .arrow; got {path.suffix or 'no suffix'}"
        )
    plan = {**study.plan, **contents({**study.plan, "data.data_root": str(root)})}
    model = frozen_model(cfg)
    check_behind(cfg.train_cfg, _behind(model), model.head)
    try:
        with alone(out):
            _fill(cfg, study, model, plan, path, with_eval)
    except InputError:
        with suppress(OSError):  # there is something in it
            out.rmdir()
        raise
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


def _fill(
    cfg: "Config",
    study: LinearProbe,
    model: Any,
    plan: Mapping[str, Any],
    path: Path,
    with_eval: bool,
) -> None:
    """Write into the folder of a probe what it lacks; features go to ``path``."""
    out = study.out
    if (out / "last_checkpoint").exists() and not (out / PLAN).exists():
        raise InputError(f"{out}: holds a run that is not a linear probe; use another --work-dir")
    first = not (out / PLAN).exists()
    claim(out, plan)
    try:
        learned, scored = (
            without_fold(samples_of(cfg, loader, "all"), study.hold_out)
            for loader in ("train", "test")
        )
        unread = unreadable_to_predict(cfg, study.unreadable) if with_eval else []
        images = [image for image in photos_of(cfg, with_eval=with_eval) if image not in unread]
        features = ensure_features(cfg, model, images, path)
    except InputError:  # of weights or photos, which may be others the next time
        if first:
            (out / PLAN).unlink()
        raise
    facts = {
        "features": features.digest,
        "learned": fingerprint(learned, _LEARNED),
        "scored": fingerprint(scored),
        "eval": with_eval,
        **({UNREADABLE: unread} if unread else {}),
        "code": code_version()["hash"],
    }
    if _read(out / FITTED) != facts:
        for name in (FITTED, "last_checkpoint"):  # of photos, labels or code that have changed
            (out / name).unlink(missing_ok=True)
        predicted = eval_samples(cfg, unread) if with_eval else None
        _fit_all(cfg, study, model, features, (learned, scored), predicted, unread)
        with atomic_write(out / FITTED) as partial:
            partial.write_text(json.dumps(facts, indent=1))


def _read(path: Path) -> Any:
    """Return what a JSON file says; None where it is not there or no JSON."""
    with suppress(InputError):
        return read_json(path)
    return None


def _fit_all(
    cfg: "Config",
    study: LinearProbe,
    model: Any,
    features: Features,
    samples: tuple[pd.DataFrame, pd.DataFrame],
    predicted: pd.DataFrame | None,  # of ``eval/``; None: it is left out
    unread: Sequence[str],  # photos of ``eval/`` that are not among them
) -> None:
    """Write the predictions out of fold, their scores, the run on everybody, and ``eval/``'s."""
    from mmmask.engine.checkpoints import load_checkpoint_file

    folds, chosen = _folds(cfg, model, features, *samples, study.out)
    table = out_of_fold(folds, samples[1])
    checkpoint = _train_on_all_folds(cfg, study, features.path)
    content = load_checkpoint_file(checkpoint)
    model.load_state_dict(content["state_dict"])
    tested = _predict(model, features, samples[1] if predicted is None else predicted)
    tested = with_shares(cfg, tested, unread)
    stated = provenance_of(cfg, content["meta"], checkpoint, tested, "eval", _CUTS)
    if predicted is not None:
        write_table(study.out / EVAL, tested.table(_CUTS), PREDICTIONS, stated)
    provenance = {
        **stated,
        "split": "oof",
        # Heads of other people made them, which no file holds.
        "checkpoint": None,
        "checkpoint_hash": None,
        "data_fingerprint": fingerprint(table),
        "folds": cfg.data.folds,
        "hold_out": study.hold_out,
        "C": chosen,
    }
    write_table(study.out / OOF, table, PREDICTIONS, provenance)
    write_csv(study.out / SCORES, summarise(table))


def _folds(
    cfg: "Config",
    model: Any,
    features: Features,
    learned: pd.DataFrame,
    scored: pd.DataFrame,
    out: Path,
) -> tuple[list[Fold], list[dict[str, float]]]:
    """Return the folds, each predicted by a head fitted on the others, and each head's C.

    ``learned`` are the samples as a training takes them, ``scored`` all with the competition's
    labels.
    """
    from mmmask.engine.linear_probe_loop import fit_behind

    chosen, folds = [], []
    seed, mixture = cfg.randomness.seed or 0, mixture_of(dataset_of(cfg, "train", "all"))
    with Progress(console=Console(stderr=True)) as progress:
        numbers = sorted(map(int, scored["fold"].unique()))
        task = progress.add_task("fitting the folds", total=len(numbers))
        for number in numbers:
            # Further samples are in no fold, and in every training.
            trained = learned[learned["fold"].ne(number).fillna(True)].reset_index(drop=True)
            trained = with_mixture_weights(trained, mixture)
            held_out = scored[scored["fold"] == number].reset_index(drop=True)
            new = copy.deepcopy(model)
            rows = features.rows_of(trained["image"])
            chosen.append(
                fit_behind(
                    cfg.train_cfg, _behind(new), new.head, features.values, rows, trained,
                    seed=seed, tick=lambda share: progress.advance(task, share),
                )
            )  # fmt: skip
            table = _predict(new, features, held_out).table(_CUTS)
            people = (frozenset(part["person"]) for part in (trained, held_out))
            folds.append(Fold(number, out / f"fold_{number}", table, *people))
    return folds, chosen


def without_fold(samples: pd.DataFrame, fold: int | None) -> pd.DataFrame:
    """Return the samples without the people of a fold, None: all; further samples are in none.

    Raises:
        InputError: One of these people is among the further samples.
    """
    from mmmask.engine.hooks.person_split_hook import check_disjoint

    out = samples["fold"].eq(-1 if fold is None else fold).fillna(False).astype(bool)
    check_disjoint(samples[~out], samples[out])
    return samples[~out].reset_index(drop=True)


def samples_of(cfg: "Config", loader: str, split: str) -> pd.DataFrame:
    """Return the samples of :func:`dataset_of`."""
    return dataset_of(cfg, loader, split).samples


def eval_samples(cfg: "Config", unread: Sequence[str]) -> pd.DataFrame:
    """Return the photos to predict that can be read."""
    samples = samples_of(cfg, "test", "eval")
    return samples[~samples["image"].isin(unread)].reset_index(drop=True)


def dataset_of(cfg: "Config", loader: str, split: str) -> Any:
    """Return a split of the dataset that a dataloader names; nothing of its photos is read."""
    from mmpretrain.registry import DATASETS

    dataset = cfg[f"{loader}_dataloader"].dataset
    return DATASETS.build({**dataset, "split": split, "pack": None, "pipeline": []})


def _behind(model: Any) -> list[Any]:
    """Return the parts of a classifier's neck that learn."""
    return parts_behind(getattr(model, "neck", None))[1]


def _predict(model: Any, features: Features, samples: pd.DataFrame) -> Tested:
    from mmmask.models.feature_training import predict_from_features

    rows = features.rows_of(samples["image"])
    neck = _behind(model)
    probabilities, years = predict_from_features(neck, model.head, features.values, rows)
    return Tested(samples, probabilities, years, None)


def _train_on_all_folds(cfg: "Config", study: LinearProbe, features: Path) -> Path:
    """Return the checkpoint of a run that is trained on everybody who is not held out."""
    config = study.out / study.config.name
    cfg.train_cfg.features = str(features)
    split = "all"
    if study.hold_out is not None:  # nor is the temperature fitted on them
        split, cfg.val_cfg, cfg.val_dataloader, cfg.val_evaluator = "holdout", None, None, None
    write_config(cfg, config)
    train(config, work_dir=study.out, split=split)
    return last_checkpoint(study.out)
