"""One trial of a sweep: a training and a prediction for each fold, watched while they run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmmask.config import load_config
from mmmask.errors import InputError
from mmmask.evaluation.calibrated_tables import knowing
from mmmask.ledger.curves import read_curves
from mmmask.workflows.score import intervals_of
from mmmask.workflows.studies.engines import Command, Job, Machine, check_status
from mmmask.workflows.studies.sweep_plan import PREDICTED, Sweep

if TYPE_CHECKING:
    from optuna.trial import Trial, TrialState

LOG = "log.txt"


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

    Attributes:
        error: Why it failed, where it did.
        epoch: After how many epochs of the first fold it was scored last.
        score: Its latest macro F1; None before the first.
    """

    def __init__(self, plan: Sweep, trial: "Trial", machine: Machine, *, prunable: bool) -> None:
        self.plan, self.trial, self.prunable = plan, trial, prunable
        self.error: InputError | RuntimeError | None = None
        self.epoch = 0
        self.score: float | None = None
        self._machine = machine
        self._epochs = load_config(plan.trial_config(trial.number)).train_cfg.max_epochs
        self._reported = set(trial.study.trials[trial.number].intermediate_values)
        self._pruned = False
        self._steps = self._left()
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

    def _left(self) -> Iterator[_Step]:
        """Yield the commands that are left, each once the one before has ended well."""
        plan, number = self.plan, self.trial.number
        for place, fold in enumerate(plan.held_out):
            run = plan.folder(number) / f"fold_{fold}"
            if not (run / PREDICTED).is_file():
                train = plan.train_trial(number, fold)
                yield _Step(train, run / LOG, watched=run if place == 0 else None)
                self._pruned = False  # too late: the training has come to its end
                yield _Step(plan.predict_trial(number, fold), run / LOG)
            if 0 < place < len(plan.held_out) - 1:
                table = knowing(plan.predictions(number), f"trial {number}")
                score = intervals_of(table)["macro_f1"].value
                self._report(plan.step(place + 1), score)
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
