"""A linear probe from photos to tables, checkpoint and submission."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

import mmmask.register  # noqa: F401
from mmmask.blocks import compose
from mmmask.config import load_config
from mmmask.datasets.features import open_features, read_features
from mmmask.datasets.layout import read_eval, read_train, with_labels
from mmmask.datasets.photo_store import StalePackError
from mmmask.datasets.splits import assign_folds
from mmmask.drawing.drawn_faces import draw_dataset
from mmmask.engine.linear_probe_loop import check_probe
from mmmask.errors import InputError
from mmmask.ledger.cards import read_card, status
from mmmask.models.backbones.mobile_facenet import MobileFaceNet
from mmmask.tables import probabilities, read_predictions, years_of
from mmmask.workflows.frozen_features import ensure_features, frozen_model
from mmmask.workflows.label_errors.find import find_label_errors
from mmmask.workflows.linear_probe import LinearProbe, linear_probe
from mmmask.workflows.predict import Request, predict
from mmmask.workflows.train import build_runner, train

CONFIG = Path(__file__).parents[2] / "configs" / "face_probe.py"
OPTIONS = ("preprocessing.size=(32,24)", "train_dataloader.num_workers=0", "data.folds=3")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("probe")
    draw_dataset(root / "data", people=24, eval_people=2, seed=0, size=(48, 64), processes=1)
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    net = MODELS.build({"type": "FoldedMobileNetV1"})
    net.init_weights()
    weights = {f"backbone.{name}": value for name, value in net.state_dict().items()}
    torch.save({"state_dict": weights}, root / "weights.pth")
    return root


def study(data: Path, out: Path, **more) -> LinearProbe:
    given = {"data_root": str(data / "data"), "pretrained": str(data / "weights.pth")}
    return LinearProbe(config=CONFIG, out=out, options=OPTIONS, **{**given, **more})


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("done") / "probe"
    submission = out.parent / "answers.csv"
    return linear_probe(study(data, out, submission=submission)), out, submission


def test_everybody_is_predicted_by_a_head_that_has_not_seen_them(data, done) -> None:
    (table, summary, files), out, _ = done
    samples = read_train(data / "data")
    assert table["image"].tolist() == samples["image"].tolist()
    assert table["fold"].tolist() == assign_folds(samples, folds=3).tolist()
    stored = read_predictions(out / "oof.parquet")
    np.testing.assert_array_equal(probabilities(stored), probabilities(table))
    stated = stored.attrs["provenance"]
    assert (stated["split"], stated["folds"], len(stated["C"])) == ("oof", 3, 3)
    assert stated["checkpoint"] is None
    assert summary["part"].iloc[-1] == "out of fold"
    assert {path.name for path in files.values()} >= {"features.arrow", "epoch_1.pth"}
    assert status(read_card(out)) == "finished"


def test_the_checkpoint_is_an_ordinary_one_that_says_what_the_table_says(data, done) -> None:
    _, out, submission = done
    table = read_predictions(out / "eval.parquet")
    checkpoint = out / "epoch_1.pth"
    request = Request(
        config=out / "face_probe.py", checkpoint=checkpoint, out=out.parent / "again.parquet"
    )
    again = predict(request).table
    assert again["image"].tolist() == table["image"].tolist()
    np.testing.assert_allclose(probabilities(again), probabilities(table), atol=1e-5)
    np.testing.assert_allclose(years_of(again), years_of(table), atol=1e-5)
    given = pd.read_csv(submission)
    info = pd.read_csv(data / "data" / "eval" / "info.csv")
    assert given["ImageID"].tolist() == info["ImageID"].tolist()
    assert given["ans"].tolist() == probabilities(table).argmax(axis=1).tolist()


def test_a_second_start_keeps_features_and_run(data, done) -> None:
    (table, *_), out, _ = done
    kept = {name: (out / name).stat().st_mtime_ns for name in ("features.arrow", "epoch_1.pth")}
    again, _, _ = linear_probe(study(data, out))
    assert kept == {name: (out / name).stat().st_mtime_ns for name in kept}
    np.testing.assert_array_equal(probabilities(again), probabilities(table))


def test_the_shares_of_sources_weigh_as_weights_of_their_photos_do(data, done, tmp_path) -> None:
    _, out, _ = done
    samples = read_train(data / "data").drop(columns=["source", "weight"])
    number = samples["person"].factorize()[0]
    # Each fold has 2 people of the one source and 6 of the other.
    few = number // 3 % 4 == 0
    samples["fold"] = number % 3
    by_hand = samples.assign(weight=np.where(few, 0.5 * 24 / 6, 0.5 * 24 / 18).astype(np.float32))
    found = []
    for name, rows, weight in (("shares", samples, 3.0), ("hand", by_hand, None)):
        tables = []
        for source, part in (("few", rows[few]), ("many", rows[~few])):
            path = data / "data" / f"{name}_{source}.csv"
            part.to_csv(path, index=False)
            stated = {} if weight is None else {"weight": weight}
            tables.append({"table": str(path), "name": source, **stated})
        config = tmp_path / f"{name}.py"
        config.write_text(f"_base_ = {str(CONFIG)!r}\ndata = dict(table={tables!r})\n")
        probe = study(data, tmp_path / name, features=out / "features.arrow", eval_split=False)
        probe = dataclasses.replace(probe, config=config)
        table, *_ = linear_probe(probe)
        weights = torch.load(tmp_path / name / "epoch_1.pth", weights_only=False)["state_dict"]
        found.append((probabilities(table), weights["head.classifiers.age.weight"].numpy()))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert np.abs(found[0][0] - probabilities(done[0][0])).max() > 0.01


def test_labels_of_people_do_not_reach_their_own_predictions(data, done, tmp_path) -> None:
    (table, *_), out, _ = done
    held_out = table["fold"] == 1
    people = table.loc[held_out, "person"].unique()
    changed = pd.DataFrame(
        {
            "person": people,
            "photo": "*",
            "field": "gender",
            "value": ["female" if "_male_" in person else "male" for person in people],
        }
    )
    changed.to_csv(tmp_path / "changed.csv", index=False)
    corrected = {"corrections": str(tmp_path / "changed.csv"), "features": out / "features.arrow"}
    again, *_ = linear_probe(study(data, tmp_path / "probe", eval_split=False, **corrected))
    same = (probabilities(again) == probabilities(table)).all(axis=1)
    assert same[held_out.to_numpy()].all()
    assert not same[~held_out.to_numpy()].any()
    assert not (tmp_path / "probe" / "eval.parquet").exists()


def test_a_fold_that_is_held_out_is_neither_predicted_nor_learned_from(
    data, done, tmp_path
) -> None:
    (table, *_), out, _ = done
    people = table.loc[table["fold"] == 1, "person"].unique()
    changed = [(person, "*", "age", 60 if "_male_" in person else 20) for person in people]
    corrections = tmp_path / "changed.csv"
    columns = ["person", "photo", "field", "value"]
    pd.DataFrame(changed, columns=columns).to_csv(corrections, index=False)
    tables, evals = [], []
    for name, more in (("a", {}), ("b", {"corrections": str(corrections)})):
        probe = study(data, tmp_path / name, hold_out=1, features=out / "features.arrow", **more)
        tables.append(linear_probe(probe)[0])
        evals.append(read_predictions(tmp_path / name / "eval.parquet"))
    assert tables[0]["image"].tolist() == table.loc[table["fold"] != 1, "image"].tolist()
    assert {*tables[0]["fold"]} == {0, 2}
    np.testing.assert_array_equal(*map(probabilities, tables))
    np.testing.assert_array_equal(*map(probabilities, evals))
    assert not {*people} & {*pd.read_csv(tmp_path / "a" / "split.csv")["person"]}
    stated = read_predictions(tmp_path / "a" / "oof.parquet").attrs["provenance"]
    assert (stated["split"], stated["hold_out"], len(stated["C"])) == ("oof", 1, 2)
    again = study(data, tmp_path / "a", features=out / "features.arrow")
    with pytest.raises(InputError, match=r"holds a run of another config, 2 .*data\.fold was 1"):
        linear_probe(again)


def test_people_held_out_are_not_learned_from_by_further_samples_either(
    data, done, tmp_path
) -> None:
    (table, *_), out, _ = done
    person = table.loc[table["fold"] == 0, "person"].iloc[0]
    image = read_eval(data / "data")["image"].iloc[0]
    (tmp_path / "more.csv").write_text(f"image,person,label\n{image},{person},3\n")
    probe = study(
        data,
        tmp_path / "p",
        hold_out=0,
        features=out / "features.arrow",
        samples=[str(tmp_path / "more.csv")],
    )
    with pytest.raises(
        InputError, match=rf"must not share a person; got 1 in both, such as {person}"
    ):
        linear_probe(probe)


def test_its_table_serves_to_find_label_errors(data, done, tmp_path) -> None:
    _, out, _ = done
    found = find_label_errors(
        [out / "oof.parquet"], tmp_path / "suspects.csv", data_root=data / "data"
    )
    assert {*found.summary["kind"]} == {"mask", "gender", "age"}


def test_features_are_made_anew_once_a_photo_has_changed(data, done, tmp_path) -> None:
    _, out, _ = done
    shutil.copytree(data / "data", tmp_path / "data")
    features = shutil.copy(out / "features.arrow", tmp_path / "features.arrow")
    before = read_features(features)
    first, other = (before.images[place] for place in (0, 7))
    shutil.copy(tmp_path / "data" / other, tmp_path / "data" / first)
    moved = {"data_root": str(tmp_path / "data"), "features": tmp_path / "features.arrow"}
    linear_probe(study(data, tmp_path / "probe", eval_split=False, **moved))
    after = read_features(features).of([first, other])
    np.testing.assert_array_equal(after[0], after[1])
    assert not np.array_equal(before.of([first]), before.of([other]))


HIDDEN = f"""
_base_ = ["{CONFIG.with_name("face_probe_tuned.py")}"]
backbone = dict(out_indices=(9, 13))
neck = [
    dict(type="PooledLayers"),
    dict(type="HiddenLayer", in_channels=512 + 1024, width=8, dropout=0.5),
]
features = 8
"""


@pytest.fixture(
    scope="module",
    params=["hidden", "tuned", "two", pytest.param("one of two", marks=pytest.mark.slow)],
)
def trained(data, request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param.replace(" ", "_"))
    config = CONFIG.with_name("face_probe_tuned.py")
    training = ["epochs=2", "batch_size=32", "tuned_epochs=1"]
    options, weights = list(OPTIONS), data / "weights.pth"
    if request.param == "hidden":  # what is stored comes from a part of the neck
        config = folder / "hidden.py"
        config.write_text(HIDDEN)
    elif "two" in request.param:
        config, weights = config.with_name("face_pair_probe.py"), folder / "two.pth"
        _weigh_both(data / "weights.pth", weights)
        training.pop()
        if request.param == "one of two":
            options.append("neck.1.columns=[0,512]")
    options += [f"train_cfg.training.{option}" for option in training]
    given = study(data, folder / "run", pretrained=str(weights))
    probe = dataclasses.replace(given, options=tuple(options), config=config)
    return linear_probe(probe), probe


def _weigh_both(first: Path, out: Path) -> None:
    """Write the weights of a MobileNetV1, and random ones of a MobileFaceNet beside it."""
    state = torch.load(first)["state_dict"]
    named = {name.removeprefix("backbone."): value for name, value in state.items()}
    torch.manual_seed(1)
    networks = {"mobilenet_v1": named, "mobile_facenet": MobileFaceNet().state_dict()}
    both = {
        f"backbone.networks.{network}.{name}": value
        for network, weights in networks.items()
        for name, value in weights.items()
    }
    torch.save({"state_dict": both}, out)


def test_a_neck_is_trained_on_stored_features_and_predicts_photos_alike(data, trained) -> None:
    (table, *_), probe = trained
    assert len(table) == 24 * 7
    kept = read_predictions(probe.out / "eval.parquet")
    assert kept.attrs["provenance"]["tta"] == ["identity", "hflip"]
    again = predict(
        Request(
            config=probe.out / probe.config.name,
            checkpoint=probe.out / "epoch_1.pth",
            out=probe.out.parent / "again.parquet",
        )
    ).table
    # Maps are stored with 11 bits of precision.
    np.testing.assert_allclose(probabilities(again), probabilities(kept), atol=2e-3)


def test_a_neck_that_learns_is_the_same_from_photos_as_from_a_file_of_features(
    data, trained, tmp_path
) -> None:
    _, probe = trained
    again = train(
        probe.config, data_root=probe.data_root, pretrained=probe.pretrained,
        work_dir=tmp_path / "run", split="all", options=probe.options,
    )  # fmt: skip
    one, two = (
        torch.load(folder / "epoch_1.pth", weights_only=False)["state_dict"]
        for folder in (probe.out, again)
    )
    changed = torch.load(data / "weights.pth")["state_dict"]["backbone.blocks.12.pointwise.weight"]
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], msg=name)
    if probe.config.stem == "face_probe_tuned":
        assert not torch.equal(one["neck.0.blocks.1.pointwise.weight"], changed)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"pretrained": "none"}, "pretrained must name weights"),
        ({"features": Path("f.parquet")}, r"f\.parquet: a file of features must end in \.arrow"),
        ({"options": ("train_cfg.type=EpochBasedTrainLoop",)}, "train_cfg"),
        ({"options": ("optim_wrapper.optimizer.lr=0.1",)}, "never steps"),
        ({"options": ("augmentations.0.type=RandomFlip",)}, "--cfg-options"),
        ({"options": ("data.old_from=57",)}, r"data\.old_from must be 60 where head\.age_groups"),
        (
            {"options": ("train_cfg.max_epochs=2",)},
            "max_epochs must be 1 for a linear probe; got 2",
        ),
        ({"hold_out": 3}, r"data\.fold must be from 0 to data\.folds - 1 = 2; got 3"),
        (
            {"hold_out": 1, "options": (*OPTIONS[:2], "data.folds=2")},
            r"--hold-out needs data\.folds of 3 or more, .* got 2",
        ),
        (
            {"hold_out": 1, "options": (*OPTIONS, "data.fold=2")},
            r"data\.fold=2 contradicts --hold-out 1",
        ),
        ({"options": ("data.teacher=oof.parquet",)}, r"data\.teacher must be None for a linear pr"),
        ({"eval_split": False, "submission": Path("a.csv")}, "leave out --no-eval"),
    ],
)
def test_what_would_have_no_effect_is_refused_and_nothing_is_left(
    data, tmp_path, more, message
) -> None:
    out = tmp_path / "probe"
    with pytest.raises(InputError, match=message):
        linear_probe(LinearProbe(**{**vars(study(data, out)), **more}))
    assert not out.exists()


def test_weights_that_give_no_numbers_leave_the_folder_free(data, tmp_path) -> None:
    content = torch.load(data / "weights.pth")
    content["state_dict"]["backbone.stem.bias"][:] = torch.nan
    torch.save(content, tmp_path / "nan.pth")
    with pytest.raises(InputError, match=r"nan\.pth"):
        linear_probe(study(data, tmp_path / "probe", pretrained=str(tmp_path / "nan.pth")))
    assert not (tmp_path / "probe").exists()


def drawn_twice(data: Path) -> Config:
    """A probe that sees each photo as it is, then as a grey surface."""
    cfg = load_config(CONFIG)
    cfg.data.data_root, cfg.pretrained = str(data / "data"), str(data / "weights.pth")
    cfg.data.folds = 3
    cfg.preprocessing.size = (32, 24)
    cfg.train_dataloader.num_workers = 0
    cfg.train_dataloader.sampler.times = 2
    cover = {"type": "MouthCutout", "prob": 1.0, "box": (0, 0, 1, 1)}
    cfg.augmentations = [{"type": "RepeatedOnly", "transforms": [cover]}]
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    compose(cfg)
    return cfg


def test_each_draw_of_a_photo_is_learned_from_as_it_was_augmented(data, done, tmp_path) -> None:
    _, out, _ = done
    cfg = drawn_twice(data)
    cfg.work_dir = str(tmp_path)
    runner = build_runner(cfg)
    runner.train()
    rows, samples = runner.train_loop._rows, runner.train_loop.dataloader.dataset.samples
    plain = read_features(out / "features.arrow").of(samples["image"])
    np.testing.assert_allclose(rows[:, 0], plain, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(rows[:, 1], np.broadcast_to(rows[0, 1], plain.shape), rtol=1e-4)
    assert np.abs(plain - rows[0, 1]).max(axis=1).min() > 1e-2


def test_a_file_of_features_has_no_draws(data, tmp_path) -> None:
    cfg = drawn_twice(data)
    cfg.work_dir, cfg.train_cfg.features = str(tmp_path / "run"), "features.arrow"
    with pytest.raises(InputError, match=r"features must be None where .*times is above 1: .*arro"):
        build_runner(cfg).train()
    options = (*OPTIONS, "train_dataloader.sampler.times=2")
    with pytest.raises(InputError, match=r"times must be 1 for a file of features, .* got 2; tool"):
        linear_probe(dataclasses.replace(study(data, tmp_path / "p"), options=options))


def test_samplers_that_repeat_photos_are_refused() -> None:
    cfg = load_config(CONFIG)
    check_probe(cfg)
    cfg.train_dataloader.sampler = {"type": "BalancedSampler"}
    with pytest.raises(InputError, match=r"must be EpochSampler .* got BalancedSampler"):
        check_probe(cfg)


def test_a_probe_that_was_interrupted_is_fitted_anew(data, done, tmp_path) -> None:
    (table, *_), out, _ = done
    probe = study(data, tmp_path / "probe", features=out / "features.arrow")
    linear_probe(probe)
    written = (tmp_path / "probe" / "epoch_1.pth").stat().st_mtime_ns
    (tmp_path / "probe" / "fitted.json").unlink()  # as where it was interrupted at the end
    again, *_ = linear_probe(probe)
    np.testing.assert_array_equal(probabilities(again), probabilities(table))
    assert (tmp_path / "probe" / "epoch_1.pth").stat().st_mtime_ns > written


def test_photos_to_predict_that_cannot_be_read_get_the_class_shares(data, tmp_path) -> None:
    root = tmp_path / "data"
    shutil.copytree(data / "data", root)
    eval_photos = read_eval(root)["image"].tolist()
    (root / eval_photos[1]).write_bytes(b"not a photo")
    out, given = tmp_path / "probe", {"data_root": str(root)}
    with pytest.raises(InputError, match=rf"{eval_photos[1]}: not a photo"):
        linear_probe(study(data, out, **given))
    submission = tmp_path / "answers.csv"
    linear_probe(study(data, out, **given, unreadable="prior", submission=submission))
    table = read_predictions(out / "eval.parquet")
    assert table["image"].tolist() == eval_photos
    labels = with_labels(read_train(root))["label"].to_numpy(dtype=int)
    shares = np.bincount(labels, minlength=18) / len(labels)
    np.testing.assert_allclose(probabilities(table)[1], shares, rtol=1e-5)
    assert not np.allclose(probabilities(table)[0], shares, atol=1e-3)
    assert len(pd.read_csv(submission)) == len(eval_photos)


def test_a_folder_of_another_probe_is_refused(data, done) -> None:
    _, out, _ = done
    with pytest.raises(InputError, match="holds a run of another config"):
        linear_probe(study(data, out, seed=5))


def test_a_folder_of_a_run_that_is_no_probe_is_refused(data, tmp_path) -> None:
    (tmp_path / "last_checkpoint").write_text("epoch_6.pth")
    with pytest.raises(InputError, match="holds a run that is not a linear probe"):
        linear_probe(study(data, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["last_checkpoint"]


def test_a_config_that_trains_is_refused(data, tmp_path) -> None:
    other = CONFIG.with_name("mobilenet_v2_linear.py")
    with pytest.raises(InputError, match=r"FeatureTrainLoop, as in configs/face_probe\.py"):
        linear_probe(LinearProbe(config=other, out=tmp_path / "p", data_root=str(data / "data")))


def test_a_view_of_the_photos_has_features_of_its_own(data, done, tmp_path) -> None:
    _, out, _ = done
    cfg = study(data, tmp_path).load()
    model = frozen_model(cfg)
    stored = read_features(out / "features.arrow")
    images = list(stored.images[:3])
    cfg.tta = {"enabled": True, "views": ["hflip"]}
    with pytest.raises(StalePackError, match="view"):
        open_features(cfg, model, images, out / "features.arrow")
    mirrored = ensure_features(cfg, model, images, tmp_path / "mirror.arrow")
    assert mirrored.values.shape[:2] == (3, 1)
    assert np.abs(mirrored.of(images) - stored.of(images)).max() > 1e-3
    cfg.tta.enabled = False
    with pytest.raises(StalePackError, match=r"its views were \['hflip'\], wanted are None"):
        open_features(cfg, model, images, tmp_path / "mirror.arrow")


@pytest.mark.parametrize(
    ("base", "neck", "message"),
    [
        ("face_probe", '[dict(type="PooledLayers"), dict(type="HiddenLayer", in_channels=1536, '
         'width=8)]', "fits the head alone: leave layers with weights out of neck"),
        ("face_probe_tuned", '[dict(type="PooledLayers")]', "a neck that ends with HiddenLayer"),
    ],
)  # fmt: skip
def test_a_neck_that_cannot_be_fitted_is_refused_before_photos_are_looked_at(
    data, tmp_path, base, neck, message
) -> None:
    config = tmp_path / "wrong.py"
    config.write_text(f'_base_ = ["{CONFIG.with_name(base)}.py"]\nneck = {neck}\n')
    wrong = dataclasses.replace(study(data, tmp_path / "out"), config=config)
    with pytest.raises(InputError, match=message):
        linear_probe(wrong)
    assert not (tmp_path / "out").exists()
