"""Which values of a config are best? Trials proposed by Optuna, each a training of its own.

``OUT/study.db`` is Optuna's study, ``OUT/trial_NNNN/fold_K/`` the run of a trial, its predictions
of the people held out in ``val.parquet``, ``OUT/configs/trial_NNNN.py`` its complete config.
Trial 0 is the config as it is. All trials have the same people, seed and weights to start from.
"""

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from mmmask.config import parse_options
from mmmask.errors import InputError
from mmmask.files import locked, write_csv
from mmmask.reports.difference_report import print_differences
from mmmask.reports.sweep_report import SweepDisplay
from mmmask.workflows.studies.ablate import Ablation, ablate
from mmmask.workflows.studies.commands import Study, claim, contents, step
from mmmask.workflows.studies.engines import Machine, check_engine, opened, run_commands
from mmmask.workflows.studies.sweep_results import row_of
from mmmask.workflows.studies.sweep_space import Parameter, read_space
from mmmask.workflows.studies.sweep_study import PRUNERS, SweepStudy, load_optuna
from mmmask.workflows.studies.sweep_trial import Runs, TrialRun

#: Failed trials in a row after which something else than their values is at fault.
_FAILURES = 3
#: Seconds between two looks at what runs.
_PAUSE = 0.2


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

    @cached_property
    def plan(self) -> dict[str, Any]:
        """Dotted name -> value of all that decides the trials."""
        given = {
            "randomness.seed": self.seed,
            "sweep.folds": self.folds,
            "sweep.pruner": self.pruner,
            **{f"space.{one.name}": one.options for one in self.parameters},
        }
        return self.plan_of(self.config, given)

    @cached_property
    def runs(self) -> Runs:
        """How each trial is trained."""
        first, folds = self.plan["data.fold"], self.plan["data.folds"]
        longest = [one.largest for one in self.parameters if one.name == "train_cfg.max_epochs"]
        return Runs(
            out=self.out,
            data_root=self.data_root,
            pretrained=self.pretrained,
            pack=self.pack,
            held_out=tuple((first + place) % folds for place in range(self.folds)),
            names=tuple(one.name for one in self.parameters),
            horizon=max([self.plan["train_cfg.max_epochs"], *longest]),
            seed=self.seed,
        )

    @cached_property
    def study(self) -> SweepStudy:
        """What proposes the trials."""
        return SweepStudy(
            runs=self.runs,
            config=self.config,
            options=parse_options(self.options),
            parameters=self.parameters,
            pruner=self.pruner,
            several=self.jobs > 1,
        )


def sweep(plan: Sweep) -> None:
    """Run the trials that are missing.

    Finished trials are kept; one that was under way when a former start ended continues at the
    epoch where it was, with its values. One that fails is noted and left, but trial 0.

    Raises:
        InputError: The folder holds a sweep of something else, or one that still runs; the space
            or an option is at fault; the config as it is cannot be trained, or no trial can.
    """
    check(plan)
    data = contents(plan.plan)
    with locked(plan.out / "study.db", "another sweep runs there; one at a time"):
        claim(plan.out, {**plan.plan, **data})
        if plan.pack is not None and plan.study.ended < plan.trials:
            root = plan.plan["data.data_root"]
            pack = step("pack", plan.config, data_root=root, out=plan.pack, options=plan.options)
            run_commands([pack])
        with opened(plan.engine, plan.jobs) as machine:
            _run(plan, machine)


def confirm(plan: Sweep, best: int) -> pd.DataFrame | None:
    """Train the best trial and trial 0 anew, with other seeds and people, and print what comes out.

    They hold out the next fold, whose people chose nothing, so the difference is no longer too
    good. It is ``shown`` where its interval over people excludes 0 and all seeds agree.

    Args:
        plan: The sweep.
        best: Number of its best trial.

    Returns:
        As :func:`mmmask.workflows.studies.ablate.compare`; None where trial 0 is the best.
    """
    if best == 0:
        print("nothing to confirm: the config as it is, is the best")
        return None
    runs, folds = plan.runs, plan.plan["data.folds"]
    fold = (runs.held_out[-1] + 1) % folds
    print(f"confirming trial {best}: fold {fold} held out, seeds other than {plan.seed}")
    options = [f"data.fold={fold}"]
    if plan.pack is not None:
        options.append(f"data.pack={plan.pack}")
    comparison = ablate(
        Ablation(
            configs=[runs.config(0), runs.config(best)],
            seeds=[plan.seed + 1 + place for place in range(plan.confirm)],
            out=plan.out / "confirm",
            data_root=plan.data_root,
            pretrained=plan.pretrained,
            options=options,
        )
    )
    print_differences(comparison, runs.config(0).stem)
    write_csv(plan.out / "confirm.csv", comparison)
    return comparison


def check(plan: Sweep) -> None:
    """Refuse options that no sweep can have; errors as of :func:`sweep`."""
    load_optuna()
    check_engine(plan.engine, plan.jobs)
    if plan.trials < 1:
        raise InputError(f"--trials must be at least 1; got {plan.trials}")
    if plan.pruner not in PRUNERS:
        raise InputError(f"--pruner must be one of {', '.join(PRUNERS)}; got {plan.pruner!r}")
    names = plan.runs.names
    if plan.pretrained is not None and "pretrained" in names:
        raise InputError(f"{plan.space}: space['pretrained'] and --pretrained exclude each other")
    shaped = [name for name in names if name.startswith("preprocessing")]
    if plan.pack is not None and shaped:
        raise InputError(
            f"--pack {plan.pack}: holds photos of one preprocessing, and {plan.space} varies "
            f"{shaped[0]}"
        )
    folds = plan.plan["data.folds"]
    if not 1 <= plan.folds <= folds:
        raise InputError(f"--folds must be from 1 to data.folds, {folds}; got {plan.folds}")
    if plan.confirm < 0 or (plan.confirm and plan.folds == folds):
        raise InputError(
            f"--confirm {plan.confirm} needs 1 or more seeds and a fold that no trial held out; "
            f"--folds holds out {plan.folds} of {folds}"
        )
    if plan.plan.get("val_cfg", {}) is None:
        raise InputError(f"{plan.config}: holds nobody out, so no trial would have a score")


def _run(plan: Sweep, machine: Machine) -> None:
    """Run trials, some at a time, until all are there."""
    study, running, failures = plan.study, dict[int, TrialRun](), 0
    with SweepDisplay(plan.runs.names, study.ended, plan.trials) as display:
        while True:
            while len(running) < plan.jobs and (trial := study.begin(plan.trials, [*running])):
                if study.repeat(trial):
                    display.ended(row_of(study.trial(trial.number), plan.runs))
                    continue
                running[trial.number] = TrialRun(
                    trial, plan.runs, machine, prunable=trial.number > 0
                )
            if not running:
                return
            for number, run in [*running.items()]:
                state = run.advance()
                if state is None:
                    continue
                del running[number]
                if run.error is not None and number == 0:
                    raise run.error  # there is nothing to measure the others against
                study.end(run.trial, state, run.error)
                display.ended(row_of(study.trial(number), plan.runs))
                failures = 0 if run.error is None else failures + 1
                if failures == _FAILURES:
                    raise InputError(f"{failures} trials in a row failed, the last: {run.error}")
            scores = {number: (run.epoch, run.score) for number, run in running.items()}
            display.show(scores, plan.runs.horizon)
            time.sleep(_PAUSE)
