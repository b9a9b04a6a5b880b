import json
import sys
from pathlib import Path

import pytest

from mmmask.errors import InputError
from mmmask.workflows.studies.commands import Study, claim, last_checkpoint, step
from mmmask.workflows.studies.engines import run_commands


def test_a_step_gets_what_is_given_and_no_more() -> None:
    *start, given = step("train", Path("config.py"), seed=0, data_root=None, work_dir=Path("a/b"))
    module = "mmmask.workflows.studies.step"
    assert start == [sys.executable, "-m", module, "train", "config.py"]
    assert json.loads(given) == {"seed": 0, "work_dir": "a/b"}


def test_a_study_trains_each_run_as_it_says_and_as_the_run_does(tmp_path) -> None:
    study = Study(out=tmp_path, pretrained="none")
    options = ["a=1", "b=2"]
    *_, config, given = study.train(Path("config.py"), tmp_path / "run", options=options, seed=3)
    assert config == "config.py"
    assert json.loads(given) == {
        "work_dir": f"{tmp_path}/run",
        "resume": "auto",
        "pretrained": "none",
        "options": ["a=1", "b=2"],
        "seed": 3,
    }


def test_a_step_runs_anywhere_and_says_what_is_wrong_with_its_input(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = step("pack", Path("none.py"), data_root=None, out="p.arrow")
    sentence = r"^pack none\.py refuses its input: none\.py: no such config file; .*$"
    with pytest.raises(InputError, match=sentence):
        run_commands([command], logs=[tmp_path / "log.txt"])


def test_a_folder_belongs_to_one_plan(tmp_path) -> None:
    claim(tmp_path / "run", {"head.dropout": 0.2, "data.drop_ages": (1, 2)})
    claim(tmp_path / "run", {"data.drop_ages": [1, 2], "head.dropout": 0.2})
    with pytest.raises(InputError, match=r"run: holds .*, 1 values differ: head\.dropout was 0\.2"):
        claim(tmp_path / "run", {"head.dropout": 0.5, "data.drop_ages": (1, 2)})


def test_the_last_checkpoint_is_found_in_a_folder_that_was_moved(tmp_path) -> None:
    (tmp_path / "last_checkpoint").write_text("/elsewhere/run/epoch_6.pth\n")
    assert last_checkpoint(tmp_path) == tmp_path / "epoch_6.pth"
