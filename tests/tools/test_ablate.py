import pandas as pd
import pytest

from .conftest import CONFIG, SMALL, tool

OPTIONS = ("--cfg-options", *SMALL, "train_cfg.max_epochs=1")


@pytest.mark.slow
def test_two_configs_are_trained_compared_and_kept(drawn, tmp_path) -> None:
    out = tmp_path / "out"
    arguments = [CONFIG, "mobilenet_v2_linear", "--seeds", 1, "--data-root", drawn]
    arguments += ["--pretrained", "none", "--out", out, *OPTIONS]
    done = tool("ablate.py", *arguments)
    assert done.returncode == 0, done.stderr
    (row,) = pd.read_csv(out / "ablation.csv").itertuples()
    assert row.variant == "mobilenet_v2_linear"
    assert row.blocks == "head"
    assert row.verdict == "not shown"
    assert row.photos == 5 * 7
    assert (out / "ablation.png").stat().st_size > 1000
    runs = {path: path.stat().st_mtime_ns for path in out.glob("*/seed_0/epoch_1.pth")}
    assert len(runs) == 2

    # A run that lacks its predictions alone is not trained again.
    (out / "mobilenet_v2_linear" / "seed_0" / "predictions.parquet").unlink()
    again = tool("ablate.py", *arguments)
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in runs} == runs


def test_no_seeds_are_refused(refused) -> None:
    line = refused("ablate.py", CONFIG, "configs/mobilenet_v2_linear.py", "--seeds", 0)
    assert "--seeds must be a whole number from 1 to 1000; got 0" in line


def test_features_without_techniques_are_refused(refused) -> None:
    line = refused("ablate.py", CONFIG, "--features", "features.arrow")
    assert "--features and --jobs are for a study of --techniques; got none" in line


def test_a_baseline_alone_is_refused(refused) -> None:
    assert "ablate needs a baseline and variants" in refused("ablate.py", CONFIG)
