"""Which values of a config are best? Trials proposed by Optuna, each a training of its own.

``OUT/study.db`` is Optuna's study, ``OUT/trial_NNNN/fold_K/`` the run of a trial, its predictions
of the people held out in ``val.parquet``, ``OUT/configs/trial_NNNN.py`` its complete config.
Trial 0 is the config as it is. All trials have the same people, seed and weights to start from.
"""

import time

import pandas as pd

from mmmask.errors import DivergedError, InputError
from mmmask.files import locked, write_csv
from mmmask.reports.difference_report import print_differences
from mmmask.reports.sweep_report import SweepDisplay
from mmmask.workflows.studies import sweep_study as study
from mmmask.workflows.studies.ablate import Ablation, ablate
from mmmask.workflows.studies.commands import claim, contents, step
from mmmask.workflows.studies.engines import Machine, check_engine, opened, run_commands
from mmmask.workflows.studies.sweep_plan import DATABASE, PRUNERS, Sweep, kept_in, load_optuna
from mmmask.workflows.studies.sweep_results import row_of
from mmmask.workflows.studies.sweep_trial import TrialRun

#: Failed trials in a row after which something else than their values is at fault.
_FAILURES = 3
#: Seconds between two looks at what runs.
_PAUSE = 0.2


def sweep(plan: Sweep) -> None:
    """Run the trials that are missing.

    Finished trials are kept; one that was under way when a former start ended continues at the
    epoch where it was, with its values. One that fails is noted and left, but trial 0; so is one
    that diverges.

    Raises:
        InputError: The folder holds a sweep of something else, or one that still runs; the space
            or an option is at fault; the config as it is cannot be trained, or no trial can.
        DivergedError: The config as it is diverges.
    """
    check(plan)
    data = contents(plan.decisive)
    database = plan.out / DATABASE
    with locked(database, "another sweep runs there; one at a time"), kept_in(database):
        claim(plan.out, {**plan.decisive, **data})
        if plan.pack is not None and study.ended(plan) < plan.trials:
            root = plan.data_root
            pack = step("pack", plan.config, data_root=root, out=plan.pack, options=plan.options)
            run_commands([pack])
        with opened(plan.engine, plan.jobs) as machine:
            _run(plan, machine)


def confirm(plan: Sweep, best: int) -> pd.DataFrame | None:
    """Train the best trial and trial 0 anew, with other seeds and people, and print what comes out.

    They hold out the next fold, whose people chose nothing, so the difference is no longer too
    good. Returns what :func:`mmmask.workflows.studies.ablate.compare` does; None where trial 0 is
    the best.
    """
    if best == 0:
        print("nothing to confirm: the config as it is, is the best")
        return None
    fold = (plan.held_out[-1] + 1) % plan.decisive["data.folds"]
    print(f"confirming trial {best}: fold {fold} held out, seeds other than {plan.seed}")
    options = [f"data.fold={fold}"]
    if plan.pack is not None:
        options.append(f"data.pack={plan.pack}")
    comparison = ablate(
        Ablation(
            configs=[plan.trial_config(0), plan.trial_config(best)],
            seeds=[plan.seed + 1 + place for place in range(plan.confirm)],
            out=plan.out / "confirm",
            data_root=plan.data_root,
            pretrained=plan.pretrained,
            options=options,
        )
    )
    print_differences(comparison, plan.trial_config(0).stem)
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
    if plan.pretrained is not None and "pretrained" in plan.names:
        raise InputError(
            f"{plan.space}: space['pretrained'] contradicts --pretrained; leave one of them out"
        )
    shaped = [name for name in plan.names if name.startswith("preprocessing")]
    if plan.pack is not None and shaped:
        raise InputError(
            f"--pack {plan.pack}: holds photos of one preprocessing, and {plan.space} varies "
            f"{shaped[0]}"
        )
    folds = plan.decisive["data.folds"]
    if not 1 <= plan.folds <= folds:
        raise InputError(f"--folds must be from 1 to data.folds, {folds}; got {plan.folds}")
    if plan.confirm < 0 or (plan.confirm and plan.folds == folds):
        raise InputError(
            f"--confirm {plan.confirm} needs at least 1 seed and a fold that no trial holds out; "
            f"--folds {plan.folds} holds out {plan.folds} of {folds}"
        )
    if plan.decisive.get("val_cfg", {}) is None:
        raise InputError(f"{plan.config}: holds nobody out, so no trial would have a score")


def _run(plan: Sweep, machine: Machine) -> None:
    """Run trials, some at a time, until all are there."""
    running: dict[int, TrialRun] = {}
    failures = 0
    with SweepDisplay(plan.names, study.ended(plan), plan.trials) as display:
        while True:
            while len(running) < plan.jobs and (trial := study.begin(plan, running)):
                if study.repeat(plan, trial):
                    display.ended(row_of(plan, trial.number))
                    continue
                prunable = trial.number > 0
                running[trial.number] = TrialRun(plan, trial, machine, prunable=prunable)
            if not running:
                return
            for number, run in [*running.items()]:
                state = run.advance()
                if state is None:
                    continue
                del running[number]
                if run.error is not None and number == 0:
                    raise run.error  # there is nothing to measure the others against
                study.end(plan, run.trial, state, run.error)
                display.ended(row_of(plan, number))
                fault_of_values = run.error is None or isinstance(run.error, DivergedError)
                failures = 0 if fault_of_values else failures + 1
                if failures == _FAILURES:
                    raise InputError(f"{failures} trials in a row failed, the last: {run.error}")
            scores = {number: (run.epoch, run.score) for number, run in running.items()}
            display.show(scores, plan.horizon)
            time.sleep(_PAUSE)
