import pytest
from mmpretrain.registry import HOOKS
from tiny_engine import TinyHead, tiny_config, train

from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.errors import InputError

PREPROCESSING = {"size": [8, 6], "mean": [1.0, 2.0, 3.0], "crop": {"type": "CenterCrop"}}


def test_every_checkpoint_holds_the_preprocessing_as_plain_dicts(tmp_path):
    config = tiny_config(tmp_path, epochs=1, preprocessing=PREPROCESSING)
    config.custom_hooks = [{"type": "CheckpointFactsHook"}]
    train(config)
    for name in ("epoch_1.pth", "best_macro_f1_epoch_1.pth"):
        stored = load_checkpoint_file(tmp_path / name)["meta"]["preprocessing"]
        assert stored == PREPROCESSING
        assert type(stored) is dict
        assert type(stored["crop"]) is dict


def test_configs_with_the_old_name_of_the_hook_still_run():
    assert HOOKS.get("PreprocessingHook") is HOOKS.get("CheckpointFactsHook")


def test_the_classes_of_a_model_of_one_attribute_are_its_values(tmp_path, monkeypatch):
    config = tiny_config(tmp_path, epochs=1, preprocessing=PREPROCESSING)
    config.custom_hooks = [{"type": "CheckpointFactsHook"}]
    monkeypatch.setattr(TinyHead, "attribute", "gender", raising=False)
    train(config)
    stored = load_checkpoint_file(tmp_path / "epoch_1.pth")["meta"]["dataset_meta"]
    assert tuple(stored["classes"]) == ("male", "female")


def test_a_config_without_preprocessing_is_refused(tmp_path):
    config = tiny_config(tmp_path, epochs=1)
    config.custom_hooks = [{"type": "CheckpointFactsHook"}]
    with pytest.raises(InputError, match="`preprocessing`"):
        train(config)
