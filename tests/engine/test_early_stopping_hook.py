import pytest
import test_checkpoint_hook  # noqa: F401 - registers TrendHook
from tiny_engine import tiny_config, train

from mmmask.engine.hooks.early_stopping_hook import ResumableEarlyStoppingHook
from mmmask.errors import InputError


def with_stopping(tmp_path, patience):
    config = tiny_config(tmp_path)
    config.custom_hooks = [
        {"type": "TrendHook", "trend": "peak"},
        {"type": "ResumableEarlyStoppingHook", "patience": patience},
    ]
    return config


def test_training_stops_after_the_patience(tmp_path):
    assert train(with_stopping(tmp_path, 1)).epoch == 3
    assert train(with_stopping(tmp_path / "longer", 3)).epoch == 4


def test_the_count_survives_a_resume(tmp_path):
    config = with_stopping(tmp_path, 2)
    config.train_cfg.max_epochs = 9  # no score is defined there: the run must not get so far
    train(config, kill={"point": "inside the validation", "epoch": 4})
    assert train(config, resume=True).epoch == 4


def test_a_resumed_run_that_had_stopped_stops_at_once(tmp_path):
    config = with_stopping(tmp_path, 1)
    train(config)
    before = (tmp_path / "epoch_3.pth").read_bytes()
    runner = train(config, resume=True)
    assert runner.epoch == 3
    assert (tmp_path / "epoch_3.pth").read_bytes() == before


def test_loading_weights_without_resuming_starts_a_new_count(tmp_path):
    train(with_stopping(tmp_path, 1))
    config = with_stopping(tmp_path / "new", 1)
    config.load_from = str(tmp_path / "epoch_3.pth")
    assert train(config).epoch == 3


def test_a_test_does_not_build_the_training_data(tmp_path):
    config = tiny_config(tmp_path)
    config.test_dataloader, config.test_cfg = config.val_dataloader, {}
    config.test_evaluator = config.val_evaluator
    config.train_dataloader.dataset.type = "AbsentDataset"
    from mmengine.runner import Runner

    metrics = Runner.from_cfg(config).test()
    assert 0 < metrics["macro_f1"] < 1


@pytest.mark.parametrize(
    ("options", "message"),
    [({"rule": "up"}, "'greater' or 'less'; got 'up'"), ({"patience": 0}, "at least 1; got 0")],
)
def test_a_wrong_option_is_named(options, message):
    with pytest.raises(InputError, match=message):
        ResumableEarlyStoppingHook(**options)


def test_a_metric_that_is_not_there_is_named(tmp_path):
    config = tiny_config(tmp_path, epochs=1)
    config.custom_hooks = [{"type": "ResumableEarlyStoppingHook", "monitor": "accuracy"}]
    with pytest.raises(InputError, match=r"one of.*macro_f1.*got 'accuracy'"):
        train(config)
