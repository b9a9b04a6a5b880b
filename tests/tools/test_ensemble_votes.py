"""Votes from the command line, on predictions of simulated models."""

import sys

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from mmmask.tables import PREDICTIONS, PROBABILITIES, probabilities, read_predictions, write_table

from .conftest import call, tool

PEOPLE = 30


def predictions(seed: int, folder: str, known: bool) -> pd.DataFrame:
    random = np.random.default_rng([seed, known])
    labels = np.random.default_rng(known).integers(0, 18, 7 * PEOPLE)
    seen = 2 * np.eye(18)[labels] + random.normal(size=(len(labels), 18))
    values = pd.DataFrame(softmax(2 * seen, axis=1), columns=list(PROBABILITIES))
    values.insert(0, "image", [f"{folder}/{row}.jpg" for row in range(len(labels))])
    person = np.repeat(np.arange(PEOPLE), 7).astype(str)
    return values.assign(label=labels, person=person) if known else values


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Out-of-fold and eval predictions of three models, and the photos to be classified."""
    root = tmp_path_factory.mktemp("models")
    for name in "abc":
        for split, folder in (("oof", "train/images"), ("eval", "eval/images")):
            table = predictions(ord(name), folder, split == "oof")
            path = root / name / f"{split}.parquet"
            write_table(path, table, PREDICTIONS, {"split": split, "old_from": 60})
    (root / "eval").mkdir()
    names = [f"{row}.jpg" for row in range(7 * PEOPLE)][::-1]
    pd.DataFrame({"ImageID": names, "ans": 0}).to_csv(root / "eval/info.csv", index=False)
    return root


def test_a_weighted_vote_with_submission_and_picture(models, tmp_path) -> None:
    oof = [models / name / "oof.parquet" for name in "abc"]
    others = [models / name / "eval.parquet" for name in "abc"]
    done = tool(
        *("ensemble.py", *others, "--vote", "weighted", "--oof", *oof, "--data-root", models),
        *("--out", tmp_path / "p.parquet", "--submission", tmp_path / "s.csv"),
        *("--plot", tmp_path / "agreement.png"),
    )
    assert done.returncode == 0, done.stderr
    assert "210 photos, 95 % interval over 30 people" in done.stdout
    assert "On people that it was not fitted on, this vote has macro F1" in done.stdout
    for title in ("class", "mask", "gender", "age"):
        assert f"{title}, % alike" in done.stdout
    assert (tmp_path / "agreement.png").stat().st_size > 10_000
    table = read_predictions(tmp_path / "p.parquet")
    submission = pd.read_csv(tmp_path / "s.csv")
    info = pd.read_csv(models / "eval/info.csv")
    assert submission["ImageID"].tolist() == info["ImageID"].tolist()
    assert submission["ans"].tolist() == probabilities(table).argmax(axis=1)[::-1].tolist()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--compose", "--oof", "a/oof.parquet"), "--oof has no effect with --compose or --soup"),
        (("--soup", "x.py", "--old-from", "58"), "--old-from has no effect with --compose or"),
        (("--vote", "weighted"), "label is missing; weights and stacks are found on predictions"),
    ],
)
def test_options_that_do_not_go_together_are_refused(models, refused, arguments, sentence) -> None:
    line = refused("ensemble.py", models / "a/eval.parquet", *arguments)
    assert sentence in line


def test_two_ways_at_once_are_refused(models) -> None:
    done = tool("ensemble.py", models / "a/eval.parquet", "--compose", "--vote", "soft")
    assert done.returncode == 2
    assert "not allowed with argument" in done.stderr


def test_only_stacking_loads_scikit_learn_and_no_vote_loads_torch() -> None:
    code = (
        "import sys, mmmask.workflows.ensemble.combine, mmmask.workflows.ensemble.compose\n"
        "print([name for name in ('sklearn', 'torch', 'mmengine') if name in sys.modules])"
    )
    assert call(sys.executable, "-c", code).stdout == "[]\n"
