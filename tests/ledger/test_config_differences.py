from pathlib import Path

import pytest

from mmmask.config import load_config
from mmmask.ledger.config_differences import (
    blocks,
    changes,
    decides_weights,
    flat,
    flat_config,
    flat_text,
)

CONFIGS = Path(__file__).parents[2] / "configs"


def changed(one: str, other: str, **options) -> dict:
    return changes(flat_config(CONFIGS / one, {}), flat_config(CONFIGS / other, options))


def test_a_head_is_one_change() -> None:
    found = changed("mobilenet_v2_linear.py", "mobilenet_v2_focal.py")
    assert blocks(found) == ["head"]
    assert found["head.dropout"] == (0.2, 0.4)
    assert found["head.loss.gamma"] == (None, 2.0)


def test_a_semi_supervised_block_is_one_change() -> None:
    assert blocks(changed("mobilenet_v2_linear.py", "mobilenet_v2_linear_uda.py")) == ["semi"]


def test_a_backbone_counts_once_with_all_that_belongs_to_it() -> None:
    found = changed("effnet_b3_arcface.py", "effnet_b4_decomposed.py")
    assert {key.split(".")[0] for key in found} > {"features", "pretrained", "preprocessing"}
    assert blocks(found) == ["backbone", "head", "train_dataloader"]


def test_preprocessing_alone_is_a_change_of_its_own() -> None:
    found = changed(*["mobilenet_v2_linear.py"] * 2, **{"preprocessing.size": (64, 48)})
    assert found == {"preprocessing.size": ([160, 120], [64, 48])}
    assert blocks(found) == ["preprocessing"]


def test_optimizer_and_epochs_are_one_schedule() -> None:
    options = {"optim_wrapper.optimizer.lr": 1.0, "train_cfg.max_epochs": 2}
    assert blocks(changed(*["mobilenet_v2_linear.py"] * 2, **options)) == ["schedule"]


def test_a_config_does_not_differ_from_itself() -> None:
    assert changed(*["mobilenet_v2_linear.py"] * 2) == {}


def test_further_samples_are_one_change_without_the_hook_that_records_them() -> None:
    path = CONFIGS / "mobilenet_v2_linear.py"
    composed = load_config(path, {"data.samples": ["pseudo.parquet"]})
    found = changes(flat_config(path, {}), flat(composed.to_dict()))
    assert found == {"data.samples": ([], ["pseudo.parquet"])}


LEAVES = ("arcface", "linear_uda", "linear_ema", "linear_everybody", "linear_stopped", "f1focal")


@pytest.mark.parametrize("leaf", LEAVES)
def test_composing_and_writing_a_config_as_text_change_none_of_its_facts(leaf) -> None:
    path = CONFIGS / f"mobilenet_v2_{leaf}.py"
    facts, composed = flat_config(path, {}), load_config(path)
    assert len(facts) > 40
    assert changes(facts, flat(composed.to_dict())) == {}
    assert changes(facts, flat_text(composed.pretty_text)) == {}


def test_a_change_survives_composing_and_writing() -> None:
    options = {
        "head.margin": 0.7,
        "preprocessing.size": (64, 48),
        "early_stopping": {"type": "x", "a": [-1]},
    }
    path = CONFIGS / "mobilenet_v2_arcface.py"
    found = changes(flat_config(path, {}), flat_text(load_config(path, options).pretty_text))
    assert found == {
        "early_stopping.a": (None, [-1]),
        "early_stopping.type": (None, "x"),
        "head.margin": (0.2, 0.7),
        "preprocessing.size": ([160, 120], [64, 48]),
    }


def test_the_text_of_a_config_is_read_and_never_executed(tmp_path) -> None:
    call = f"open({str(tmp_path / 'made')!r}, 'w')"
    text = f"a = dict(b=[1, {call}], c=float('inf'))\nimport os\n"
    assert flat_text(text) == {"a.b": [1, call], "a.c": "float('inf')"}
    assert not (tmp_path / "made").exists()
    nested = flat_text("a = {'x y': dict(b=1), 3: dict({'c': -2.5})}")
    assert nested == {"a.x y.b": 1, "a.3.c": -2.5}


@pytest.mark.parametrize(
    ("name", "decides"),
    [
        ("head.margin", True),
        ("data.old_from", True),
        ("randomness.seed", True),
        ("train_dataloader.batch_size", True),
        ("train_dataloader.num_workers", False),
        ("data.data_root", False),
        ("data.data_rooted", True),
        ("tta.views", False),
        ("val_dataloader.batch_size", False),
        ("work_dir", False),
        ("default_hooks.logger.interval", False),
        ("default_hooks.checkpoint.max_keep_ckpts", False),
        ("default_hooks.checkpoint.save_best", True),
        ("default_hooks.margin_warmup.end", True),
    ],
)
def test_weights_do_not_depend_on_where_and_how_a_run_is_watched(name, decides) -> None:
    assert decides_weights(name) == decides
