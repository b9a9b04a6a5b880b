"""Label issues from the command line."""

import numpy as np
import pandas as pd

from mmmask.datasets.layout import read_train, with_labels
from mmmask.tables import PREDICTIONS, PROBABILITIES, write_table

from .conftest import tool


def test_label_issues_are_shown_and_written_as_corrections(make_layout, tmp_path, refused) -> None:
    people = [(f"{i:06d}", ("male", "female")[i % 2], 20 + 2 * i) for i in range(24)]
    root = make_layout(people)
    samples = with_labels(read_train(root))
    truth = samples["label"].to_numpy(dtype=np.int64).copy()
    mistaken = samples["person"].str.startswith("000004")  # female, and labelled male
    truth[mistaken] += 3
    p = np.random.default_rng(0).dirichlet(np.full(18, 0.5), len(samples))
    p = 0.2 * p + 0.8 * np.eye(18)[truth]
    table = pd.concat(
        [samples[["image", "label", "person"]], pd.DataFrame(p, columns=list(PROBABILITIES))],
        axis=1,
    )
    oof, out = tmp_path / "oof.parquet", tmp_path / "suspects.csv"
    write_table(oof, table, PREDICTIONS)
    done = tool("label_errors.py", oof, "--data-root", root, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "labelled male; the photos say female" in " ".join(done.stdout.split())
    assert "0 or more" in done.stdout  # of ages
    assert f"tools/review.py {out} --out corrections.csv" in done.stdout
    issues = pd.read_csv(out, dtype=str)
    first = issues[issues["kind"] == "gender"].iloc[0]
    assert (first["person"], first["value"]) == ("000004_male_Asian_28", "female")

    line = refused("label_errors.py", oof, "--data-root", root, "--out", out, "--top", 0)
    assert "--top must be a whole number from 1 to 1000000; got 0" in line
