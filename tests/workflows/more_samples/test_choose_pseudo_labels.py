"""Pseudo-labels, from predictions to samples that a data set takes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mmengine.registry import init_default_scope

import mmmask.register  # noqa: F401
from mmmask.datasets.data_source import DataSource
from mmmask.datasets.mask_faces import MaskFaceDataset
from mmmask.engine.hooks.without_truth_hooks import pseudo_labels
from mmmask.errors import InputError
from mmmask.evaluation.calibration import Calibration
from mmmask.labels import GENDERS, MASKS, decode
from mmmask.ledger.provenance import learned_from_test_set
from mmmask.tables import (
    ATTRIBUTE_PREDICTIONS,
    PREDICTIONS,
    PROBABILITIES,
    SAMPLES,
    prediction_columns,
    read_table,
    write_table,
)
from mmmask.workflows.more_samples.pseudo_label import pseudo_label

IMAGES = [f"eval/images/{9 - photo:040x}.jpg" for photo in range(9)]
PEOPLE = [(f"{i:06d}", GENDERS[i % 2], 20 + 15 * (i % 3)) for i in range(6)]


@pytest.fixture
def write(tmp_path):
    """Return a function that writes predictions of nine photos from their classes and sureness."""

    def write(name: str, labels, sure, **columns) -> Path:
        p = np.full((len(labels), 18), 0.0)
        p += ((1 - np.asarray(sure)) / 17)[:, None]
        p[np.arange(len(labels)), labels] = sure
        table = pd.DataFrame(p, columns=list(PROBABILITIES))
        table.insert(0, "image", IMAGES[: len(labels)])
        path = tmp_path / name
        write_table(path, table.assign(**columns), PREDICTIONS, {"split": "eval"})
        return path

    return write


LABELS, SURE = [0, 0, 0, 5, 5, 17, 17, 3, 8], [0.99, 0.95, 0.7, 0.9, 0.85, 0.6, 0.99, 0.8, 0.5]


def images_of(made) -> list[int]:
    return [IMAGES.index(image) for image in made.samples["image"]]


def test_the_sure_photos_become_samples_of_source_pseudo(write, tmp_path) -> None:
    out = tmp_path / "pseudo.parquet"
    made = pseudo_label([write("a.parquet", LABELS, SURE)], out, threshold=0.85, weight=0.5)
    assert images_of(made) == [0, 1, 3, 4, 6]
    table = read_table(out, SAMPLES)
    assert table["label"].tolist() == [0, 0, 5, 5, 17]
    assert (table["source"] == "pseudo").all()
    assert (table["weight"] == 0.5).all()
    assert table["person"].tolist() == [f"pseudo/{image}" for image in table["image"]]
    parts = decode(table["label"].to_numpy(dtype=np.int64))
    assert table["mask"].tolist() == list(np.take(MASKS, parts["mask"]))
    assert table["gender"].tolist() == list(np.take(GENDERS, parts["gender"]))
    assert "age" not in table  # nobody knows the years
    stated = table.attrs["provenance"]
    assert (stated["threshold"], stated["from_test_set"], made.from_test_set) == (0.85, 5, 5)


def test_the_surest_of_each_class_may_be_taken_or_be_the_most(write, tmp_path) -> None:
    path, out = write("a.parquet", LABELS, SURE), tmp_path / "pseudo.csv"
    assert images_of(pseudo_label([path], out, top=1)) == [0, 3, 6, 7, 8]
    assert images_of(pseudo_label([path], out, threshold=0.85, most=[1])) == [0, 3, 6]
    bounds = [0] * 17 + [2]
    made = pseudo_label([path], out, threshold=0.5, most=bounds)
    assert images_of(made) == [5, 6]
    row = made.classes.loc[0, ["seen", "agreed", "sure", "chosen"]]
    assert row.tolist() == [3, 3, 3, 0]


def test_models_are_averaged_and_must_agree(write, tmp_path) -> None:
    others = [0, 0, 0, 6, 5, 17, 17, 3, 8]
    paths = [
        write("a.parquet", LABELS, SURE),
        write("b.parquet", LABELS, SURE),
        write("c.parquet", others, [0.97, 0.95, 0.95, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]),
    ]
    out = tmp_path / "pseudo.csv"
    made = pseudo_label(paths, out, threshold=0.6)
    assert images_of(made) == [0, 1, 2, 4, 5, 6, 7, 8]  # of photo 3 they say 5, 5 and 6
    assert made.classes.loc[5, ["seen", "agreed"]].tolist() == [2, 1]
    assert images_of(pseudo_label(paths, out, threshold=0.6, agree=2)) == list(range(9))
    surer = pseudo_label(paths, out, threshold=0.78)
    assert images_of(surer) == [0, 1, 2, 4, 6, 7]  # 2: (0.7 + 0.7 + 0.95) / 3


def test_probabilities_are_calibrated_first(write, tmp_path) -> None:
    path, out = write("a.parquet", LABELS, SURE), tmp_path / "pseudo.csv"
    calibration = Calibration("temperature", 18, {"scale": 0.5})
    file = tmp_path / "calibration.json"
    file.write_text(pd.Series(calibration.to_dict()).to_json())
    made = pseudo_label([path], out, threshold=0.6, calibrations=[file])
    table = read_table(path, PREDICTIONS)[list(PROBABILITIES)].to_numpy()
    assert images_of(made) == np.flatnonzero(calibration(table).max(axis=1) >= 0.6).tolist()
    assert len(made.samples) < 8


def test_true_classes_serve_the_report_alone(write, tmp_path) -> None:
    wrong = [0, 0, 1, 5, 6, 17, 17, 3, 8]
    path = write("a.parquet", LABELS, SURE, label=wrong)
    made = pseudo_label([path], tmp_path / "pseudo.csv", threshold=0.69)
    assert made.classes["right"].to_dict() | {0: 2, 5: 1} == made.classes["right"].to_dict()
    assert made.samples["label"].tolist() == [0, 0, 0, 5, 5, 17, 3]


def test_a_data_set_reads_them_from_the_test_set_and_a_run_says_so(
    write, make_layout, tmp_path
) -> None:
    init_default_scope("mmpretrain")
    root = make_layout(PEOPLE, eval_photos=9)
    out = tmp_path / "pseudo.parquet"
    pseudo_label([write("a.parquet", LABELS, SURE)], out, threshold=0.89)
    steps = [{"type": "LoadPhoto"}, {"type": "Preprocess", "size": (8, 6)}, {"type": "PackPhoto"}]
    dataset = MaskFaceDataset(root, split="train", samples=[str(out)], pipeline=steps)
    test_set = MaskFaceDataset(root, split="eval", pipeline=steps)
    for row, (image, label) in enumerate([(0, 0), (1, 0), (3, 5), (6, 17)], len(dataset) - 4):
        photo = test_set.samples.index[test_set.samples["image"] == IMAGES[image]][0]
        assert (dataset[row]["inputs"] == test_set[photo]["inputs"]).all()
        assert dataset[row]["data_samples"].gt_label == label
    source = DataSource(root)
    record = pseudo_labels(dataset.samples, source)
    assert (record["count"], record["from_test_set"]) == (4, 4)
    assert pseudo_labels(dataset.samples.iloc[:-4], source) is None


def test_what_is_made_of_such_predictions_is_marked_too() -> None:
    record = {"count": 40, "from_test_set": 30, "fingerprint": "x"}
    assert learned_from_test_set({"pseudo_labels": None, "unlabelled": None}) is None
    assert learned_from_test_set({"pseudo_labels": {**record, "from_test_set": 0}}) is None
    inner = {"path": "a.parquet", "provenance": {"pseudo_labels": record, "unlabelled": record}}
    sentence = learned_from_test_set({"members": [{"provenance": {}}, inner]})
    assert sentence.startswith(
        "trained on photos of the test set (30 unlabelled, 30 with labels that a model gave them)"
    )


def test_input_at_fault_is_named(write, tmp_path) -> None:
    path, out = write("a.parquet", LABELS, SURE), tmp_path / "pseudo.csv"
    with pytest.raises(
        InputError,
        match=r"none of 9 photos is chosen: 1 of 1 models agree on 9, the surest of which has "
        r"0\.990; --threshold is 0\.995",
    ):
        pseudo_label([path], out, threshold=0.995)
    other = write("b.parquet", [1] * 9, SURE)
    with pytest.raises(InputError, match=r"2 of 2 models agree on 0, .* has 0\.000"):
        pseudo_label([path, other], out)
    with pytest.raises(InputError, match="--top-k replaces"):
        pseudo_label([path], out, top=3, threshold=0.5)
    with pytest.raises(InputError, match=r"--threshold must be from 0 to 1; got 1\.5"):
        pseudo_label([path], out, threshold=1.5)
    with pytest.raises(InputError, match="--top-k must be at least 1; got 0"):
        pseudo_label([path], out, top=0)
    with pytest.raises(InputError, match=r"one number from 0 or 18 of them; got \[1, 2\]"):
        pseudo_label([path], out, most=[1, 2])
    with pytest.raises(
        InputError, match="--agree must be from 1 to the number of models, 1; got 2"
    ):
        pseudo_label([path], out, agree=2)
    with pytest.raises(InputError, match="--weight must be above 0; got 0"):
        pseudo_label([path], out, weight=0)
    with pytest.raises(InputError, match="one file for each of the 1 members; got 2"):
        pseudo_label([path], out, calibrations=["a.json", "b.json"])
    trained = tmp_path / "trained.parquet"
    table = read_table(path, PREDICTIONS)
    table["image"] = table["image"].str.replace("eval", "train")
    write_table(trained, table, PREDICTIONS)
    with pytest.raises(InputError, match=r"for photos without labels; got train/images/0+9\.jpg"):
        pseudo_label([trained], out)
    alone = tmp_path / "gender.parquet"
    names = prediction_columns("gender")[1]
    genders = pd.DataFrame({"image": IMAGES, **dict.fromkeys(names, 0.5)})
    write_table(alone, genders, ATTRIBUTE_PREDICTIONS["gender"])
    with pytest.raises(InputError, match=r"gender\.parquet: predicts gender alone"):
        pseudo_label([alone], out)
    submission = tmp_path / "submission.csv"
    submission.write_text("ImageID,ans\nx.jpg,3\n")
    with pytest.raises(InputError, match=r"must be predictions, .*; got a submission"):
        pseudo_label([submission], out)
    assert not out.exists()
