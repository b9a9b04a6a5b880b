from pathlib import Path

import pytest

from mmmask.blocks import compose, plain
from mmmask.config import load_config, parse_options
from mmmask.errors import InputError, MissingFileError

ROOT = Path(__file__).parents[1]
LEAF = ROOT / "configs" / "mobilenet_v2_arcface.py"


def geometry(cfg) -> set[tuple]:
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
    return {
        (tuple(step.size), tuple(step.crop))
        for loader in loaders
        for step in loader.dataset.pipeline
        if step.type == "Preprocess"
    }


def test_one_preprocessing_reaches_training_validation_test_and_model() -> None:
    options = parse_options(["preprocessing.size=(64,48)", "preprocessing.mean=(1.,2.,3.)"])
    cfg = load_config(LEAF, options)
    assert geometry(cfg) == {((64, 48), (1.0, 1.0))}
    assert tuple(cfg.model.data_preprocessor.mean) == (1.0, 2.0, 3.0)


def test_data_options_reach_every_dataset_and_training_options_only_training() -> None:
    cfg = load_config(LEAF, parse_options(["data.fold=3", "data.old_from=58", "data.data_root=x"]))
    train, val, test = (cfg[f"{name}_dataloader"].dataset for name in ("train", "val", "test"))
    assert {(d.fold, d.data_root) for d in (train, val, test)} == {(3, "x")}
    assert [d.get("old_from") for d in (train, val, test)] == [58, None, None]
    assert [d.split for d in (train, val, test)] == ["train", "val", "eval"]


def test_a_path_given_as_a_data_option_stands_in_the_config_as_text() -> None:
    cfg = load_config(LEAF, pack=Path("data/photos.arrow"), data_root=Path("data"))
    assert (cfg.data.pack, cfg.data.data_root) == ("data/photos.arrow", "data")


def test_augmentations_stand_in_the_training_pipeline_only() -> None:
    cfg = load_config(LEAF)
    steps = [
        [step.type for step in cfg[f"{name}_dataloader"].dataset.pipeline]
        for name in ("train", "val", "test")
    ]
    assert steps[0] == ["LoadPhoto", "Preprocess", "RandomFlip", "PackPhoto"]
    assert steps[1] == steps[2] == ["LoadPhoto", "Preprocess", "PackPhoto"]


def test_composing_again_changes_nothing() -> None:
    cfg = load_config(LEAF)
    before = cfg.pretty_text
    compose(cfg)
    assert cfg.pretty_text == before


def test_a_composed_config_written_to_disk_can_be_loaded_and_overridden(tmp_path) -> None:
    path = tmp_path / "run.py"
    load_config(LEAF).dump(path)
    assert plain(load_config(path).model) == plain(load_config(LEAF).model)
    assert geometry(load_config(path, {"preprocessing.size": (32, 32)})) == {((32, 32), (1.0, 1.0))}


def leaf_with(folder: Path, *lines: str) -> Path:
    path = folder / "leaf.py"
    path.write_text("\n".join([f"_base_ = [{str(LEAF)!r}]", *lines]) + "\n")
    return path


def test_a_block_of_one_hook_becomes_that_hook_and_none_removes_it(tmp_path) -> None:
    path = leaf_with(tmp_path, "averaging = dict(type='EMAHook', momentum=0.1)")
    cfg = load_config(path)
    assert cfg.default_hooks.averaging == {"type": "EMAHook", "momentum": 0.1}
    before = cfg.pretty_text
    compose(cfg)
    assert cfg.pretty_text == before
    cfg.averaging = None
    compose(cfg)
    assert "averaging" not in cfg.default_hooks


def test_tracking_records_beside_the_log_that_mmengine_writes(tmp_path) -> None:
    path = leaf_with(tmp_path, "tracking = dict(type='TensorboardVisBackend')")
    cfg = load_config(path)
    kinds = [backend.type for backend in cfg.visualizer.vis_backends]
    assert kinds == ["LocalVisBackend", "TensorboardVisBackend"]
    cfg.tracking = None
    compose(cfg)
    assert [backend.type for backend in cfg.visualizer.vis_backends] == ["LocalVisBackend"]


def test_what_a_user_removes_from_a_composed_config_stays_away(tmp_path) -> None:
    path = tmp_path / "run.py"
    cfg = load_config(LEAF)
    cfg.pop("tta_model")
    cfg.dump(path)
    again = load_config(path, {"data.data_root": "elsewhere"})
    assert "tta_model" not in again
    assert again.test_dataloader.dataset.data_root == "elsewhere"


def test_weights_to_start_from_are_named_or_absent() -> None:
    cfg = load_config(LEAF)
    assert cfg.model.backbone.init_cfg.checkpoint.startswith("https://")
    cfg.pretrained = None
    compose(cfg)
    assert "init_cfg" not in cfg.model.backbone


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["preprocesing.size=(64,48)"],
            r"name preprocesing; known are .*; did you mean preprocessing",
        ),
        (["batch"], "--cfg-options must be name=value; got 'batch'"),
        (
            ["hooks=[dict(type='x'),dict(type='y',monitor='z',patience=2)]"],
            "numbers, text, lists or tuples",
        ),
        (["composed_from={}"], "composed_from must be as mmmask wrote it"),
    ],
)
def test_a_mistyped_option_is_refused(options, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        load_config(LEAF, parse_options(options))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("x = (", "not a readable config"),
        ("_base_ = ['gone.py']", "not a readable config"),
        ("_base_ = ['leaf.py']", "not a readable config: _base_ leads back to it"),
        ("# \udce9 of Latin-1", "not a readable config"),
        ("x = 1 / 0", "not a readable config: division by zero"),
        ("data = dict()", "block augmentations, backbone, .* is missing"),
        (
            f"_base_ = {str(LEAF)!r}\nimport numpy as np\ndata = dict(folds=np.int64(5))",
            "data.folds must be made of numbers",
        ),
    ],
)
def test_a_file_that_is_no_config_is_refused_by_name(tmp_path, content, sentence) -> None:
    path = tmp_path / "leaf.py"
    path.write_text(content, errors="surrogateescape")
    with pytest.raises(InputError, match=rf"leaf\.py: {sentence}"):
        load_config(path)


@pytest.mark.parametrize("name", ["pretrained", "tta.enabled", "semi"])
def test_a_block_for_a_config_without_blocks_is_refused(tmp_path, name) -> None:
    path = tmp_path / "plain.py"
    path.write_text("model = dict(type='ImageClassifier')")
    with pytest.raises(InputError, match=rf"the block {name.split('.')[0]} has no effect"):
        load_config(path, {name: None})


def test_a_missing_config_is_a_missing_file(tmp_path) -> None:
    with pytest.raises(MissingFileError, match="no such config file"):
        load_config(tmp_path / "gone.py")


def test_a_semi_block_brings_loop_unlabelled_loader_and_model_and_leaves_with_them() -> None:
    cfg = load_config(LEAF.with_name("mobilenet_v2_linear_uda.py"), {"semi.ratio": 2})
    assert cfg.train_cfg.type == "SemiTrainLoop"
    loader = cfg.train_cfg.unlabelled_dataloader
    assert loader.batch_size == 2 * cfg.train_dataloader.batch_size
    steps = [step.type for step in loader.dataset.pipeline]
    assert steps == ["LoadPhoto", "Preprocess", "TwoViews"]
    assert cfg.model.type == "SemiSupervisedClassifier"
    before = cfg.pretty_text
    compose(cfg)
    assert cfg.pretty_text == before

    cfg.semi = None
    compose(cfg)
    plain_cfg = load_config(LEAF.with_name("mobilenet_v2_linear.py"))
    for key in ("model", "train_cfg", "default_hooks"):
        assert plain(cfg[key]) == plain(plain_cfg[key])


def test_further_samples_bring_the_hook_that_records_them_and_take_it_away_again() -> None:
    cfg = load_config(LEAF, {"data.samples": ["pseudo.parquet"]})
    assert cfg.default_hooks.pseudo_labels.type == "PseudoLabelHook"
    cfg.data.samples = []
    compose(cfg)
    assert plain(cfg.default_hooks) == plain(load_config(LEAF).default_hooks)


def test_a_ratio_below_one_is_refused() -> None:
    with pytest.raises(InputError, match=r"semi\.ratio must be a whole number from 1; got 0\.5"):
        load_config(LEAF.with_name("mobilenet_v2_linear_uda.py"), {"semi.ratio": 0.5})


def test_a_face_crop_stands_between_loading_and_preprocessing_everywhere() -> None:
    options = {"preprocessing.size": (150, 100), "preprocessing.crop": (0.75, 1.0)}
    cfg = load_config(LEAF.with_name("mobilenet_v2_arcface_facecrop.py"), options)
    for name in ("train", "val", "test"):
        steps = cfg[f"{name}_dataloader"].dataset.pipeline
        assert [step.type for step in steps][:3] == ["LoadPhoto", "CropFace", "Preprocess"]
        assert steps[1].aspect == pytest.approx(2.0)  # 150 / 0.75 to 100: 3/4 of it are 1.5
        assert steps[1].margin == 0.3
