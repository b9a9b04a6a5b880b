"""The order of a sweep, with a machine that only plays training; a real one in tests/tools."""

import json
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

from mmmask.config import load_config
from mmmask.errors import DivergedError, InputError, WriteError
from mmmask.evaluation.scores import macro_f1
from mmmask.files import locked
from mmmask.ledger.config_differences import flat_config
from mmmask.tables import PREDICTIONS, PROBABILITIES, probabilities, write_table
from mmmask.workflows.studies import sweep as module
from mmmask.workflows.studies import sweep_results as results
from mmmask.workflows.studies.engines import DIVERGED
from mmmask.workflows.studies.sweep import check, confirm, sweep
from mmmask.workflows.studies.sweep_plan import Sweep
from mmmask.workflows.studies.sweep_results import importance, show_sweep, sweep_result
from mmmask.workflows.studies.sweep_trial import scored_epochs
from tests.full_disk import files_of_at_most

CONFIG = Path(__file__).parents[3] / "configs/mobilenet_v2_arcface.py"
SPACE = """
space = {
    "optim_wrapper.optimizer.lr": dict(type="float", low=1e-4, high=1e-2, log=True),
    "head.dropout": dict(type="float", low=0.0, high=0.5),
    "head.loss.class_weight": dict(
        type="categorical", choices=[None, "inverse", "effective_number"]
    ),
}
"""
EPOCHS = 6  # of the config
#: A line of MMEngine's record that is being written.
HALF = '{"half": '
LR = "optim_wrapper.optimizer.lr"


def predictions(right: float, fold: int, people: int = 40) -> pd.DataFrame:
    """Predict seven photos of each person of a fold, of which a share is right."""
    random = np.random.default_rng(fold)
    person = np.repeat(np.arange(people), 7)
    truth = random.integers(0, 18, len(person))
    predicted = np.where(random.random(len(person)) < right, truth, (truth + 1) % 18)
    table = pd.DataFrame(np.eye(18)[predicted], columns=list(PROBABILITIES))
    table.insert(0, "image", [f"{fold}/{row}.jpg" for row in range(len(person))])
    return table.assign(label=truth, person=[f"{fold}/{one}" for one in person])


@cache
def values(config: Path) -> dict:
    """Return dotted name -> value of a trial's config."""
    return flat_config(config, {})


def quality(config: Path) -> float:
    """Return the share of photos that a config gets right: best at a rate of 3e-3."""
    distance = np.log10(values(config)[LR]) - np.log10(3e-3)
    return float(0.7 - 0.2 * distance**2)


class PlayedJob:
    """A command under way; each look at a training ends one of its epochs."""

    def __init__(self, machine: "PlayedMachine", command: list[str], log: Path) -> None:
        self.machine, self.stopped = machine, False
        self.name, self.config = command[-3], Path(command[-2])
        self.given = json.loads(command[-1])
        self.log = log

    def poll(self) -> int | None:
        self.machine.looks += 1
        if self.machine.killed_after == self.machine.looks:
            raise KeyboardInterrupt
        return self._train() if self.name == "train" else self._test()

    def stop(self) -> None:
        self.stopped = True
        self.machine.stopped.append(self.config.stem)

    def _train(self) -> int | None:
        folder = Path(self.given["work_dir"])
        failing = self.machine.fails(values(self.config))
        if failing:
            folder.mkdir(parents=True, exist_ok=True)
            self.log.write_text(f"error: {failing}\n")
            return self.machine.failure
        record = folder / "20260101_000000" / "vis_data" / "scalars.json"
        record.parent.mkdir(parents=True, exist_ok=True)
        epoch = len(scored_epochs(folder)) + 1
        if epoch > EPOCHS:  # it has come to its end, now or in a former start
            (folder / self.config.name).write_text(self.config.read_text())
            (folder / f"epoch_{EPOCHS}.pth").touch()
            (folder / "last_checkpoint").write_text(f"/elsewhere/epoch_{EPOCHS}.pth")
            return 0
        lines = [{"loss": 1.0, "epoch": epoch, "step": 7 * epoch}]
        lines += [{"macro_f1": quality(self.config) * epoch / EPOCHS, "step": epoch}]
        former = record.read_text().removesuffix(HALF) if record.exists() else ""
        record.write_text(former + "".join(f"{json.dumps(line)}\n" for line in lines) + HALF)
        self.machine.epochs.append(f"{self.config.stem} {folder.name} {epoch}")
        return None

    def _test(self) -> int:
        out = Path(self.given["out"])
        assert self.given["split"] == "val"
        fold = int(out.parent.name.removeprefix("fold_"))
        write_table(out, predictions(quality(self.config), fold), PREDICTIONS)
        return 0


class PlayedMachine:
    """Plays trainings; notes their epochs and what was stopped."""

    def __init__(self) -> None:
        self.epochs: list[str] = []
        self.stopped: list[str] = []
        self.jobs: list[PlayedJob] = []
        self.most = self.looks = 0
        self.killed_after: int | None = None
        self.failure = 2  # exit status of a training that fails

    def fails(self, values: dict) -> str:
        """Return why a training refuses its config; nothing where it does not."""
        return ""

    def start(self, command: list[str], log: Path) -> PlayedJob:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.jobs.append(PlayedJob(self, command, log))
        return self.jobs[-1]


def play(patch: pytest.MonkeyPatch) -> PlayedMachine:
    """Put a played machine in the place of the real ones."""
    machine = PlayedMachine()

    @contextmanager
    def opened(engine, jobs):
        yield machine

    patch.setattr(module, "opened", opened)
    patch.setattr(module, "_PAUSE", 0)
    patch.setattr(results, "_SHUFFLES", 10)
    return machine


@pytest.fixture
def machine(monkeypatch) -> PlayedMachine:
    return play(monkeypatch)


def planned(folder: Path, **options: object) -> Sweep:
    """Return a sweep of four trials, unless told otherwise."""
    space = folder / "space.py"
    space.write_text(SPACE)
    people = folder / "data" / "train" / "train.csv"
    people.parent.mkdir(parents=True)
    people.write_text("id,gender,race,age,path\n")
    given = {"trials": 4, "out": folder / "out", "pruner": "none", **options}
    given["data_root"] = str(folder / "data")
    return Sweep(config=CONFIG, space=space, **given)


@pytest.fixture
def plan(tmp_path) -> Sweep:
    return planned(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Sweep:
    """A sweep of ten trials that nobody changes."""
    plan = planned(tmp_path_factory.mktemp("finished"), trials=10)
    with pytest.MonkeyPatch.context() as patch:
        play(patch)
        sweep(plan)
    return plan


def proposals(plan: Sweep) -> list[dict]:
    return [trial.params for trial in plan.study.trials]


def test_trial_0_is_the_config_as_it_is_and_the_others_differ(finished) -> None:
    plan = finished
    trials = plan.study.trials
    assert len(trials) == 10
    own = {LR: 1e-3, "head.dropout": 0.2, "head.loss.class_weight": "effective_number"}
    assert trials[0].params == own
    assert load_config(plan.trial_config(0)).to_dict() == load_config(CONFIG).to_dict()
    cfg = load_config(plan.trial_config(3))
    assert cfg.optim_wrapper.optimizer.lr == trials[3].params[LR]
    assert cfg.head.loss.class_weight == trials[3].params["head.loss.class_weight"]
    assert cfg.head.margin == load_config(CONFIG).head.margin
    assert len({str(trial.params) for trial in trials}) == 10


def test_the_objective_is_macro_f1_of_the_people_held_out_with_its_interval(finished) -> None:
    plan = finished
    trial = plan.study.trials[1]
    value, low, high = trial.user_attrs["macro_f1"]
    assert trial.value == value
    assert low < value < high
    table = plan.predictions(1)
    truth = table["label"].to_numpy(dtype=np.int64)
    assert value == macro_f1(truth, probabilities(table).argmax(axis=1))
    assert trial.intermediate_values[6] == quality(plan.trial_config(1))  # as the training logged


def test_an_interrupted_sweep_ends_like_one_that_never_was(plan, machine, tmp_path) -> None:
    sweep(plan)
    whole, epochs = proposals(plan), [*machine.epochs]
    again = replace(plan, out=tmp_path / "again")
    machine.epochs.clear()
    for looks in (3, 6, 9):
        machine.killed_after = looks
        machine.looks = 0
        with pytest.raises(KeyboardInterrupt):
            sweep(replace(again))
    machine.killed_after = None
    sweep(replace(again))
    assert proposals(again) == whole
    assert machine.epochs == epochs  # none twice, none missing
    states = {trial.state for trial in again.study.trials}
    assert states == {optuna.trial.TrialState.COMPLETE}
    sweep(replace(again))
    assert machine.epochs == epochs  # nothing is left


def test_more_trials_are_added_to_those_there(plan, machine, tmp_path) -> None:
    sweep(replace(plan, trials=1))
    sweep(replace(plan, trials=3))
    once = replace(plan, trials=3, out=tmp_path / "once")
    sweep(once)
    assert proposals(plan) == proposals(once)


def test_a_sweep_of_something_else_is_not_continued(plan, machine) -> None:
    sweep(replace(plan, trials=1))
    with pytest.raises(InputError, match=r"another config, 1 values differ: head\.margin was"):
        sweep(replace(plan, options=["head.margin=0.3"]))
    plan.space.write_text(SPACE.replace("high=0.5", "high=0.4"))
    with pytest.raises(InputError, match=r"space\.head\.dropout"):
        sweep(replace(plan))


def test_other_data_are_not_taken_for_the_same(plan, machine) -> None:
    sweep(replace(plan, trials=1))
    (Path(plan.data_root) / "train" / "train.csv").write_text("id,gender,race,age,path\n1\n")
    with pytest.raises(InputError, match=r"1 values differ: sha256 of .*train\.csv"):
        sweep(plan)


def test_two_sweeps_do_not_share_a_folder(plan, machine) -> None:
    with locked(plan.out / "study.db"), pytest.raises(InputError, match="another sweep runs there"):
        sweep(plan)


def test_hopeless_trials_are_ended_early_but_never_trial_0(plan, machine) -> None:
    sweep(replace(plan, trials=10, pruner="median"))
    trials = plan.study.trials
    pruned = [trial for trial in trials if trial.state.name == "PRUNED"]
    assert pruned
    assert machine.stopped == [f"trial_{trial.number:04}" for trial in pruned]
    assert all(2 <= max(trial.intermediate_values) < 6 for trial in pruned)
    assert min(trial.number for trial in pruned) >= 4
    complete = [trial.value for trial in trials if trial.state.name == "COMPLETE"]
    worst = [max(trial.intermediate_values.values()) for trial in pruned]
    assert max(worst) < max(complete)
    result = sweep_result(plan)
    assert set(result.trials["state"]) == {"complete", "pruned"}
    assert np.isnan(result.trials.loc[result.trials["state"] == "pruned", "difference"]).all()


def test_trial_0_is_not_pruned_even_where_it_is_the_worst(plan, machine) -> None:
    bad = replace(plan, options=[f"{LR}=1e-4"], trials=3, pruner="hyperband")
    sweep(bad)
    assert bad.study.trials[0].state.name == "COMPLETE"


def test_several_folds_are_scored_together_and_may_be_pruned_between(plan, machine) -> None:
    several = replace(plan, folds=3, trials=6, options=["data.fold=3"], pruner="median")
    sweep(several)
    table = several.predictions(0)
    assert [*table["image"].str[0].unique()] == ["3", "4", "0"]
    assert table["person"].nunique() == 120
    assert several.study.trials[0].user_attrs["macro_f1"][0] == pytest.approx(
        several.study.trials[0].value
    )
    steps = set(several.study.trials[0].intermediate_values)
    assert steps == {1, 2, 3, 4, 5, 6, 7}  # the epochs of the first fold, two folds together


def test_trials_at_a_time_are_kept_to_the_jobs(plan, machine) -> None:
    at_once = replace(plan, jobs=3, trials=4)
    sweep(at_once)
    assert len(proposals(at_once)) == 4
    first = [line.split()[0] for line in machine.epochs[:3]]
    assert first == ["trial_0000", "trial_0001", "trial_0002"]


def test_values_that_were_tried_are_not_trained_again(plan, machine) -> None:
    plan.space.write_text("space = {'head.margin': dict(type='categorical', choices=[0.1, 0.2])}")
    sweep(plan)
    assert len({line.split()[0] for line in machine.epochs}) == 2
    result = sweep_result(plan)
    assert result.trials["repeats"].notna().sum() == 2
    assert result.best in (0, int(result.trials["trial"][result.trials["repeats"].isna()].max()))


def test_checkpoints_of_trial_0_and_the_best_are_kept_alone(finished) -> None:
    plan = finished
    kept = {path.parts[-3] for path in plan.out.glob("trial_*/fold_0/*.pth")}
    best = plan.study.best_trial.number
    assert kept == {"trial_0000", f"trial_{best:04}"}
    assert len([*plan.out.glob("trial_*/fold_0/val.parquet")]) == 10


def test_a_trial_that_fails_is_noted_and_the_others_go_on(plan, machine) -> None:
    machine.fails = lambda values: (
        "loss must be dull" if values["head.loss.class_weight"] == "inverse" else ""
    )
    sweep(replace(plan, trials=6))
    trials = plan.study.trials
    failed = [trial for trial in trials if trial.state.name == "FAIL"]
    assert failed
    assert all(t.params["head.loss.class_weight"] == "inverse" for t in failed)
    result = show_sweep(plan)
    reasons = result.trials.loc[result.trials["state"] == "failed", "reason"]
    assert reasons.str.contains("loss must be dull").all()


def test_a_config_that_cannot_be_trained_ends_the_sweep_and_is_tried_again(plan, machine) -> None:
    machine.fails = lambda values: "no such data"
    with pytest.raises(InputError, match="refuses its input: no such data"):
        sweep(plan)
    machine.fails = lambda values: ""
    sweep(replace(plan, trials=1))
    assert [trial.state.name for trial in plan.study.trials] == ["COMPLETE"]


def test_three_failures_in_a_row_end_the_sweep(plan, machine) -> None:
    machine.fails = lambda values: "disk full" if values[LR] != 1e-3 else ""
    with pytest.raises(InputError, match=r"3 trials in a row failed, the last: .* disk full"):
        sweep(plan)


def test_trials_that_diverge_are_failed_and_end_no_sweep(plan, machine) -> None:
    machine.failure = DIVERGED
    machine.fails = lambda values: "loss nan at step 2" if values[LR] != 1e-3 else ""
    sweep(replace(plan, trials=5))
    trials = show_sweep(plan).trials
    assert [*trials["state"]] == ["complete", *["failed"] * 4]
    assert trials["reason"][1] == "train trial_0001.py diverged: loss nan at step 2"


def test_a_config_that_diverges_ends_the_sweep(plan, machine) -> None:
    machine.failure = DIVERGED
    machine.fails = lambda values: "loss nan at step 2"
    with pytest.raises(DivergedError, match=r"^train trial_0000\.py diverged: loss nan at step 2$"):
        sweep(plan)


REFUSED = {
    "--trials must be at least 1; got 0": {"trials": 0},
    "--engine must be one of local, ray; got 'dask'": {"engine": "dask"},
    "--jobs must be at least 1; got 0": {"jobs": 0},
    "--pruner must be one of median, hyperband, none; got 'best'": {"pruner": "best"},
    "--folds must be from 1 to data.folds, 5; got 6": {"folds": 6},
    "--confirm 2 needs .* --folds 5 holds out 5 of 5": {"folds": 5, "confirm": 2},
    "holds nobody out": {"options": ["val_cfg=None", "val_dataloader=None", "val_evaluator=None"]},
}


@pytest.mark.parametrize("sentence", REFUSED, ids=list(REFUSED))
def test_options_at_fault_are_refused_before_anything_is_written(plan, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        sweep(replace(plan, **REFUSED[sentence]))
    assert not plan.out.exists()


def test_a_pack_and_another_preprocessing_exclude_each_other(plan) -> None:
    plan.space.write_text(
        "space = {'preprocessing.size': dict(type='categorical', choices=[(64, 48), (160, 120)])}"
    )
    with pytest.raises(InputError, match=r"one preprocessing, and .* varies preprocessing\.size"):
        check(replace(plan, pack="photos.arrow"))


def test_optuna_that_is_not_installed_is_named(plan, monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match="a sweep needs optuna: pip install optuna"):
        sweep(plan)
    assert not plan.out.exists()


def test_the_results_are_a_table_two_pictures_and_a_verdict(finished, monkeypatch, capsys) -> None:
    plan = finished
    monkeypatch.setattr(results, "_SHUFFLES", 10)
    result = show_sweep(plan)
    table = pd.read_csv(plan.out / "trials.csv")
    assert [*table["trial"]] == [*range(10)]
    best = table.loc[table["macro_f1"].idxmax()]
    assert best["trial"] == result.best
    assert best["difference"] == pytest.approx(best["macro_f1"] - table["macro_f1"][0])
    assert "None" in set(table["head.loss.class_weight"]) or len(set(table["head.dropout"])) > 5
    for name in ("history.png", "importance.png"):
        assert (plan.out / name).stat().st_size > 5000
    said = capsys.readouterr().out
    assert f"Trial {result.best} is the best of 10 complete trials" in said
    assert "Allowing for the choice among 10" in said
    assert "--confirm" in said
    assert set(result.importance["name"]) == set(plan.names)


def drawn_trials(number: int, score) -> list[optuna.trial.FrozenTrial]:
    """Return trials of three values, drawn by chance."""
    random = np.random.default_rng(0)
    distributions = dict.fromkeys("abc", optuna.distributions.FloatDistribution(0, 1))
    drawn = [dict(zip("abc", random.random(3), strict=True)) for _ in range(number)]
    return [
        optuna.trial.create_trial(params=one, distributions=distributions, value=score(one, random))
        for one in drawn
    ]


def test_the_value_that_matters_explains_more_than_chance(monkeypatch) -> None:
    monkeypatch.setattr(results, "_SHUFFLES", 15)
    trials = drawn_trials(24, lambda one, random: one["b"] + random.normal(0, 0.1))
    found = importance(trials, ["a", "b", "c"])
    assert found["importance"].sum() == pytest.approx(1)
    assert found["name"][0] == "b"
    assert [*(found["importance"] > found["by_chance"])] == [True, False, False]


def test_noise_shows_no_importance_and_few_trials_none_at_all(monkeypatch) -> None:
    monkeypatch.setattr(results, "_SHUFFLES", 20)
    trials = drawn_trials(16, lambda one, random: random.normal())
    found = importance(trials, ["a", "b", "c"])
    assert (found["importance"] < found["by_chance"]).all()
    assert importance(trials[:7], ["a", "b", "c"]) is None
    assert importance(drawn_trials(9, lambda one, random: 0.5), ["a", "b", "c"]) is None


def test_the_best_is_confirmed_on_the_next_fold_with_other_seeds(plan, monkeypatch, capsys) -> None:
    asked = []

    def ablate(study):
        asked.append(study)
        return pd.DataFrame(
            {
                "variant": ["trial_0003"], "blocks": ["head"], "changes": [""], "people": [40],
                "baseline": [0.5], "baseline_low": [0.4], "baseline_high": [0.6],
                "macro_f1": [0.5], "macro_f1_low": [0.4], "macro_f1_high": [0.6],
                "difference": [0.0], "low": [-0.1], "high": [0.1], "seeds": ["+0.1 -0.1"],
                "detectable": [0.2],
                "verdict": ["not shown"],
            }
        )  # fmt: skip

    monkeypatch.setattr(module, "ablate", ablate)
    given = replace(plan, folds=2, confirm=2, seed=5, options=["data.fold=3"], pack="p.arrow")
    confirm(given, 3)
    (study,) = asked
    assert study.configs == [given.trial_config(0), given.trial_config(3)]
    assert [*study.seeds] == [6, 7]
    assert study.options == ["data.fold=0", "data.pack=p.arrow"]
    assert "not shown" in capsys.readouterr().out
    assert (plan.out / "confirm.csv").is_file()
    assert confirm(given, 0) is None
    assert len(asked) == 1


def test_a_database_that_is_damaged_or_has_no_room_is_named(plan, machine) -> None:
    with files_of_at_most(20_000), pytest.raises(WriteError, match=r"study\.db: could not be"):
        sweep(plan)
    sweep(plan)  # with room
    (plan.out / "study.db").write_text("no database" * 1000)
    with pytest.raises(WriteError, match=r"study\.db: could not be read or written: file is not a"):
        sweep(replace(plan))
