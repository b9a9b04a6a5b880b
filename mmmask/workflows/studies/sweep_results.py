"""What a sweep has shown: its trials as a table, the gain of the best, and which values matter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mmmask.evaluation.calibrated_tables import knowing
from mmmask.evaluation.selection import Selection, select
from mmmask.files import write_csv
from mmmask.reports.sweep_report import plot_history, plot_importance, print_sweep
from mmmask.tables import attribute_of, prediction_columns
from mmmask.workflows.score import aligned, labels_of
from mmmask.workflows.studies.sweep_plan import Sweep

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

#: Fewer complete trials cannot tell which values matter.
_ENOUGH = 8
_TREES, _SHUFFLES = 32, 40
_DIFFERENCE = {"difference": "value", "difference_low": "low", "difference_high": "high"}
_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


@dataclass(frozen=True)
class SweepResult:
    """What a sweep has shown."""

    #: One row per ended trial: ``trial``, ``state``, ``macro_f1`` with ``low`` and ``high``;
    #: ``difference`` from trial 0 with its bounds; accuracies; ``after`` what its ``last_score`` in
    #: training was seen; the trial that it ``repeats``, the ``reason`` of a failure; then the
    #: values by dotted name.
    trials: pd.DataFrame
    selection: Selection  # the complete trials in the order of that table, trial 0 first
    #: ``name``, ``importance`` (a share of 1), ``by_chance``, which shuffled scores exceed in one
    #: case of twenty, and ``log``, how the value is drawn; None of too few trials.
    importance: pd.DataFrame | None
    people: int  # how many people are held out

    @property
    def best(self) -> int:
        """Number of the trial with the highest score."""
        complete = self.trials[self.trials["state"] == "complete"]
        return int(complete["trial"].iloc[self.selection.best])


def show_sweep(plan: Sweep) -> SweepResult:
    """Print what a sweep whose trial 0 is complete has shown, and write it beside its study."""
    result = sweep_result(plan)
    write_csv(plan.out / "trials.csv", result.trials)
    files = [plan.out / "trials.csv", plan.out / "history.png"]
    plot_history(result.trials, files[-1])
    if result.importance is not None:
        files.append(plan.out / "importance.png")
        plot_importance(result.trials, result.importance, files[-1])
    print_sweep(result.trials, result.selection, result.people, plan.names)
    if result.importance is None:
        print(f"importance: needs at least {_ENOUGH} complete trials with different scores")
    for path in files:
        print(path.resolve())
    return result


def sweep_result(plan: Sweep) -> SweepResult:
    """Score the complete trials against trial 0 on the same people."""
    trials = [trial for trial in plan.study.trials if trial.state.name in _STATES]
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    # A trial that repeats another has no run of its own.
    ran = {one.number: one.user_attrs.get("repeats", one.number) for one in complete}
    given = {plan.folder(number): plan.predictions(number) for number in ran.values()}
    tables = {path: knowing(table, path) for path, table in aligned(given).items()}
    first = tables[plan.folder(0)]
    truth, _ = labels_of(first)
    selection = select(
        first["person"].to_numpy(),
        truth,
        [labels_of(tables[plan.folder(number)])[1] for number in ran.values()],
        classes=len(prediction_columns(attribute_of(first))[1]),
    )
    table = pd.DataFrame([row_of(plan, trial.number) for trial in trials])
    done = table["state"] == "complete"
    for name, bound in _DIFFERENCE.items():
        table.loc[done, name] = [getattr(interval, bound) for interval in selection.differences]
    left, right = ["trial", "state", "macro_f1", "low", "high", *_DIFFERENCE], plan.names
    return SweepResult(
        trials=table[[*left, *(name for name in table if name not in (*left, *right)), *right]],
        selection=selection,
        importance=importance(complete, plan.names),
        people=first["person"].nunique(),
    )


def row_of(plan: Sweep, number: int) -> dict[str, Any]:
    """Return the row of a trial that has ended, without its difference from trial 0."""
    trial = plan.study.get_trials(deepcopy=False)[number]
    facts = trial.user_attrs
    value, low, high = facts.get("macro_f1", [np.nan] * 3)
    reported = trial.intermediate_values
    return {
        "trial": trial.number,
        "state": _STATES[trial.state.name],
        "macro_f1": value,
        "low": low,
        "high": high,
        **{name: score[0] for name, score in facts.items() if name.endswith("accuracy")},
        "after": plan.after(max(reported)) if reported else "",
        "last_score": reported[max(reported)] if reported else np.nan,
        "repeats": facts.get("repeats", pd.NA),
        "reason": facts.get("reason", ""),
        **{name: "None" if value is None else value for name, value in trial.params.items()},
    }


def importance(
    trials: "Sequence[FrozenTrial]", names: Sequence[str], seed: int = 0
) -> pd.DataFrame | None:
    """Return how much of the spread of the scores each value explains, and what chance would.

    fANOVA (Hutter et al., 2014) by Optuna: the shares of the variance that a random forest of the
    scores puts down to each value, scaled to sum to 1. A forest finds something in noise too, so
    the same is done with the scores shuffled among the trials; ``by_chance`` is the 95th
    percentile of that.

    ``trials`` are complete; ``seed`` is that of forests and shuffles.
    """
    import optuna

    scores = np.array([trial.value for trial in trials])
    if len(trials) < _ENOUGH or np.ptp(scores) == 0:
        return None
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=_TREES, seed=seed)

    def shares(values: np.ndarray) -> list[float]:
        study = optuna.create_study(direction="maximize")
        study.add_trials(
            optuna.trial.create_trial(
                params=trial.params, distributions=trial.distributions, value=float(value)
            )
            for trial, value in zip(trials, values, strict=True)
        )
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
        return [found[name] for name in names]

    random = np.random.default_rng(seed)
    shuffled = [shares(random.permutation(scores)) for _ in range(_SHUFFLES)]
    table = pd.DataFrame(
        {
            "name": list(names),
            "importance": shares(scores),
            "by_chance": np.quantile(shuffled, 0.95, axis=0),
            "log": [getattr(trials[0].distributions[name], "log", False) for name in names],
        }
    )
    return table.sort_values("importance", ascending=False, ignore_index=True)
