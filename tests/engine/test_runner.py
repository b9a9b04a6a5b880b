import logging

from tiny_engine import tiny_config, train


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
