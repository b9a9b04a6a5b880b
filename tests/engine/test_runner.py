import logging
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmpretrain.registry import MODELS
from tiny_engine import TinyNet, tiny_config, train
from torch import nn

from mmmask.errors import InputError
from mmmask.files import locked

SCHEDULES = Path(__file__).parents[2] / "configs" / "_base_" / "schedules"


def test_the_console_gets_warnings_and_the_log_file_everything(tmp_path, capsys):
    config = tiny_config(tmp_path, epochs=1, runner_type="ConsoleRunner", log_level="INFO")
    runner = train(config)
    runner.logger.info("a detail")
    runner.logger.warning("a warning")
    console = capsys.readouterr().out
    assert "a warning" in console
    assert "a detail" not in console
    assert "Epoch(train)" not in console
    (log,) = tmp_path.glob("*/*.log")
    for text in ("a detail", "a warning", "Epoch(train)"):
        assert text in log.read_text()


def test_warnings_about_calls_inside_mmengine_stay_off_the_console(tmp_path, capsys):
    train(tiny_config(tmp_path, epochs=1, runner_type="ConsoleRunner", log_level="INFO"))
    assert "FileClient" not in capsys.readouterr().out


def test_a_higher_level_is_respected(tmp_path):
    config = tiny_config(tmp_path, epochs=1, runner_type="ConsoleRunner", log_level="ERROR")
    assert {handler.level for handler in train(config).logger.handlers} == {logging.ERROR}


def test_one_process_at_a_time_trains_in_a_work_directory(tmp_path):
    config = tiny_config(tmp_path, epochs=1, runner_type="ConsoleRunner")
    with locked(tmp_path / "card.json"):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(InputError, match="another process trains in this folder"):
            train(config)
        assert sorted(tmp_path.rglob("*")) == before
    train(config)


def test_runs_of_the_same_second_have_logs_of_their_own(tmp_path, monkeypatch):
    now = iter([f"20260101_00000{second}" for second in (0, 0, 0, 1)])
    monkeypatch.setattr("time.strftime", lambda *_: next(now))
    monkeypatch.setattr("time.sleep", lambda _: None)
    configs = (tiny_config(tmp_path, epochs=1, runner_type="ConsoleRunner") for _ in range(2))
    folders = {RUNNERS.build(config).log_dir for config in configs}
    assert len(folders) == 2


def test_a_last_batch_of_one_photo_is_left_out_with_a_word(tmp_path, capsys):
    config = tiny_config(tmp_path, epochs=2, runner_type="ConsoleRunner")
    config.train_dataloader.batch_size = 13  # 40 = 3 * 13 + 1
    runner = train(config)
    assert runner.iter == 2 * 3
    assert "the last of 4 batches would be one photo" in capsys.readouterr().out


def test_a_last_batch_of_two_stays_and_so_does_one_without_batch_norm(tmp_path, capsys):
    config = tiny_config(tmp_path / "two", epochs=1, runner_type="ConsoleRunner")
    config.train_dataloader.batch_size = 19
    assert train(config).iter == 3
    plain = tiny_config(tmp_path / "plain", epochs=1, runner_type="ConsoleRunner")
    plain.model = {"type": "NormlessNet"}
    plain.train_dataloader.batch_size = 13
    assert train(plain).iter == 4
    assert "would be one photo" not in capsys.readouterr().out


def test_a_batch_that_a_batch_norm_refuses_ends_in_one_sentence(tmp_path):
    config = tiny_config(tmp_path, epochs=1, runner_type="ConsoleRunner")
    config.model = {"type": "OnePixelNet"}
    config.train_dataloader.batch_size = 1
    with pytest.raises(InputError, match=r"batch_size must leave at least 2 .* got 1, and"):
        train(config)


@MODELS.register_module()
class NormlessNet(TinyNet):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.Identity()


@MODELS.register_module()
class OnePixelNet(TinyNet):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 6)


@pytest.mark.parametrize(("size", "schedulers"), [(40, 1), (20, 2)])
def test_a_warm_up_shorter_than_a_step_is_left_out(tmp_path, size, schedulers):
    config = tiny_config(tmp_path, epochs=2, runner_type="ConsoleRunner")
    config.param_scheduler = Config.fromfile(SCHEDULES / "adamw_cosine.py").param_scheduler
    config.train_dataloader.batch_size = size
    runner = train(config)
    assert len(runner.param_schedulers) == schedulers
