"""What `make torture` is made of: it draws the same trials again, and sees what breaks."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.errors import InputError
from tests.torture import child
from tests.torture.__main__ import PARTS
from tests.torture.bench import ROOT, Bench
from tests.torture.mutations import mutated
from tests.torture.results import differences, leftovers, refusal_fault
from tests.torture.trials import FAULTS, Promise, as_markdown, as_table, draws, run_part, shown


def promise(trial, **more) -> Promise:
    return Promise("part", "name", "holds", trial, **more)


def test_a_trial_that_breaks_is_counted_and_its_command_draws_the_same_again(tmp_path) -> None:
    seen = []

    def trial(random: np.random.Generator, folder: Path) -> str | None:
        assert not any(folder.iterdir())
        seen.append(random.random())
        return "too large" if seen[-1] > 0.5 else None

    (outcome,) = run_part([promise(trial, most=30)], 7, time.monotonic() + 60, tmp_path)
    assert len(outcome.broken) == FAULTS
    number, fault = outcome.broken[0]
    assert fault == "too large"
    assert draws(7, outcome.promise, number).random() == seen[number]
    table = as_table([outcome], 7)
    assert table["trials"][0] == len(seen)
    assert table["command"][0].endswith(f"--seed 7 --only part/name --trial {number}")
    assert as_markdown(table).endswith(f"| part | holds | {len(seen)} | {FAULTS} |")


def test_a_page_shows_the_last_table_alone(tmp_path) -> None:
    (outcome,) = run_part([promise(lambda *_: None, most=3)], 7, time.monotonic() + 60, tmp_path)
    table = as_table([outcome], 7)
    page = "a\n<!-- torture -->\nformer\n<!-- /torture -->\nz\n"
    found = shown(page, table)
    assert "former" not in found
    assert "`make torture SEED=7`, 3 trials" in found
    assert shown(found, table) == found
    assert (found[:2], found[-3:]) == ("a\n", "\nz\n")


def test_the_page_shows_the_csv() -> None:
    path = ROOT / "docs/results/torture.csv"
    if not path.exists():
        pytest.skip("no torture has been kept")
    page = (ROOT / "docs/reliability.md").read_text()
    assert shown(page, pd.read_csv(path)) == page


def test_an_error_of_a_trial_is_a_break_and_a_promise_without_time_is_not_tried(tmp_path) -> None:
    def trial(random: np.random.Generator, folder: Path) -> str | None:
        raise KeyError("gone")

    (outcome,) = run_part([promise(trial, most=1)], 0, time.monotonic() + 60, tmp_path)
    assert "KeyError: 'gone'" in outcome.broken[0][1]
    (unready,) = run_part(
        [promise(trial, prepare=lambda: 1 // 0)], 0, time.monotonic() + 60, tmp_path
    )
    assert unready.trials == 1
    assert "ZeroDivisionError" in unready.broken[0][1]
    (late,) = run_part([promise(trial)], 0, time.monotonic(), tmp_path)
    assert (late.trials, late.broken) == (0, [])


def test_mutations_change_bytes_and_depend_on_the_seed_alone() -> None:
    data, other = bytes(range(256)) * 20, b"other" * 500
    found = [mutated(np.random.default_rng(seed), data, other) for seed in range(60)]
    assert found == [mutated(np.random.default_rng(seed), data, other) for seed in range(60)]
    assert sum(each != data for each in found) > 50
    assert mutated(np.random.default_rng(0), b"") is not None


def test_a_call_apart_tells_values_refusals_errors_crashes_and_hangs(monkeypatch) -> None:
    def refuse() -> None:
        raise InputError("a.jpg: no photo")

    assert child.in_child(lambda: 3).value == 3
    assert child.in_child(refuse).refusal == "a.jpg: no photo"
    assert "ZeroDivisionError" in child.in_child(lambda: 1 // 0).fault
    assert child.in_child(lambda: os._exit(7)).fault == "the process ended with status 7"
    monkeypatch.setattr(child, "MEGABYTES", 50)
    # Far above: a process that has run many tests holds hundreds of freed MB to use again.
    assert "MemoryError" in child.in_child(lambda: len(np.ones(1_000_000_000))).fault
    monkeypatch.setattr(child, "SECONDS", 1)
    assert child.in_child(lambda: time.sleep(9)).fault == "no end after 1 s"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 0),
        ({"bytes": 10}, 3),
        ({"signal": 9, "seconds": 0, "group": False}, -9),
        ({"signal": 15, "seconds": 0, "group": True}, -15),
    ],
)
def test_a_tool_can_be_starved_and_killed(tmp_path, given, status) -> None:
    tool = tmp_path / "tool.py"
    tool.write_text(
        "import pathlib, sys, time\n"
        "try:\n"
        "    pathlib.Path(sys.argv[1]).write_text('x' * 100)\n"
        "except OSError:\n"
        "    sys.exit(3)\n"
        f"time.sleep({9 if 'signal' in given else 0})\n"
    )
    command = [sys.executable, "tests/torture/disturbed.py", json.dumps(given), tool]
    done = subprocess.run([*command, tmp_path / "out"], cwd=ROOT, start_new_session=True)
    assert done.returncode == status


def test_what_differs_or_is_left_over_is_told(tmp_path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        row = {"score": [1.0], "seconds": [hash(folder.name)], "of": [str(folder / "p.parquet")]}
        pd.DataFrame(row).to_csv(folder / "t.csv")
        (folder / ".t.csv.lock").touch()
    assert differences(one, other) is None
    assert leftovers(other) == []
    (other / ".t-a1b2c3d4.csv").touch()
    assert leftovers(other) == [".t-a1b2c3d4.csv"]
    assert "further files ['.t-a1b2c3d4.csv']" in differences(one, other)
    (other / ".t-a1b2c3d4.csv").unlink()
    pd.DataFrame({"score": [2.0], "seconds": [1]}).to_csv(other / "t.csv")
    assert differences(one, other) == "t.csv differs from that of the undisturbed run"


@pytest.mark.parametrize(
    ("status", "said", "fault"),
    [
        (0, "", None),
        (2, "error: out.csv: the disk is full\n", None),
        (1, "", "neither a result nor one sentence"),
        (2, "error: one\nerror: two\n", "neither a result nor one sentence"),
        (2, "Traceback (most recent call last):\nerror: one\n", "a traceback"),
    ],
)
def test_an_end_is_a_result_or_one_sentence(status, said, fault) -> None:
    found = refusal_fault(subprocess.CompletedProcess([], status, "", said))
    assert (found is None) if fault is None else found.startswith(fault)


def test_the_program_prints_its_seed_and_a_table(tmp_path) -> None:
    command = [sys.executable, "-m", "tests.torture", "--seed", "1", "--minutes", "0.03"]
    command += ["--only", "photos/load_photo", "--folder", tmp_path, "--csv", tmp_path / "t.csv"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == lines[-1] == "seed 1"
    (row,) = pd.read_csv(tmp_path / "t.csv").to_dict("records")
    assert row["trials"] > 0
    assert row["broken"] == 0
    assert f"| photos | {row['promise']} | {row['trials']} | 0 |" in lines


def test_every_part_has_promises_that_can_be_tried(tmp_path) -> None:
    bench = Bench(tmp_path)
    for name, part in PARTS.items():
        promises = part.promises(bench)
        assert len({each.name for each in promises}) == len(promises) > 0
        for each in promises:
            assert each.part == name
            assert callable(each.trial)
            assert callable(each.prepare)
            assert each.most is None or each.most > 0
