"""What Optuna is asked and told: the values of the next trial, and how a trial has ended."""

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from mmmask.config import load_config, parse_options
from mmmask.evaluation.calibrated_tables import knowing
from mmmask.files import atomic_write
from mmmask.workflows.score import intervals_of
from mmmask.workflows.studies.sweep_plan import Sweep

if TYPE_CHECKING:
    from optuna.trial import Trial, TrialState


def ended(plan: Sweep) -> int:
    """Return how many trials have come to an end."""
    return sum(trial.state.is_finished() for trial in plan.study.trials)


def begin(plan: Sweep, running: Collection[int]) -> "Trial | None":
    """Return the next trial with its values, its config written; None where there are enough.

    Trials that were under way when a former start ended come first, with their values; ``running``
    has the numbers of those that are under way now.
    """
    from optuna.samplers import TPESampler
    from optuna.trial import Trial, TrialState

    known = plan.study.get_trials(deepcopy=False)
    left = [one for one in known if one.state == TrialState.RUNNING]
    left = [one for one in left if one.number not in running]
    begun = sum(one.state != TrialState.WAITING for one in known)
    if not left and begun >= plan.trials:
        return None
    # Seeded by the trial's number: an interrupted sweep goes on with the same proposals.
    sequence = np.random.SeedSequence([plan.seed, left[0].number if left else begun])
    seed = int(sequence.generate_state(1)[0])
    plan.study.sampler = TPESampler(seed=seed, constant_liar=plan.jobs > 1)
    trial = Trial(plan.study, left[0]._trial_id) if left else plan.study.ask()
    values = {one.name: one.suggest(trial) for one in plan.parameters}
    cfg = load_config(plan.config, {**parse_options(plan.options), **values})
    with atomic_write(plan.trial_config(trial.number)) as partial:
        cfg.dump(partial)
    return trial


def repeat(plan: Sweep, trial: "Trial") -> bool:
    """End a trial like a former one of the same values, which would come out the same."""
    from optuna.trial import TrialState

    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    former = plan.study.get_trials(deepcopy=False, states=ended)
    twin = next((one for one in former if one.params == trial.params), None)
    if twin is None:
        return False
    for name, value in {"repeats": twin.number, **twin.user_attrs}.items():
        trial.set_user_attr(name, value)
    for step, score in twin.intermediate_values.items():
        trial.report(score, step)
    plan.study.tell(trial, twin.value if twin.state == ended[0] else None, twin.state)
    return True


def end(plan: Sweep, trial: "Trial", state: "TrialState", error: Exception | None = None) -> None:
    """Write down how a trial has ended, and how it scores.

    The checkpoints of trial 0 and of the best are kept, the others removed.
    """
    from optuna.trial import TrialState

    if error is not None:
        trial.set_user_attr("reason", str(error))
    if state != TrialState.COMPLETE:
        plan.study.tell(trial, state=state)
        plan.drop_checkpoints(trial.number)
        return
    scores = intervals_of(knowing(plan.predictions(trial.number), f"trial {trial.number}"))
    for name, score in scores.items():
        trial.set_user_attr(name, [score.value, score.low, score.high])
    plan.study.tell(trial, scores["macro_f1"].value)
    kept = {0, plan.study.best_trial.number}
    for one in plan.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if one.number not in kept:
            plan.drop_checkpoints(one.number)
