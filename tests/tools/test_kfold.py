import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from mmmask.datasets.layout import read_train
from mmmask.evaluation.scores import macro_f1
from mmmask.tables import probabilities, read_predictions

from .conftest import CONFIG, ROOT, SMALL, tool

OPTIONS = ("--cfg-options", *SMALL, "train_cfg.max_epochs=3")


@pytest.mark.slow
def test_a_k_fold_that_was_killed_continues_at_the_fold_and_epoch_where_it_was(
    drawn, tmp_path
) -> None:
    out = tmp_path / "out"
    arguments = ["mobilenet_v2_arcface", "--folds", 2, "--data-root", drawn, "--pretrained", "none"]
    arguments += ["--out", out, "--no-eval", *OPTIONS]
    process = subprocess.Popen(
        [sys.executable, "tools/kfold.py", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (out / "fold_1" / "last_checkpoint").exists():  # written after what it names
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()  # and nothing else: the training it started must not stay
    process.wait()
    kept = {path: path.read_bytes() for path in (out / "fold_0").rglob("*") if path.is_file()}
    assert not (out / "oof.parquet").exists()

    done = tool("kfold.py", *arguments)
    assert done.returncode == 0, done.stderr
    epochs = [line.split("  ")[0] for line in done.stdout.splitlines() if "train loss" in line]
    assert epochs == ["epoch 2/3", "epoch 3/3"]  # of fold 1 alone
    assert all(path.read_bytes() == content for path, content in kept.items())

    oof = read_predictions(out / "oof.parquet")
    assert oof["image"].tolist() == read_train(drawn)["image"].tolist()
    assert (oof.groupby("person")["fold"].nunique() == 1).all()
    assert set(oof["fold"]) == {0, 1}
    for fold in (0, 1):
        split = pd.read_csv(out / f"fold_{fold}" / "split.csv")
        trained = set(split.loc[split["part"] == "train", "person"])
        assert not trained & set(oof.loc[oof["fold"] == fold, "person"])
    summary = pd.read_csv(out / "summary.csv").set_index("part")
    truth = oof["label"].to_numpy(dtype=np.int64)
    score = macro_f1(truth, probabilities(oof).argmax(axis=1))
    assert abs(summary.loc["out of fold", "macro_f1"] - score) < 1e-9
    assert f"macro F1 {score:.3f} [" in done.stdout
    assert "95 % interval over 24 people" in done.stdout
    assert not (out / "eval.parquet").exists()


def test_folds_that_there_are_not_people_for_are_refused(drawn, tmp_path, refused) -> None:
    line = refused("kfold.py", CONFIG, "--folds", 25, "--data-root", drawn, "--out", tmp_path / "o")
    assert "folds must be from 2 to the number of people, 24; got 25" in line
    assert os.listdir(tmp_path) == []
