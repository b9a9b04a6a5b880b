"""Pseudo-labels of the test set: made, trained on, and said so to the end."""

import pandas as pd
import pytest

from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.ledger.cards import read_card
from mmmask.tables import PREDICTIONS, SAMPLES, read_table

from .conftest import tool, train


@pytest.mark.slow
def test_a_run_on_pseudo_labels_of_the_test_set_says_so_to_the_end(run, tmp_path, refused) -> None:
    predictions, out = tmp_path / "eval.parquet", tmp_path / "pseudo.parquet"
    labels = run.data / "eval_labels.csv"
    start = ("test.py", run.config, run.best, "--data-root", run.data, "--labels", labels)
    done = tool(*start, "--out", predictions)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stdout

    line = refused("pseudo_label.py", predictions, "--out", out, "--threshold", 0.999)
    assert "none of 42 photos is chosen: 1 of 1 models agree on 42, the surest of which" in line
    done = tool("pseudo_label.py", predictions, "--out", out, "--top-k", 3, "--weight", 0.5)
    assert done.returncode == 0, done.stderr
    samples = read_table(out, SAMPLES)
    assert f"warning: {len(samples)} of them are photos of the test set" in done.stdout
    assert "note: probabilities are not calibrated" in done.stdout
    assert "right" in done.stdout
    assert samples["label"].value_counts().max() <= 3

    work_dir = tmp_path / "run"
    more = ("--samples", out, "--pack", tmp_path / "photos.arrow")
    done = tool(*train(work_dir, run.data, *more, options=("train_cfg.max_epochs=1",)))
    assert done.returncode == 0, done.stderr
    sentence = f"{len(samples)} photos are trained on with pseudo-labels, {len(samples)} of them of"
    assert sentence in done.stdout + done.stderr
    split = pd.read_csv(work_dir / "split.csv").set_index("person")
    assert split.index.isin(samples["person"]).sum() == len(samples)
    (best,) = work_dir.glob("best_*.pth")
    record = load_checkpoint_file(str(best))["meta"]["pseudo_labels"]
    assert record["from_test_set"] == len(samples)
    assert read_card(work_dir)["sessions"][-1]["without_truth"] == {"pseudo_labels": record}

    done = tool("test.py", work_dir / run.config.name, best, "--out", tmp_path / "after.parquet")
    assert done.returncode == 0, done.stderr
    assert f"warning: trained on photos of the test set ({len(samples)} with labels" in done.stdout
    stated = read_table(tmp_path / "after.parquet", PREDICTIONS).attrs["provenance"]
    assert stated["pseudo_labels"] == record
