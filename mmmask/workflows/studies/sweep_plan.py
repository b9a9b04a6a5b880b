"""A sweep as it is planned: what its trials are made of, where they are, and Optuna's study."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mmmask.config import parse_options
from mmmask.errors import InputError, WriteError, first_line
from mmmask.packages import require
from mmmask.tables import read_predictions
from mmmask.workflows.studies.commands import Study
from mmmask.workflows.studies.sweep_space import Parameter, read_space

if TYPE_CHECKING:
    import optuna

PREDICTED = "val.parquet"
DATABASE = "study.db"
PRUNERS = ("median", "hyperband", "none")
#: Complete trials before the median of their scores decides about others.
_BEFORE_PRUNING = 4


@dataclass(frozen=True, kw_only=True)
class Sweep(Study):
    """What is tried, and how."""

    config: Path  # path of a config file
    space: Path  # path of the space file
    trials: int  # how many trials there are in the end, those of a former start included
    #: How many folds are held out in turn, from the config's on; the objective is the macro F1 of
    #: all their people.
    folds: int = 1
    pruner: str = "median"  # ``median``, ``hyperband`` or ``none``: what gives up trials early
    seed: int = 0  # of every training, and of the proposals
    engine: str = "local"  # as for :func:`mmmask.workflows.studies.engines.opened`
    jobs: int = 1  # trials at a time
    confirm: int = 0  # seeds by which the best trial is confirmed in the end; 0 for not at all

    @cached_property
    def parameters(self) -> list[Parameter]:
        """The space."""
        return read_space(self.space, self.config, parse_options(self.options))

    @property
    def names(self) -> list[str]:
        """Dotted names of the values that are varied."""
        return [one.name for one in self.parameters]

    @cached_property
    def decisive(self) -> dict[str, Any]:
        """Dotted name -> value of all that decides the trials."""
        given = {
            "randomness.seed": self.seed,
            "sweep.folds": self.folds,
            "sweep.pruner": self.pruner,
            **{f"space.{one.name}": one.options for one in self.parameters},
        }
        return self.plan_of(self.config, given)

    @property
    def held_out(self) -> list[int]:
        """The folds that are held out, one training of each trial for each."""
        first, folds = self.decisive["data.fold"], self.decisive["data.folds"]
        return [(first + place) % folds for place in range(self.folds)]

    @property
    def horizon(self) -> int:
        """The most epochs that a trial may have."""
        longest = [one.largest for one in self.parameters if one.name == "train_cfg.max_epochs"]
        return max([self.decisive["train_cfg.max_epochs"], *longest])

    @cached_property
    def study(self) -> "optuna.Study":
        """Optuna's study, kept by sqlite; a new one begins with the config as it is, trial 0."""
        optuna = load_optuna()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        file = self.out / DATABASE
        with kept_in(file, every_error=True):
            study = optuna.create_study(
                storage=f"sqlite:///{file.resolve()}",
                study_name="sweep",
                direction="maximize",
                pruner=_pruner(self.pruner, self.horizon),
                load_if_exists=True,
            )
            trials = study.trials
        if not trials:
            study.enqueue_trial({one.name: one.start for one in self.parameters})
        return study

    def trial_config(self, trial: int) -> Path:
        """Return where the complete config of a trial stands."""
        return self.out / "configs" / f"trial_{trial:04}.py"

    def folder(self, trial: int) -> Path:
        """Return the folder of a trial, which has a work directory for each fold."""
        return self.out / f"trial_{trial:04}"

    def train_trial(self, trial: int, fold: int) -> list[str]:
        """Return the command that trains a trial, or continues it."""
        return self.train(
            self.trial_config(trial),
            self.folder(trial) / f"fold_{fold}",
            options=[f"data.fold={fold}"],
            seed=self.seed,
        )

    def predict_trial(self, trial: int, fold: int) -> list[str]:
        """Return the command that predicts the people held out by the last checkpoint."""
        run, config = self.folder(trial) / f"fold_{fold}", self.trial_config(trial).name
        return self.predict(run, config, run / PREDICTED, split="val")

    def predictions(self, trial: int) -> pd.DataFrame:
        """Return what a trial predicts of the people held out, of the folds done so far."""
        paths = [self.folder(trial) / f"fold_{fold}" / PREDICTED for fold in self.held_out]
        tables = [read_predictions(path) for path in paths if path.is_file()]
        return pd.concat(tables, ignore_index=True)

    def drop_checkpoints(self, trial: int) -> None:
        """Remove the checkpoints of a trial; its predictions, config and logs remain."""
        for checkpoint in self.folder(trial).glob("fold_*/*.pth"):
            checkpoint.unlink()

    def step(self, folds: int) -> int:
        """Return what Optuna calls the score of the first folds together; epochs come before."""
        return self.horizon + folds - 1

    def after(self, step: int) -> str:
        """Return what such a step, or an epoch, is."""
        return f"epoch {step}" if step <= self.horizon else f"{step - self.horizon + 1} folds"


def _pruner(name: str, epochs: int) -> "optuna.pruners.BasePruner":
    """Return what gives up trials whose scores stay behind those of others."""
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if name == "median":
        # The first epochs tell little: learning rates and margins are still warming up.
        return MedianPruner(n_startup_trials=_BEFORE_PRUNING, n_warmup_steps=max(2, epochs // 3))
    if name == "hyperband":
        return HyperbandPruner(min_resource=max(1, epochs // 9), max_resource=epochs)
    return NopPruner()


@contextmanager
def kept_in(database: Path, *, every_error: bool = False) -> Iterator[None]:
    """Name the database of a study where it is damaged or cannot be written.

    Of damaged content Optuna raises any error, so ``every_error`` is for reading alone.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except Exception as error:
        storage = isinstance(error, StorageInternalError | SQLAlchemyError)
        if isinstance(error, InputError) or not (storage or every_error):
            raise
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise WriteError(
            f"{database}: could not be read or written: {first_line(cause)}"
        ) from error


def load_optuna() -> Any:
    """Return the package; an :class:`InputError` says how to install it."""
    require("a sweep", "optuna")
    import optuna

    return optuna
