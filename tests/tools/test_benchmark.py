import pandas as pd
import pytest

from .conftest import tool


@pytest.mark.slow
def test_contenders_are_measured_and_compared(drawn, tmp_path) -> None:
    out = tmp_path / "bench"
    options = ["--backbones", "mobilenet_v2:4", "--repeats", "1", "--steps", "1", "--workers", "1"]
    contenders = ("model", "mmmask_packed", "stock", "plain")
    what = ["--tasks", "test_tta", "--contenders", *contenders]
    done = tool("benchmark.py", "--data-root", drawn, "--out", out, *options, *what)
    assert done.returncode == 0, done.stderr
    runs = pd.read_csv(out / "runs.csv")
    assert tuple(runs["contender"]) == contenders
    assert (runs[["photos_per_s", "first_step_s"]] > 0).all(axis=None)
    ratios = pd.read_csv(out / "ratios.csv").set_index(["task", "ratio"])["median"]
    speed = runs.set_index(["task", "contender"])["photos_per_s"]
    expected = speed["test_tta", "mmmask_packed"] / speed["test_tta", "stock"]
    assert ratios["test_tta", "mmmask_packed / stock"] == pytest.approx(expected, rel=0.01)
    assert (out / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_options_are_refused_before_anything_is_measured(drawn, tmp_path, refused) -> None:
    start = ("benchmark.py", "--data-root", drawn, "--out", tmp_path / "out")
    assert "NAME:BATCH" in refused(*start, "--backbones", "mobilenet_v2")
    assert "mobilenet_v2" in refused(*start, "--backbones", "lenet:4")
    assert "must be among" in refused(*start, "--contenders", "fast")
    assert "from 1 to" in refused(*start, "--repeats", "0")
    assert "no such file" in refused("benchmark.py", "--data-root", "none", "--out", tmp_path)
    assert not (tmp_path / "out").exists()
