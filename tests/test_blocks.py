"""Blocks and MMEngine's own names beside each other: obeyed, or refused with both values."""

import copy
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from mmmask.blocks import BLOCKS, compose, merged, plain, preprocessing_of, stated
from mmmask.blocks import test_steps as steps_of_test
from mmmask.config import compose_for_runner, load_config, parse_options
from mmmask.errors import InputError

CONFIGS = Path(__file__).parents[1] / "configs"
LEAF = CONFIGS / "mobilenet_v2_arcface.py"

#: MMEngine's name -> another value than the blocks give.
NATIVE: dict[str, Any] = {
    "model.head.margin": 0.9,
    "model.backbone.widen_factor": 0.5,
    "model.data_preprocessor.mean": [1.0, 2.0, 3.0],
    "model.head.loss.class_weight": "inverse",
    "train_dataloader.dataset.fold": 3,
    "train_dataloader.dataset.pipeline.2.prob": 0.1,
    "tta_model.views": ["identity"],
    "train_cfg.by_epoch": False,
    "default_hooks.early_stopping": {"type": "EarlyStoppingHook", "monitor": "macro_f1"},
}


def at(cfg: Any, name: str) -> Any:
    for key in name.split("."):
        cfg = cfg[int(key)] if isinstance(cfg, list) else cfg[key]
    return plain(cfg)


def child(folder: Path, *lines: str, parent: Path = LEAF) -> Path:
    path = folder / "leaf.py"
    path.write_text("\n".join([f"_base_ = [{str(parent)!r}]", *lines]) + "\n")
    return path


def nested(name: str, value: Any) -> str:
    """Return a line of a config that sets a dotted name."""
    first, *rest = name.split(".")
    for key in reversed(rest):
        value = {key: value}
    return f"{first} = {value!r}"


def as_program(path: Path, options: dict[str, Any]) -> Config:
    """Read a config as MMPretrain's command lines do, which compose nothing, and build of it."""
    cfg = Config.fromfile(path)
    cfg.merge_from_dict(options)
    compose_for_runner(cfg)
    return cfg


@pytest.mark.parametrize("name", NATIVE)
def test_a_native_name_wins_from_a_command_line_a_leaf_a_program_and_a_saved_config(
    name: str, tmp_path: Path
) -> None:
    value = NATIVE[name]
    obeyed = load_config(LEAF, {name: value})
    saved = tmp_path / "saved.py"
    obeyed.dump(saved)
    again = tmp_path / "again.py"
    load_config(saved).dump(again)
    ways = [obeyed, as_program(LEAF, {name: value}), load_config(saved), load_config(again)]
    ways += [as_program(saved, {}), as_program(again, {})]
    if "pipeline.2" not in name:  # a leaf would replace the whole list
        ways.append(load_config(child(tmp_path, nested(name, value))))
    for cfg in ways:
        assert at(cfg, name) == value
    # Nothing else has moved.
    others = load_config(LEAF).to_dict()
    for cfg in ways:
        tree = cfg.to_dict()
        assert {key for key in tree if tree[key] != others.get(key)} <= {name.split(".")[0]}
        assert at(stated(tree), name) == value


def test_a_block_that_changes_later_reaches_the_run_and_overrides_stay(tmp_path: Path) -> None:
    saved = tmp_path / "saved.py"
    load_config(LEAF, {"train_dataloader.dataset.pipeline.2.prob": 0.1}).dump(saved)
    options = {"preprocessing.size": (64, 48), "head.margin": 0.7}
    for cfg in (load_config(saved, options), as_program(saved, options)):
        steps = cfg.train_dataloader.dataset.pipeline
        assert (tuple(steps[1].size), steps[2].prob) == ((64, 48), 0.1)
        assert cfg.model.head.margin == 0.7


def test_a_saved_config_can_be_edited_by_hand(tmp_path: Path) -> None:
    saved = tmp_path / "saved.py"
    load_config(LEAF).dump(saved)
    text = saved.read_text()
    assert text.count("\n    margin=0.2,") == 1  # the block
    saved.write_text(text.replace("\n    margin=0.2,", "\n    margin=0.6,"))
    assert load_config(saved).model.head.margin == 0.6
    assert text.count("\n        margin=0.2,") == 1  # the model
    saved.write_text(text.replace("\n        margin=0.2,", "\n        margin=0.6,"))
    cfg = load_config(saved)
    assert (cfg.head.margin, cfg.model.head.margin) == (0.2, 0.6)


BOTH = {"head.margin": 0.5, "model.head.margin": 0.9}
SENTENCE = r"model\.head\.margin is 0\.9, and the block head makes it 0\.5; state one of them"


WAYS = ("options", "saved", "file", "child of saved", "parent", "program", "program, saved")


@pytest.mark.parametrize("way", WAYS)
def test_a_block_and_a_native_name_that_differ_are_refused_with_both(
    way: str, tmp_path: Path
) -> None:
    saved = tmp_path / "saved.py"
    native, block = ({name: BOTH[name]} for name in ("model.head.margin", "head.margin"))
    load_config(LEAF, native if way == "saved" else {}).dump(saved)
    lines = [nested(name, value) for name, value in BOTH.items()]
    with pytest.raises(InputError, match=SENTENCE):
        if way == "options":
            load_config(LEAF, BOTH)
        elif way == "saved":
            load_config(saved, block)
        elif way == "file":
            load_config(child(tmp_path, *lines))
        elif way == "child of saved":
            load_config(child(tmp_path, *lines, parent=saved))
        elif way == "parent":
            load_config(child(tmp_path, lines[1]), block)
        else:
            as_program(saved if "saved" in way else LEAF, BOTH)


def test_a_block_and_a_native_name_may_say_the_same() -> None:
    options = {"head.margin": 0.5, "model.head.margin": 0.5}
    assert load_config(LEAF, options).model.head.margin == 0.5


def test_a_leaf_of_another_leaf_inherits_its_overrides(tmp_path: Path) -> None:
    middle = child(tmp_path, nested("model.head.margin", 0.9))
    middle = middle.rename(tmp_path / "middle.py")
    cfg = load_config(child(tmp_path, nested("head.dropout", 0.5), parent=middle))
    assert (cfg.model.head.margin, cfg.model.head.dropout) == (0.9, 0.5)


def test_a_tta_model_of_a_leaf_stands_alone(tmp_path: Path) -> None:
    path = child(tmp_path, "tta_model = dict(type='AverageClsScoreTTA')")
    for cfg in (load_config(path), as_program(path, {}), load_config(path, {"head.margin": 0.3})):
        assert plain(cfg.tta_model) == {"type": "AverageClsScoreTTA"}


def test_a_part_that_is_deleted_stays_away(tmp_path: Path) -> None:
    line = "model = dict(head=dict(_delete_=True, type='LinearClsHead', num_classes=18))"
    saved = tmp_path / "saved.py"
    load_config(child(tmp_path, line)).dump(saved)
    for cfg in (load_config(saved), load_config(saved, {"preprocessing.size": (64, 48)})):
        assert plain(cfg.model.head) == {"type": "LinearClsHead", "num_classes": 18}


def test_preprocessing_states_what_a_user_set_under_native_names() -> None:
    whole = load_config(LEAF)
    assert preprocessing_of(whole) == plain(whole.preprocessing)
    options = {
        "model.data_preprocessor.std": [1.0, 1.0, 1.0],
        "test_dataloader.dataset.pipeline.1.size": (8, 8),
        "train_dataloader.dataset.pipeline.2.prob": 0.1,
    }
    cfg = load_config(LEAF, options)
    overrides = preprocessing_of(cfg)["overrides"]
    assert overrides == {"std": [1.0, 1.0, 1.0], "pipeline": {"1": {"size": [8, 8]}}}
    assert steps_of_test(cfg)[1]["size"] == (8, 8)


def test_a_config_without_blocks_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "plain.py"
    path.write_text("model = dict(type='X', head=dict(a=1))\nnum_classes = 3\n")
    cfg = load_config(path, {"model.head.a": 2, "num_classes": 4, "work_dir": "x"})
    assert cfg.to_dict() == {
        "model": {"type": "X", "head": {"a": 2}}, "num_classes": 4, "work_dir": "x"
    }  # fmt: skip
    with pytest.raises(InputError, match=r"name modle; .*did you mean model"):
        load_config(path, {"modle.head.a": 2})
    with pytest.raises(InputError, match="--data-root needs a config with a block `data`"):
        load_config(path, data_root="x")


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("value", [24, "x", float("nan")], ids=repr)
def test_a_block_of_a_wrong_kind_is_composed_or_refused_in_one_sentence(
    block: str, value: Any
) -> None:
    cfg = load_config(LEAF)
    cfg[block] = value
    try:
        compose(cfg)
    except InputError as error:
        assert block in str(error)
        assert "\n" not in str(error)


@pytest.mark.parametrize("value", [24, "x", None, (24,), (0, 24), (24, float("nan")), ("a", 3)])
def test_a_size_is_two_numbers(value: Any) -> None:
    with pytest.raises(InputError, match=r"preprocessing\.size must be two numbers above 0"):
        load_config(LEAF, {"preprocessing.size": value})


def test_merging_is_that_of_mmengine(tmp_path: Path) -> None:
    base = {"a": {"b": 1, "c": [{"d": 1}, {"d": 2}]}, "e": 3}
    cases = ({"a": {"b": 2}}, {"a": {"_delete_": True, "x": 1}}, {"a": {"c": [1]}}, {"e": None})
    for override in cases:
        expected = Config(base)
        expected.merge_from_dict(copy.deepcopy(override))  # it takes _delete_ out
        assert merged(base, override) == expected.to_dict()
    options = parse_options(["a.c.1.d=5"])
    expected = Config(base)
    expected.merge_from_dict(options)
    assert merged(base, {"a": {"c": {"1": {"d": 5}}}}) == expected.to_dict()
