"""Train one config on every fold of people; predict each person by the model that never saw them.

``OUT/fold_K/`` is the run of a fold, with its predictions ``val.parquet`` and ``eval.parquet``;
``OUT/oof.parquet`` has the predictions out of fold of everybody, ``OUT/eval.parquet`` the mean of
the folds', ``OUT/summary.csv`` the scores.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import Progress

from mmmask.datasets.data_source import DataSource, sample_tables
from mmmask.datasets.splits import folds_of
from mmmask.datasets.teacher import FOLD, KNOWS_HELD_OUT, listed
from mmmask.errors import InputError
from mmmask.evaluation.calibrated_tables import check_decision
from mmmask.evaluation.decision import decide
from mmmask.files import write_csv
from mmmask.ledger.provenance import file_hash, fingerprint
from mmmask.reports.score_tables import how_sure
from mmmask.tables import (
    attribute_of,
    prediction_columns,
    read_predictions,
    read_provenance,
    write_table,
)
from mmmask.workflows.score import intervals_of
from mmmask.workflows.studies.commands import (
    ONE_ATTRIBUTE,
    PLAN,
    Study,
    alone,
    claim,
    contents,
    last_checkpoint,
    step,
)
from mmmask.workflows.studies.engines import run_commands
from mmmask.workflows.studies.folds import (
    EVAL,
    VAL,
    calibrated_mean,
    calibrated_out_of_fold,
    mean_of_folds,
    out_of_fold,
    provenance_of,
    read_fold,
    summarise,
)
from mmmask.workflows.unreadable_photos import UNREADABLE, check_unreadable

CHECKPOINTS = ("last", "best")
#: Names the last checkpoint of a run that has come to its end.
_TRAINED = "trained.txt"

logger = logging.getLogger("mmmask")


@dataclass(frozen=True, kw_only=True)
class KFold(Study):
    """How the folds are trained and predicted."""

    config: Path  # path of a config file
    folds: int  # how many, K; fold k holds out the people that ``data.fold=k`` does
    seed: int | None = None  # of every fold's run; None keeps the config's
    corrections: str | None = None  # csv of label corrections; None keeps the config's
    samples: Sequence[str] = ()  # tables of further training samples, for every fold
    teacher: Sequence[str] = ()  # predictions tables, see :mod:`mmmask.datasets.teacher`
    amp: bool = False  # train under bfloat16 autocast
    tta: bool = False  # average over the views of the config's ``tta`` block
    eval_split: bool = True  # whether ``eval/`` is predicted, where the data root has one
    unreadable: str = "refuse"  # as of :class:`mmmask.workflows.predict.Request`
    #: ``last``, or ``best``: that of the epoch with the highest score on the very people held out,
    #: whose score is then too high.
    checkpoint: str = "last"
    #: One of ``mmmask.evaluation.decision.RULES``: how ``answer`` of the tables is decided, by a
    #: calibration fitted out of fold. The probabilities stay as predicted.
    decision: str = "argmax"
    engine: str = "local"  # as for :func:`mmmask.workflows.studies.engines.run_commands`
    jobs: int | None = None  # folds at a time; None: 1 here, all of them on Ray

    @cached_property
    def plan(self) -> dict[str, Any]:
        """Dotted name -> value of all that decides the runs but the fold."""
        given = {
            "data.corrections": self.corrections,
            "data.samples": list(self.samples) or None,
            "data.teacher": list(self.teacher) or None,
            "data.folds": self.folds,
            "data.fold": "each",
            "randomness.seed": self.seed,
            "amp": self.amp or None,
        }
        return self.plan_of(self.config, given)

    @property
    def source(self) -> DataSource:
        """Where the photos are."""
        plan, given = self.plan, self.plan.get("data.eval_table")
        tables = sample_tables(plan.get("data.table"))
        return DataSource(Path(plan["data.data_root"]), tables, given and Path(given))

    @property
    def at_once(self) -> int:
        return self.jobs or (1 if self.engine == "local" else self.folds)

    @property
    def splits(self) -> dict[str, str]:
        """Split -> file of its predictions in the folder of a fold."""
        with_eval = self.eval_split and self.source.has_eval
        return {"val": VAL, "eval": EVAL} if with_eval else {"val": VAL}

    def folder(self, fold: int) -> Path:
        """Return the work directory of a fold."""
        return self.out / f"fold_{fold}"

    def is_trained(self, fold: int) -> bool:
        return (self.folder(fold) / _TRAINED).is_file()

    def checkpoint_of(self, fold: int) -> Path:
        """Return the checkpoint of a fold that predicts."""
        if self.checkpoint == "last":
            return last_checkpoint(self.folder(fold))
        best = sorted(self.folder(fold).glob("best_*.pth"))
        if not best:
            raise InputError(f"{self.folder(fold)}: has no best_*.pth; use --checkpoint last")
        return best[-1]

    def missing(self, fold: int) -> list[str]:
        """Return the splits that the checkpoint of a fold has not predicted yet, as asked for."""
        if not self.is_trained(fold):
            return list(self.splits)
        wanted = file_hash(self.checkpoint_of(fold)), self.tta or self.plan["tta.enabled"]
        found = []
        for split, name in self.splits.items():
            path = self.folder(fold) / name
            made = read_provenance(path) if path.is_file() else {}
            by_shares = UNREADABLE in made and self.unreadable == "refuse"
            if (made.get("checkpoint_hash"), bool(made.get("tta"))) != wanted or by_shares:
                found.append(split)
        return found

    def train_fold(self, fold: int) -> list[str]:
        """Return the command that trains a fold, or continues it."""
        return self.train(
            self.config,
            self.folder(fold),
            options=[*self.options, f"data.folds={self.folds}", f"data.fold={fold}"],
            samples=self.samples,
            corrections=self.corrections,
            teacher=self.teacher,
            amp=self.amp,
            seed=self.seed,
        )

    def predict_fold(self, fold: int, split: str) -> list[str]:
        """Return the command that predicts a split with the run of a fold."""
        folder = self.folder(fold)
        out, checkpoint = folder / self.splits[split], self.checkpoint_of(fold)
        more = {"split": split, "tta": self.tta}
        if split == "eval":
            more["unreadable"] = self.unreadable
        return self.predict(folder, self.config.name, out, checkpoint=checkpoint, **more)


def kfold(study: KFold) -> tuple[pd.DataFrame, pd.DataFrame, list[Path]]:
    """Train and predict what is missing, put it together, and return what came out.

    Finished folds are kept, an interrupted one continues at the epoch where it was.

    Returns:
        The predictions out of fold, the summary of :func:`.folds.summarise`, and the files written.

    Raises:
        InputError: The folder holds folds of something else, the config holds nobody out, a
            training refuses its input, or the folds do not make predictions out of fold.
        DivergedError: A training diverges.
    """
    check(study)
    samples = study.source.train()
    folds_of(samples, folds=study.folds)  # refuses more folds than people
    with alone(study.out):
        _fill(study)
        done = put_together(study, samples)
    for path in listed(study.plan.get("data.teacher")):
        if FOLD not in path:
            logger.warning(f"{path}: {KNOWS_HELD_OUT}")
    return done


def _fill(study: KFold) -> None:
    """Train and predict what the folder of a study lacks."""
    claim(study.out, {**study.plan, **contents(study.plan)})
    pending = [fold for fold in range(study.folds) if study.missing(fold)]
    pack = study.pack or study.plan.get("data.pack")
    try:
        if pending and "eval" in study.splits:
            check_unreadable(study.source, study.unreadable, pack)
        if pending and pack is not None:  # once, before folds that run at the same time would do so
            options = list(study.options)
            if study.samples:
                options.append(f"data.samples=[{','.join(study.samples)}]")
            root = study.data_root
            run_commands([step("pack", study.config, data_root=root, out=pack, options=options)])
        for start in range(0, len(pending), study.at_once):
            run_folds(study, pending[start : start + study.at_once])
    except InputError:
        if not any(study.out.glob("fold_*/*.pth")):  # free for what the message advises
            (study.out / PLAN).unlink()
        raise


def check(study: KFold) -> None:
    """Refuse what would come out late or silently other than asked for."""
    if study.checkpoint not in CHECKPOINTS:
        raise InputError(f"--checkpoint must be last or best; got {study.checkpoint!r}")
    if study.jobs is not None and study.jobs < 1:
        raise InputError(f"--jobs must be at least 1; got {study.jobs}")
    one = study.plan.get("head.type") in ONE_ATTRIBUTE
    check_decision(study.decision, study.config, "one attribute" if one else None, True)
    own = {"data.folds", "data.fold"} & {option.split("=")[0] for option in study.options}
    if own:
        raise InputError(f"--cfg-options {sorted(own)[0]} is what k-fold sets itself; use --folds")
    if study.plan.get("train_dataloader.dataset.split") == "all":
        raise InputError(f"{study.config}: trains on everybody, so no fold would hold anybody out")


def run_folds(study: KFold, folds: Sequence[int]) -> None:
    """Train folds and predict with them, at the same time, and print their scores."""
    names = ", ".join(map(str, folds))
    training = [fold for fold in folds if not study.is_trained(fold)]

    def note(index: int) -> None:
        folder = study.folder(training[index])
        (folder / _TRAINED).write_text(f"{last_checkpoint(folder).name}\n")

    if training:
        print(f"training fold {names} of {study.folds} in {study.out}/fold_*", flush=True)
    commands = [study.train_fold(fold) for fold in training]
    logged = training if study.at_once > 1 or study.engine != "local" else None
    _run(study, f"training fold {names}", commands, logged, note)
    predicting = [(fold, split) for fold in folds for split in study.missing(fold)]
    commands = [study.predict_fold(fold, split) for fold, split in predicting]
    _run(study, f"predicting by fold {names}", commands, [fold for fold, _ in predicting])
    for fold in folds:
        table = read_predictions(study.folder(fold) / VAL)
        found = intervals_of(table).get("macro_f1")
        score = "no macro F1" if found is None else f"macro F1 {found}"
        print(f"fold {fold}: {score}: {how_sure(table)}", flush=True)


def _run(
    study: KFold,
    title: str,
    commands: Sequence[list[str]],
    logged: Sequence[int] | None,
    note: Callable[[int], None] = lambda index: None,
) -> None:
    """Run commands with a bar, their output in the logs of the folds; without both where None."""
    logs = None if logged is None else [study.folder(fold) / "kfold.log" for fold in logged]
    console = Console(stderr=True)
    hidden = logs is None or not console.is_terminal
    with Progress(console=console, disable=hidden, transient=True) as bar:
        task = bar.add_task(title, total=len(commands))

        def done(index: int) -> None:
            note(index)
            bar.advance(task)

        run_commands(commands, engine=study.engine, jobs=study.at_once, logs=logs, done=done)


def put_together(
    study: KFold, samples: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, list[Path]]:
    """Write the tables of all folds and the summary; ``Returns`` as :func:`kfold`."""
    folders = {fold: study.folder(fold) for fold in range(study.folds)}
    table = out_of_fold([read_fold(fold, folder) for fold, folder in folders.items()], samples)
    tables = {"oof": (table, VAL)}
    if "eval" in study.splits:
        members = {path / EVAL: read_predictions(path / EVAL) for path in folders.values()}
        mean = mean_of_folds(members)
        if study.decision != "argmax":
            mean["answer"] = decide(calibrated_mean(table, members), study.decision)
        tables["eval"] = mean, EVAL
    if study.decision != "argmax":
        table["answer"] = decide(calibrated_out_of_fold(table), study.decision)
    files = [study.out / f"{split}.parquet" for split in tables]
    for path, (split, (content, name)) in zip(files, tables.items(), strict=True):
        provenance = provenance_of(
            {fold: folder / name for fold, folder in folders.items()},
            split=split,
            fingerprint=fingerprint(content),
        )
        provenance |= {"folds": study.folds, "chosen_checkpoint": study.checkpoint}
        provenance |= {"decision": study.decision}
        columns, _ = prediction_columns(attribute_of(content))
        write_table(path, content, columns, provenance)
        content.attrs["provenance"] = provenance
    summary = summarise(table)
    files.append(study.out / "summary.csv")
    write_csv(files[-1], summary)
    return table, summary, files
