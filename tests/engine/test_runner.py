import logging

import pytest
from mmengine.registry import RUNNERS
from tiny_engine import tiny_config, train

from mmmask.errors import InputError
from mmmask.files import locked


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
