"""The study of a sweep, which sqlite keeps between starts: what Optuna proposes and is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmmask.config import read_config
from mmmask.errors import InputError
from mmmask.files import atomic_write
from mmmask.workflows.score import intervals_of
from mmmask.workflows.studies.sweep_space import Parameter
from mmmask.workflows.studies.sweep_trial import Runs

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial, TrialState

PRUNERS = ("median", "hyperband", "none")
#: Complete trials before the median of their scores decides about others.
_BEFORE_PRUNING = 4


@dataclass(frozen=True)
class SweepStudy:
    """Trials of a config, proposed by Optuna's TPE sampler."""

    runs: Runs  # how trials are trained, and where
    config: Path  # path of the config
    options: Mapping[str, Any]  # its overrides for all trials, by dotted name
    parameters: Sequence[Parameter]  # what differs between trials
    pruner: str = "median"  # one of ``PRUNERS``
    #: Whether trials run at the same time; they are then kept apart from one another.
    several: bool = False

    @cached_property
    def study(self) -> "Study":
        """Optuna's study; a new one begins with the config as it is, trial 0."""
        optuna = load_optuna()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            storage=f"sqlite:///{(self.runs.out / 'study.db').resolve()}",
            study_name="sweep",
            direction="maximize",
            pruner=_pruner(self.pruner, self.runs.horizon),
            load_if_exists=True,
        )
        if not study.trials:
            study.enqueue_trial({one.name: one.start for one in self.parameters})
        return study

    @property
    def ended(self) -> int:
        """How many trials have come to an end."""
        return sum(trial.state.is_finished() for trial in self.study.trials)

    def begin(self, trials: int, running: Sequence[int]) -> "Trial | None":
        """Return the next trial with its values, its config written; None where there are enough.

        Trials that were under way when a former start ended come first, with their values.

        Args:
            trials: How many there are in the end.
            running: Numbers of those under way.
        """
        from optuna.samplers import TPESampler
        from optuna.trial import Trial, TrialState

        known = self.study.get_trials(deepcopy=False)
        left = [one for one in known if one.state == TrialState.RUNNING]
        left = [one for one in left if one.number not in running]
        begun = sum(one.state != TrialState.WAITING for one in known)
        if not left and begun >= trials:
            return None
        # Seeded by the trial's number: an interrupted sweep goes on with the same proposals.
        sequence = np.random.SeedSequence([self.runs.seed, left[0].number if left else begun])
        seed = int(sequence.generate_state(1)[0])
        self.study.sampler = TPESampler(seed=seed, constant_liar=self.several)
        trial = Trial(self.study, left[0]._trial_id) if left else self.study.ask()
        values = {one.name: one.suggest(trial) for one in self.parameters}
        cfg = read_config(self.config, {**self.options, **values})
        with atomic_write(self.runs.config(trial.number)) as partial:
            cfg.dump(partial)
        return trial

    def repeat(self, trial: "Trial") -> bool:
        """End a trial like a former one of the same values, which would come out the same."""
        from optuna.trial import TrialState

        ended = (TrialState.COMPLETE, TrialState.PRUNED)
        former = self.study.get_trials(deepcopy=False, states=ended)
        twin = next((one for one in former if one.params == trial.params), None)
        if twin is None:
            return False
        for name, value in {"repeats": twin.number, **twin.user_attrs}.items():
            trial.set_user_attr(name, value)
        for step, score in twin.intermediate_values.items():
            trial.report(score, step)
        self.study.tell(trial, twin.value if twin.state == ended[0] else None, twin.state)
        return True

    def end(self, trial: "Trial", state: "TrialState", error: Exception | None = None) -> None:
        """Write down how a trial has ended, and how it scores.

        The checkpoints of trial 0 and of the best are kept, the others removed.
        """
        from optuna.trial import TrialState

        if error is not None:
            trial.set_user_attr("reason", str(error))
        if state != TrialState.COMPLETE:
            self.study.tell(trial, state=state)
            self.runs.drop_checkpoints(trial.number)
            return
        scores = intervals_of(self.runs.predictions(trial.number))
        for name, score in scores.items():
            trial.set_user_attr(name, [score.value, score.low, score.high])
        self.study.tell(trial, scores["macro_f1"].value)
        kept = {0, self.study.best_trial.number}
        for one in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            if one.number not in kept:
                self.runs.drop_checkpoints(one.number)

    def trial(self, number: int) -> "FrozenTrial":
        """Return a trial as it is now."""
        return self.study.get_trials(deepcopy=False)[number]


def _pruner(name: str, epochs: int) -> "BasePruner":
    """Return what gives up trials whose scores stay behind those of others."""
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if name == "median":
        # The first epochs tell little: learning rates and margins are still warming up.
        return MedianPruner(n_startup_trials=_BEFORE_PRUNING, n_warmup_steps=max(2, epochs // 3))
    if name == "hyperband":
        return HyperbandPruner(min_resource=max(1, epochs // 9), max_resource=epochs)
    return NopPruner()


def load_optuna() -> Any:
    """Return the package; an :class:`InputError` says how to install it."""
    try:
        import optuna
    except ImportError as error:
        raise InputError("a sweep needs Optuna: pip install 'mmmask[sweep]'") from error
    return optuna
