"""One trial of a sweep: a training and a prediction for each fold, watched while they run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mmmask.config import read_config
from mmmask.errors import InputError
from mmmask.ledger.curves import read_curves
from mmmask.tables import read_predictions
from mmmask.workflows.score import intervals_of
from mmmask.workflows.studies.commands import Study
from mmmask.workflows.studies.engines import Command, Job, Machine, check_status

if TYPE_CHECKING:
    from optuna.trial import Trial, TrialState

PREDICTED, LOG = "val.parquet", "log.txt"


@dataclass(frozen=True, kw_only=True)
class Runs(Study):
    """How the trials of a sweep are trained, and where; their configs hold their options."""

    names: tuple[str, ...]  # dotted names of the values that are varied
    held_out: tuple[int, ...]  # the folds that are held out, one training for each
    horizon: int  # the most epochs that a trial may have
    seed: int  # of every training

    def config(self, trial: int) -> Path:
        """Return where the complete config of a trial stands."""
        return self.out / "configs" / f"trial_{trial:04}.py"

    def folder(self, trial: int) -> Path:
        """Return the folder of a trial, which has a work directory for each fold."""
        return self.out / f"trial_{trial:04}"

    def step(self, folds: int) -> int:
        """Return what Optuna calls the score of the first folds together; epochs come before."""
        return self.horizon + folds - 1

    def after(self, step: int) -> str:
        """Return what such a step, or an epoch, is."""
        return f"epoch {step}" if step <= self.horizon else f"{step - self.horizon + 1} folds"

    def run(self, trial: int, fold: int) -> Path:
        """Return the work directory of a trial in which a fold is held out."""
        return self.folder(trial) / f"fold_{fold}"

    def predictions(self, trial: int) -> pd.DataFrame:
        """Return what a trial predicts of the people held out, of the folds done so far."""
        paths = [self.run(trial, fold) / PREDICTED for fold in self.held_out]
        tables = [read_predictions(path) for path in paths if path.is_file()]
        return pd.concat(tables, ignore_index=True)

    def drop_checkpoints(self, trial: int) -> None:
        """Remove the checkpoints of a trial; its predictions, config and logs remain."""
        for checkpoint in self.folder(trial).glob("fold_*/*.pth"):
            checkpoint.unlink()


@dataclass(frozen=True)
class _Step:
    """A command of a trial, its log, and the work directory whose scores are watched meanwhile."""

    command: Command
    log: Path
    watched: Path | None = None


class TrialRun:
    """A trial under way.

    It may be pruned on the scores of the epochs of its first fold and, of several folds, on the
    score of the people of all folds so far.

    Args:
        trial: Of Optuna, its values suggested.
        runs: How it is trained.
        machine: Where.
        prunable: Whether it may be pruned.

    Attributes:
        error: Why it failed, where it did.
        epoch: After how many epochs of the first fold it was scored last.
        score: Its latest macro F1; None before the first.
    """

    def __init__(self, trial: "Trial", runs: Runs, machine: Machine, *, prunable: bool) -> None:
        self.trial, self.runs, self.prunable = trial, runs, prunable
        self.error: InputError | RuntimeError | None = None
        self.epoch = 0
        self.score: float | None = None
        self._machine = machine
        self._epochs = read_config(runs.config(trial.number)).train_cfg.max_epochs
        self._reported = set(trial.study.trials[trial.number].intermediate_values)
        self._pruned = False
        self._steps = self._plan()
        self._step: _Step | None = None
        self._job: Job | None = None

    def advance(self) -> "TrialState | None":
        """Start what is next, if it is time; return how the trial has ended, None before."""
        from optuna.trial import TrialState

        if self._step is not None and self._job is not None:
            status = self._job.poll()
            if self._step.watched is not None:
                self._look(self._step.watched)
            if status is None:
                if self._pruned:
                    self._job.stop()
                    return TrialState.PRUNED
                return None
            try:
                check_status(self._step.command, status, self._step.log)
            except (InputError, RuntimeError) as error:
                self.error = error
                return TrialState.FAIL
        self._step = next(self._steps, None)
        if self._step is None:
            return TrialState.PRUNED if self._pruned else TrialState.COMPLETE
        self._job = self._machine.start(self._step.command, self._step.log)
        return None

    def _plan(self) -> Iterator[_Step]:
        """Yield the commands that are left, each once the one before has ended well."""
        number = self.trial.number
        config = self.runs.config(number)
        for place, fold in enumerate(self.runs.held_out):
            run = self.runs.run(number, fold)
            if not (run / PREDICTED).is_file():
                options = [f"data.fold={fold}"]
                train = self.runs.train(config, run, options, seed=self.runs.seed)
                yield _Step(train, run / LOG, watched=run if place == 0 else None)
                self._pruned = False  # too late: the training has come to its end
                predict = self.runs.predict(run, config.name, run / PREDICTED, split="val")
                yield _Step(predict, run / LOG)
            if 0 < place < len(self.runs.held_out) - 1:
                score = intervals_of(self.runs.predictions(number))["macro_f1"].value
                self._report(self.runs.step(place + 1), score)
                if self._pruned:
                    return

    def _look(self, folder: Path) -> None:
        """Report the epochs that have been scored since the last look."""
        for epoch, score in scored_epochs(folder).items():
            self.epoch = epoch
            self._report(epoch, score, last=epoch >= self._epochs)

    def _report(self, step: int, score: float, *, last: bool = False) -> None:
        """Tell Optuna a score; after the last epoch there is nothing to save by pruning."""
        self.score = score
        if step in self._reported:
            return
        self._reported.add(step)
        self.trial.report(score, step)
        if self.prunable and not last:
            self._pruned = self._pruned or self.trial.should_prune()


def scored_epochs(run: Path) -> dict[int, float]:
    """Return epoch -> macro F1 of a work directory's validations so far."""
    epochs = read_curves(run).epochs
    if "macro_f1" not in epochs:  # nobody has been predicted yet
        return {}
    return dict(zip(epochs["epoch"].tolist(), epochs["macro_f1"].tolist(), strict=True))
