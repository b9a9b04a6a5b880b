"""External photos: labelled by a model, written as samples, trained on."""

import shutil

import pandas as pd

from mmmask.tables import SAMPLES, read_table

from .conftest import tool, train


def test_labelled_photos_are_samples_that_training_takes(run, tmp_path) -> None:
    folder = tmp_path / "web"
    shutil.copytree(run.data / "eval" / "images", folder)
    names = sorted(path.name for path in folder.iterdir())
    listed = folder / "photos.csv"
    pd.DataFrame({"image": names, "mask": "wear", "gender": "male"}).to_csv(listed, index=False)
    out = tmp_path / "external.parquet"
    arguments = ["label_external.py", run.config, run.best, listed, "--out", out]
    done = tool(*arguments, "--threshold", 0, "--weight", 0.25)
    assert done.returncode == 0, done.stderr
    assert f"{len(names)} of {len(names)} photos labelled" in done.stdout
    samples = read_table(out, SAMPLES)
    assert set(samples["label"]) <= {0, 1, 2}
    assert (samples["source"] == "external").all()
    assert (samples["weight"] == 0.25).all()

    options = ("train_cfg.max_epochs=1",)
    done = tool(*train(tmp_path / "run", run.data, "--samples", out, options=options))
    assert done.returncode == 0, done.stderr
    split = pd.read_csv(tmp_path / "run" / "split.csv")
    assert split["person"].str.startswith("external/").sum() == len(names)


def test_a_threshold_that_no_photo_reaches_is_refused(run, refused, tmp_path) -> None:
    arguments = ["label_external.py", run.config, run.best, run.data / "eval" / "images"]
    line = refused(*arguments, "--out", tmp_path / "x.csv", "--threshold", 0.9999)
    assert "photos reaches --threshold 0.9999; the surest has 0." in line
    assert "--weight must be above 0; got 0.0" in refused(
        *arguments, "--out", "x.csv", "--weight", 0
    )
