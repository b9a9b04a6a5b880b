"""A run whose files cannot be written ends in a sentence, and goes on where there is room."""

import errno
import logging
from pathlib import Path

import pytest
from mmengine.logging import MMLogger
from tiny_engine import tiny_config, train

from mmmask.cli import command
from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.engine.runner_config import prepare_config
from mmmask.errors import InputError, WriteError
from mmmask.ledger.cards import read_card
from tests.full_disk import files_of_at_most

FULL = OSError(errno.ENOSPC, "No space left on device")


def carded(work_dir: Path, **changes):
    config = tiny_config(work_dir, runner_type="ConsoleRunner", **changes)
    config.custom_hooks = [*config.custom_hooks, {"type": "RunCardHook"}]
    return config


def refuse(monkeypatch, method: str, begin: str) -> None:
    """Let a method that writes refuse the files whose names begin so."""
    write = getattr(Path, method)

    def refusing(path: Path, data: bytes | str, *given: object) -> int:
        if path.name.startswith(begin):
            write(path, data[: len(data) // 2])
            raise FULL
        return write(path, data, *given)

    monkeypatch.setattr(Path, method, refusing)


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one_and_the_card_says_so(
    tmp_path, monkeypatch
) -> None:
    with monkeypatch.context() as patch:
        refuse(patch, "write_bytes", ".epoch_3-")
        with pytest.raises(WriteError) as failed:
            train(carded(tmp_path))
    sentence = f"{tmp_path}/epoch_3.pth: could not be written: No space left on device"
    assert str(failed.value) == sentence
    (session,) = read_card(tmp_path)["sessions"]
    assert (session["status"], session["error"]) == ("failed", f"WriteError: {sentence}")
    assert not list(tmp_path.glob(".epoch*"))
    train(carded(tmp_path), resume=True)
    sessions = read_card(tmp_path)["sessions"]
    assert [one["from_epoch"] for one in sessions] == [0, 2]
    assert sessions[-1]["status"] == "finished"
    assert load_checkpoint_file(tmp_path / "epoch_4.pth")["meta"]["epoch"] == 4


def test_a_card_that_cannot_be_written_does_not_hide_why(tmp_path, monkeypatch) -> None:
    refuse(monkeypatch, "write_bytes", ".best_")
    real = Path.write_text

    def full_from_now_on(path: Path, data: str, *given: object) -> int:
        if path.name.startswith(".card") and '"failed"' in data:
            raise FULL
        return real(path, data, *given)

    monkeypatch.setattr(Path, "write_text", full_from_now_on)
    with pytest.raises(WriteError, match=r"best_.*_epoch_1\.pth: could not be written"):
        train(carded(tmp_path))
    assert read_card(tmp_path)["sessions"][0]["status"] == "running"  # its process is gone


def test_no_room_for_anything_is_told_before_the_run_starts(tmp_path) -> None:
    work_dir = tmp_path / "run"
    with files_of_at_most(0), pytest.raises(WriteError, match="takes no file: File too large"):
        train(carded(work_dir))
    assert not work_dir.exists()


def test_scores_that_mmengine_cannot_write_are_told_with_the_work_dir(
    tmp_path, monkeypatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise FULL

    monkeypatch.setattr("mmengine.visualization.vis_backend.LocalVisBackend._dump", full)
    with pytest.raises(WriteError, match=f"{tmp_path}: could not be written: No space left"):
        train(carded(tmp_path))
    assert read_card(tmp_path)["sessions"][0]["status"] == "failed"


class _FullStream:
    def write(self, text: str) -> None:
        raise FULL


def test_a_log_that_cannot_be_written_is_a_sentence_and_a_wrong_line_none(
    tmp_path, capsys, monkeypatch
) -> None:
    logger: MMLogger = train(carded(tmp_path, epochs=1, log_level="INFO")).logger
    (log,) = (one for one in logger.handlers if isinstance(one, logging.FileHandler))
    logger.info("%d", "no number")
    assert "TypeError" in capsys.readouterr().err  # of logging, as ever
    with monkeypatch.context() as patch, pytest.raises(WriteError) as failed:
        patch.setattr(log, "stream", _FullStream())
        logger.info("a line")
    assert str(failed.value) == f"{log.baseFilename}: could not be written: No space left on device"
    assert command(lambda: (_ for _ in ()).throw(failed.value)) == 2


def test_data_workers_whom_the_system_allows_too_few_files_are_refused(
    tmp_path, monkeypatch
) -> None:
    """A worker without them would never send its batch."""
    asked = []
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr("resource.setrlimit", lambda _, limits: asked.append(limits))
    monkeypatch.setattr("resource.getrlimit", lambda _: (50, 90))
    with pytest.raises(InputError, match=r"4 data workers need 96 open files, .* allows 90"):
        prepare_config(carded(tmp_path, workers=2))
    assert not asked
    monkeypatch.setattr("resource.getrlimit", lambda _: (50, 4096))
    prepare_config(carded(tmp_path, workers=2))
    assert asked == [(96, 4096)]
    prepare_config(carded(tmp_path, workers=0))
    assert len(asked) == 1
