from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import save_checkpoint
from mmpretrain.registry import HOOKS
from tiny_engine import tiny_config, train, without_validation

from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.engine.hooks.checkpoint_hook import WHOLE_FILES, ResumableCheckpointHook
from mmmask.errors import InputError, MissingFileError

TREND = {
    "rising": (1, 2, 3, 4),
    "falling": (4, 3, 2, 1),
    "peak": (2, 4, 3, 1),
    "undefined first": (float("nan"), 0, 4, 1),
}
BEST = [("rising", 4), ("falling", 1), ("peak", 2), ("undefined first", 3)]


@HOOKS.register_module()
class TrendHook(Hook):
    """Replace the score of each epoch, before any hook reads it."""

    priority = 0

    def __init__(self, trend: str) -> None:
        self.trend = trend

    def after_val_epoch(self, runner, metrics=None):
        metrics["macro_f1"] = TREND[self.trend][runner.epoch - 1] / 10


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.glob("*.pth"))


def with_checkpoints(tmp_path, trend="rising", **options):
    config = tiny_config(tmp_path)
    hooks = [hook for hook in config.custom_hooks if "Stopping" not in hook.type]
    config.custom_hooks = [*hooks, {"type": "TrendHook", "trend": trend}]
    config.default_hooks.checkpoint = {"type": "ResumableCheckpointHook", **options}
    return config


@pytest.mark.parametrize("kept", [1, 3])
def test_the_newest_checkpoints_are_kept(tmp_path, kept):
    train(with_checkpoints(tmp_path, max_keep_ckpts=kept))
    assert names(tmp_path)[1:] == [f"epoch_{epoch}.pth" for epoch in range(5 - kept, 5)]
    assert (tmp_path / "last_checkpoint").read_text() == str(tmp_path / "epoch_4.pth")


@pytest.mark.parametrize(("trend", "best"), BEST)
def test_the_best_epoch_is_kept_whenever_it_was(tmp_path, trend, best):
    train(with_checkpoints(tmp_path, trend))
    assert names(tmp_path) == [f"best_macro_f1_epoch_{best}.pth", "epoch_4.pth"]
    content = load_checkpoint_file(tmp_path / f"best_macro_f1_epoch_{best}.pth")
    assert content["meta"]["epoch"] == best
    assert "optimizer" not in content
    assert content["message_hub"]["runtime_info"]["best_score"] == 0.4


@pytest.mark.parametrize(("trend", "best"), BEST)
def test_the_best_epoch_does_not_depend_on_an_interruption(tmp_path, trend, best):
    config = with_checkpoints(tmp_path, trend)
    train(config, kill={"point": "inside the validation", "epoch": 3})
    train(config, resume=True)
    assert names(tmp_path) == [f"best_macro_f1_epoch_{best}.pth", "epoch_4.pth"]


def test_where_less_is_better_the_lowest_is_the_best(tmp_path):
    train(with_checkpoints(tmp_path, "falling", rule="less"))
    assert names(tmp_path) == ["best_macro_f1_epoch_4.pth", "epoch_4.pth"]


def test_with_an_interval_the_last_epoch_is_written_too(tmp_path):
    train(with_checkpoints(tmp_path, "peak", interval=3, max_keep_ckpts=9))
    assert names(tmp_path) == ["best_macro_f1_epoch_2.pth", "epoch_3.pth", "epoch_4.pth"]


def test_the_epoch_at_which_training_stops_early_is_written(tmp_path):
    config = with_checkpoints(tmp_path, "falling", interval=4)
    config.custom_hooks = [
        *config.custom_hooks,
        {"type": "ResumableEarlyStoppingHook", "patience": 1},
    ]
    train(config)
    assert names(tmp_path) == ["best_macro_f1_epoch_1.pth", "epoch_2.pth"]


def test_a_checkpoint_holds_the_result_of_its_validation(tmp_path):
    train(tiny_config(tmp_path, epochs=1))
    scalars = load_checkpoint_file(tmp_path / "epoch_1.pth")["message_hub"]["log_scalars"]
    assert len(scalars["val/macro_f1"].data[0]) == 1


def test_files_of_another_run_in_the_folder_are_left_alone(tmp_path):
    others = ("best_macro_f1_epoch_9.pth", "epoch_8.pth", "best_macro_f1_epoch_3_copy.pth")
    for other in others:
        (tmp_path / other).write_bytes(b"of another run")
    train(tiny_config(tmp_path, epochs=3))
    assert all((tmp_path / other).read_bytes() == b"of another run" for other in others)


def test_a_resume_elsewhere_seeks_the_best_anew_and_says_so(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    train(with_checkpoints(first, "falling"), kill={"point": "inside the epoch", "epoch": 3})
    runner = train(with_checkpoints(second, "falling"), resume=str(first / "epoch_2.pth"))
    assert names(first) == ["best_macro_f1_epoch_1.pth", "epoch_2.pth"]
    assert names(second) == ["best_macro_f1_epoch_3.pth", "epoch_4.pth"]
    (log,) = second.glob("*/*.log")
    assert "best_macro_f1_epoch_1.pth is missing" in log.read_text()
    assert runner.epoch == 4


def test_resuming_a_run_that_is_complete_changes_nothing(tmp_path):
    train(tiny_config(tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.pth")}
    train(tiny_config(tmp_path), resume=True)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.pth")} == before


def test_resuming_from_a_file_that_is_gone_names_it(tmp_path):
    train(without_validation(tiny_config(tmp_path, epochs=1)))
    (tmp_path / "epoch_1.pth").unlink()
    with pytest.raises(MissingFileError, match=r"epoch_1\.pth"):
        train(tiny_config(tmp_path), resume=True)


def test_a_validation_outside_of_training_writes_nothing(tmp_path):
    train(tiny_config(tmp_path, epochs=1)).val()
    assert names(tmp_path) == ["best_macro_f1_epoch_1.pth", "epoch_1.pth"]


def test_with_ema_the_averaged_weights_are_validated_and_stored_as_the_weights(tmp_path):
    seen = {}

    class Watch(Hook):
        priority = 95

        def before_val_iter(self, runner, batch_idx, data_batch=None):
            seen["validated"] = runner.model.head.linear.weight.clone()

        def after_val(self, runner):
            seen["trained"] = runner.model.head.linear.weight.clone()

    train(tiny_config(tmp_path, epochs=1), hooks=[Watch()])
    for name in ("epoch_1.pth", "best_macro_f1_epoch_1.pth"):
        content = load_checkpoint_file(tmp_path / name)
        averaged = content["state_dict"]["head.linear.weight"]
        assert torch.equal(averaged, seen["validated"])
        assert torch.equal(content["ema_state_dict"]["module.head.linear.weight"], seen["trained"])
        assert not torch.equal(seen["validated"], seen["trained"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_keep_ckpts": 0}, "max_keep_ckpts.*at least 1; got 0"),
        ({"interval": 0}, "interval.*at least 1; got 0"),
        ({"rule": "best"}, "'greater' or 'less'; got 'best'"),
    ],
)
def test_a_wrong_option_is_named(options, message):
    with pytest.raises(InputError, match=message):
        ResumableCheckpointHook(**options)


def test_a_metric_that_is_not_there_is_named(tmp_path):
    config = tiny_config(tmp_path, epochs=1)
    config.default_hooks.checkpoint.save_best = "f1"
    with pytest.raises(InputError, match=r"one of.*macro_f1.*got 'f1'"):
        train(config)


def test_a_loop_counted_in_iterations_is_refused(tmp_path):
    train_cfg = {"by_epoch": False, "max_iters": 3}
    with pytest.raises(InputError, match="by_epoch=True"):
        train(without_validation(tiny_config(tmp_path, train_cfg=train_cfg, param_scheduler=None)))


def test_a_checkpoint_is_written_to_new_folders(tmp_path):
    file = tmp_path / "new" / "a.pth"
    save_checkpoint({"weight": torch.ones(2)}, str(file), backend_args=WHOLE_FILES)
    assert load_checkpoint_file(file)["weight"].tolist() == [1, 1]


def test_a_failed_write_keeps_the_former_content_and_leaves_nothing_beside(tmp_path, monkeypatch):
    file = tmp_path / "a.pth"
    file.write_bytes(b"former")
    write = Path.write_bytes

    def disk_full(path: Path, data: bytes) -> None:
        write(path, data[: len(data) // 2])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint({"weight": torch.ones(2)}, str(file), backend_args=WHOLE_FILES)
    assert file.read_bytes() == b"former"
    assert list(tmp_path.iterdir()) == [file]
