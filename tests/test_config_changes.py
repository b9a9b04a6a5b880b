from pathlib import Path

from mmmask.config_changes import blocks, changes, flat_config

CONFIGS = Path(__file__).parents[1] / "configs"


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
