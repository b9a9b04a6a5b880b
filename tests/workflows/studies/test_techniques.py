"""A study of techniques on made-up features of drawn people."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.datasets.features import Features, read_features
from mmmask.datasets.layout import read_train, with_labels
from mmmask.drawing.drawn_faces import draw_dataset
from mmmask.errors import InputError
from mmmask.evaluation.jackknife import Difference
from mmmask.labels import decode
from mmmask.workflows.studies import techniques
from mmmask.workflows.studies.techniques import (
    TechniqueStudy,
    run_techniques,
    study_techniques,
    verdict,
)
from tests.made_features import made_features

CONFIG = Path(__file__).parents[3] / "configs" / "face_probe.py"
SPACE = """
features = dict(half=dict(columns=(0, 8)))
head = {"head": dict(_delete_=True, type="DecomposedHead")}
groups = [dict(
    name="g",
    baseline=dict(name="b", config=head, training=dict(weight_decay=0.1, steps=25)),
    techniques=[
        dict(name="same", expects="better"),
        dict(name="nothing seen", features=["half"], expects="worse"),
        dict(name="the other way", features=["half"], expects="better"),
        dict(name="old from 50", config={"data.old_from": 50}),
        dict(name="undersampled", sampler=dict(type="UnderSampler", by="mask")),
        dict(name="pseudo", pseudo_labels=0.5),
        dict(name="decided", calibration="attribute", decision="macro-f1"),
        dict(name="views", test_views=["base", "base"]),
        *[dict(name=f"{share}", people=share) for share in (0.5, 0.6, 0.8)],
    ],
)]
del head
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Drawn people, and features that show their labels in the second half of the columns."""
    root = tmp_path_factory.mktemp("techniques")
    draw_dataset(root / "data", people=24, eval_people=2, seed=0, size=(32, 32), processes=1)
    samples = with_labels(read_train(root / "data"))
    parts = decode(samples["label"].to_numpy(dtype=np.int64))
    seen = np.concatenate([np.eye(3)[parts[name]] for name in ("mask", "gender", "age")], axis=1)
    random = np.random.default_rng(0)
    values = random.normal(size=(len(samples) + 2, 17))
    values[: len(samples), 8:] = seen + 0.3 * values[: len(samples), 8:]
    images = [*samples["image"], "eval/images/a.jpg", "eval/images/b.jpg"]
    made_features(root / "features.arrow", images, values.astype(np.float32))
    (root / "space.py").write_text(SPACE)
    return root


@pytest.fixture(autouse=True)
def no_network(monkeypatch) -> None:
    monkeypatch.setattr(techniques, "ensure_files", lambda load, space, base, out: {"base": base})


@pytest.fixture
def study(data, tmp_path) -> TechniqueStudy:
    return TechniqueStudy(
        config=CONFIG,
        techniques=data / "space.py",
        features=data / "features.arrow",
        seeds=range(2),
        out=tmp_path / "out",
        data_root=str(data / "data"),
        options=["data.folds=3"],
    )


def written(path: Path) -> Path:
    """Write a study of one technique that is its baseline."""
    path.write_text(
        "features = dict()\n"
        "b = dict(name='b', training=dict(steps=2))\n"
        "groups = [dict(name='g', baseline=b, techniques=[dict(name='t')])]\n"
        "del b\n"
    )
    return path


def test_techniques_are_compared_with_their_baseline_and_trainings_are_kept(study, tmp_path):
    table = study_techniques(study)
    rows = table.set_index("technique")
    assert (rows["people"] == 24).all() and (rows["seeds"] == 2).all()
    assert rows["baseline_macro_f1"].nunique() == 1
    same = rows.loc["same"]
    assert (same["difference"], same["low"], same["high"]) == (0, 0, 0)
    assert same["verdict"] == "not shown"
    # The same heads, so the same answers; and they have seen something.
    assert rows.loc["views", "difference"] == 0
    assert same["macro_f1"] > rows.loc["nothing seen", "macro_f1"] + 0.2
    assert rows.loc["nothing seen", "verdict"] == "confirmed"
    assert rows.loc["the other way", "verdict"] == "refuted"
    assert rows.loc["10 times the people", "verdict"] == "extrapolated"
    assert len(same["by_seed"].split()) == 2

    fits = {path: path.stat().st_mtime_ns for path in (study.out / "fits").iterdir()}
    # 12 techniques; those with the same training share its fits.
    assert len(fits) == 2 * 9
    one = min(fits)
    one.unlink()
    again = study_techniques(study)
    pd.testing.assert_frame_equal(again.drop(columns="seconds"), table.drop(columns="seconds"))
    changed = {path for path, time in fits.items() if path.stat().st_mtime_ns != time}
    assert changed == {one}


@pytest.mark.slow
def test_two_processes_train_the_same_as_one(study, data, tmp_path) -> None:
    path = written(data / "one.py")
    fields = {**vars(study), "techniques": path}
    one, two = (
        study_techniques(TechniqueStudy(**{**fields, "out": tmp_path / str(jobs), "jobs": jobs}))
        for jobs in (1, 2)
    )
    pd.testing.assert_frame_equal(one.drop(columns="seconds"), two.drop(columns="seconds"))


def test_other_features_are_trained_anew(study, data, tmp_path) -> None:
    path = written(data / "one.py")
    fields = {**vars(study), "techniques": path, "seeds": range(1)}
    study_techniques(TechniqueStudy(**fields))
    stored = read_features(data / "features.arrow")
    more = Features(stored.path, stored.images, stored.values + 1)
    path = made_features(tmp_path / "more.arrow", list(more.images), more.values[:, 0])
    study_techniques(TechniqueStudy(**{**fields, "features": path}))
    assert len(list((study.out / "fits").iterdir())) == 2


def test_a_head_option_that_does_not_exist_is_refused(study, data) -> None:
    path = data / "wrong.py"
    path.write_text(
        "features = dict()\n"
        "groups = [dict(name='g', baseline=dict(name='b'),"
        " techniques=[dict(name='t', config={'head.margn': 1})])]\n"
    )
    with pytest.raises(InputError, match="margn"):
        study_techniques(TechniqueStudy(**{**vars(study), "techniques": path}))


def test_pseudo_labels_need_photos_without_labels(study, data, tmp_path) -> None:
    stored = read_features(data / "features.arrow")
    images = [image for image in stored.images if image.startswith("train/")]
    path = made_features(tmp_path / "train.arrow", images, stored.of(images))
    with pytest.raises(InputError, match="pseudo_labels need the features of photos of eval/"):
        study_techniques(TechniqueStudy(**{**vars(study), "features": path}))


def test_columns_beyond_the_file_are_refused(study, data) -> None:
    path = data / "wide.py"
    path.write_text(SPACE.replace("(0, 8)", "(0, 99)"))
    with pytest.raises(InputError, match=r"columns must be from 0 to 17.*got 0 to 99"):
        study_techniques(TechniqueStudy(**{**vars(study), "techniques": path}))


@pytest.mark.parametrize(
    ("value", "expects", "said"),
    [
        ((0.02, -0.01, 0.05), "better", "not shown"),
        ((0.02, 0.01, 0.03), None, "shown"),
        ((0.02, 0.01, 0.03), "better", "confirmed"),
        ((0.02, 0.01, 0.03), "worse", "refuted"),
        ((-0.02, -0.03, -0.01), "worse", "confirmed"),
        ((-0.02, -0.03, -0.01), "better", "refuted"),
    ],
)
def test_a_verdict_follows_the_interval_and_the_claim(value, expects, said) -> None:
    assert verdict(Difference(*value, 0.02), expects) == said


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"techniques": None, "jobs": 2}, "are for a study of --techniques; got none"),
        ({"configs": [CONFIG, CONFIG]}, "--techniques replaces the variants; got"),
        ({"jobs": 0}, "--jobs must be at least 1; got 0"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(tmp_path, given, message) -> None:
    fixed = {"configs": [CONFIG], "techniques": "techniques", "features": None, "jobs": None}
    with pytest.raises(InputError, match=message):
        run_techniques(**{**fixed, **given}, out=tmp_path, seeds=range(1))
