"""Calibration and prior shift from the command line, on predictions of made-up people."""

import numpy as np
import pandas as pd
import pytest

from mmmask.evaluation.scores import macro_f1
from mmmask.tables import PREDICTIONS, answers, read_predictions, write_table
from tests.simulated_people import SHIFTED, simulate_people, table_of

from .conftest import tool

STATED = {"old_from": 60, "preprocessing": {"size": [64, 48]}, "tta": []}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictions")
    for name, made_up in (
        ("oof", simulate_people(300)),
        ("eval", simulate_people(200, SHIFTED, seed=1)),
    ):
        write_table(folder / f"{name}.parquet", table_of(*made_up, name), PREDICTIONS, STATED)
    return folder


def test_a_shift_is_corrected_from_the_command_line(files, tmp_path) -> None:
    out = tmp_path / "corrected.parquet"
    done = tool(
        *("prior_shift.py", files / "eval.parquet", "--oof", files / "oof.parquet", "--out", out),
        *("--resamples", 20, "--plot", tmp_path / "shares.png", "--shares", tmp_path / "s.csv"),
    )
    assert done.returncode == 0, done.stderr
    assert "age >=60" in done.stdout
    assert "answers: decided for macro F1" in done.stdout
    assert (tmp_path / "shares.png").read_bytes().startswith(b"\x89PNG")
    before, after = (read_predictions(path) for path in (files / "eval.parquet", out))
    truth = before["label"].to_numpy(dtype=np.int64)
    assert macro_f1(truth, answers(after)) > macro_f1(truth, answers(before)) + 0.01
    scored = tool("score.py", out)
    assert f"macro F1 {macro_f1(truth, answers(after)):.3f}" in scored.stdout
    shares = pd.read_csv(tmp_path / "s.csv").set_index(["of", "value"])["share"]
    assert shares["age", ">=60"] == pytest.approx(0.31, abs=0.1)


def test_calibrated_from_the_command_line(files, tmp_path, refused) -> None:
    done = tool(
        *("calibrate.py", files / "oof.parquet", "--out", tmp_path / "calibration.json"),
        *("--plot", tmp_path / "reliability.png"),
    )
    assert done.returncode == 0, done.stderr
    assert "ECE" in done.stdout
    assert (tmp_path / "calibration.json").is_file()
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_missing_is_said_in_one_line(files, tmp_path, refused) -> None:
    line = refused("prior_shift.py", files / "eval.parquet", "--out", tmp_path / "o.parquet")
    assert "--oof is needed" in line
    given = ("prior_shift.py", files / "eval.parquet", "--out", tmp_path / "o.parquet")
    assert "--resamples must be a whole number from 20 to 1000000; got 2" in refused(
        *given, "--resamples", 2
    )
    assert "--people must be a whole number from 20 to 1000000; got 5" in refused(
        *given, "--simulate", 2, "--people", 5
    )
    oof = ("--oof", files / "oof.parquet")
    assert "--oof has no effect with --simulate" in refused(*given, *oof, "--simulate", 2)
    assert "--people has no effect without" in refused(*given, *oof, "--people", 50)
    assert "--caution must be a number from 0 to 1" in refused(*given, *oof, "--caution", -1)
    assert "a picture must end in .png" in refused(*given, *oof, "--plot", tmp_path / "p.txt")
    assert not (tmp_path / "o.parquet").exists()
