import optuna
import pandas as pd
import pytest

from .conftest import CONFIG, SMALL, tool

SPACE = """
space = {
    "head.loss.class_weight": dict(
        type="categorical", choices=[None, "inverse", "effective_number"]
    ),
    "augmentations": dict(
        type="categorical",
        choices=[[dict(type="RandomFlip", prob=0.5, direction="horizontal")], []],
    ),
}
"""


@pytest.mark.slow
def test_trials_are_trained_scored_and_kept(drawn, tmp_path) -> None:
    space, out = tmp_path / "space.py", tmp_path / "out"
    space.write_text(SPACE)
    name = "mobilenet_v2_arcface"
    arguments = [name, "--space", space, "--trials", 2, "--jobs", 2, "--data-root", drawn]
    arguments += ["--pretrained", "none", "--out", out, "--cfg-options", *SMALL]
    arguments += ["train_cfg.max_epochs=1", "train_dataloader.num_workers=1"]
    done = tool("sweep.py", *arguments)
    assert done.returncode == 0, done.stderr
    assert "trial 0: macro F1" in done.stdout
    assert "5 people held out" in done.stdout
    table = pd.read_csv(out / "trials.csv")
    assert [*table["state"]] == ["complete", "complete"]
    assert (out / "history.png").stat().st_size > 1000
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{out}/study.db")
    for trial in study.trials:
        run = out / f"trial_{trial.number:04}" / "fold_0"
        trained = (run / f"trial_{trial.number:04}.py").read_text()
        weight = trial.params["head.loss.class_weight"]
        assert f"class_weight={weight!r}" in trained.replace("\n", "").replace(" ", "")
        assert [*trial.intermediate_values] == [1]


def test_a_name_that_the_config_has_not_is_refused_before_anything_runs(tmp_path, refused) -> None:
    space = tmp_path / "space.py"
    space.write_text("space = {'head.margn': dict(type='float', low=0.0, high=0.4)}")
    out = tmp_path / "out"
    line = refused("sweep.py", CONFIG, "--space", space, "--trials", 2, "--out", out)
    assert "space['head.margn']: " in line
    assert "head.margin" in line
    assert not out.exists()
