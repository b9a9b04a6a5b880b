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
    sources_of,
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


HIDING = """
features = dict()
head = {"head": dict(_delete_=True, type="DecomposedHead")}
training = dict(weight_decay=0.1, steps=25)
hide = dict(kind="mask_everywhere", share=0.2)
layer = dict(hidden=dict(width=8), training=dict(epochs=3, batch_size=32))
groups = [dict(
    name="g",
    baseline=dict(name="b", config=head, training=training),
    techniques=[
        dict(name="all", hide=hide),
        dict(name="complete", hide=hide, learn="complete"),
        dict(name="pseudo", hide=hide, learn="pseudo"),
        dict(name="hidden layer", hide=dict(kind="thirds"), **layer),
    ],
)]
del head, training, hide, layer
"""


def test_hidden_labels_cost_what_they_tell(study, data) -> None:
    (data / "hiding.py").write_text(HIDING)
    rows = study_techniques(TechniqueStudy(**{**vars(study), "techniques": data / "hiding.py"}))
    rows = rows.set_index("technique")
    assert rows["macro_f1"].is_unique  # each learns from something else
    # The mask, which everybody tells, is learned from more people than the rest.
    assert rows.loc["all", "mask_f1"] > rows.loc["complete", "mask_f1"]
    assert rows.loc["all", "mask_difference"] > rows.loc["all", "age_difference"]
    assert (rows["age_low"] <= rows["age_difference"]).all()


def mixed(data: Path, name: str, weights: dict[str, float]) -> list[dict]:
    """Write the drawn photos as tables of three sources, of which one knows the mask alone."""
    samples = read_train(data / "data").drop(columns=["source", "weight"])
    number = samples["person"].factorize()[0]
    samples["fold"] = number % 3
    tables = []
    for source, rows in samples.groupby(np.take(["masks", "more", "mine", "mine"], number % 4)):
        path = data / "data" / f"{name}_{source}.csv"
        columns = ["image", "person", "fold", "mask", "gender", "age"]
        rows[columns[:4] if source == "masks" else columns].to_csv(path, index=False)
        tables.append({"table": str(path), "name": source})
        if weights:
            tables[-1]["weight"] = weights[source]
    return tables


def without_sources(study, data, tmp_path, name: str, **weights: float) -> pd.DataFrame:
    """Return the table of a study of the heads without each source."""
    space = tmp_path / "own.py"
    space.write_text(
        "features = dict()\n"
        "head = {'head': dict(_delete_=True, type='DecomposedHead')}\n"
        "b = dict(name='every', config=head, training=dict(steps=25))\n"
        "groups = [dict(name='g', baseline=b, techniques=[])]\n"
        "del b, head\n"
    )
    config = tmp_path / f"{name}.py"
    tables = mixed(data, name, weights)
    config.write_text(f"_base_ = {str(CONFIG)!r}\ndata = dict(table={tables!r})\n")
    changed = {"config": config, "techniques": space, "leave_source_out": True}
    return study_techniques(TechniqueStudy(**{**vars(study), **changed}))


def test_each_source_is_left_out_and_all_people_are_predicted(study, data, tmp_path) -> None:
    rows = without_sources(study, data, tmp_path, "plain").set_index("technique")
    assert [*rows.index] == ["without masks", "without mine", "without more"]
    assert (rows["people"] == 18).all()  # whose class is known
    # It knows the mask alone, so that the others' gender and age are learned as before.
    assert rows.loc["without masks", "gender_difference"] == pytest.approx(0, abs=0.1)
    assert rows.loc["without mine", "gender_difference"] < -0.1


def test_the_shares_of_the_sources_weigh_in_the_training(study, data, tmp_path) -> None:
    plain = without_sources(study, data, tmp_path, "plain")
    few = without_sources(study, data, tmp_path, "few", masks=1, more=1, mine=1e-6)
    assert few["baseline_macro_f1"][0] < plain["baseline_macro_f1"][0] - 0.05


def test_a_source_that_alone_knows_something_stays(capsys) -> None:
    samples = pd.DataFrame(
        {
            "image": ["a", "b", "c"],
            "person": ["a", "b", "c"],
            "mask": ["wear", "wear", None],
            "gender": ["male", None, "male"],
            "age": pd.array([20, None, None], dtype="Int16"),
            "source": ["mine", "masks", "people"],
        }
    )
    assert sources_of(with_labels(samples)) == ["masks", "people"]
    assert capsys.readouterr().out == "mine is not left out: no other source has a known age\n"


def test_one_source_alone_cannot_be_left_out(study) -> None:
    with pytest.raises(InputError, match=r"needs photos of two sources .* got train"):
        study_techniques(TechniqueStudy(**{**vars(study), "leave_source_out": True}))


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
        ({"configs": [CONFIG, CONFIG]}, "--techniques replaces the variants; leave out"),
        ({"jobs": 0}, "--jobs must be at least 1; got 0"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(tmp_path, given, message) -> None:
    fixed = {"configs": [CONFIG], "techniques": "techniques", "features": None, "jobs": None}
    with pytest.raises(InputError, match=message):
        run_techniques(**{**fixed, **given}, out=tmp_path, seeds=range(1))
