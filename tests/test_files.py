import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mmmask.errors import InputError
from mmmask.files import atomic_write, locked, onto_disk


def test_a_failing_writer_leaves_the_former_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("former")
    with pytest.raises(RuntimeError), atomic_write(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_appears_whole_in_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.csv"
    with atomic_write(path) as partial:
        partial.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_lock_lets_one_process_in_at_a_time_and_ends_with_it(tmp_path) -> None:
    target = tmp_path / "new" / "log.csv"
    code = (
        "import os, sys\n"
        "from mmmask.files import locked\n"
        f"with locked({str(target)!r}):\n"
        "    print('in', flush=True)\n"
        "    sys.stdin.readline()\n"
        "    os._exit(9)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "in\n"
    entered = threading.Event()

    def enter() -> None:
        with locked(target):
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert not entered.wait(0.2)
    process.communicate("end\n")
    assert entered.wait(10)
    thread.join()
    assert [path.name for path in target.parent.iterdir()] == [".log.csv.lock"]


def test_a_lock_with_a_refusal_turns_the_second_away(tmp_path) -> None:
    path = tmp_path / "log.csv"
    refused = pytest.raises(InputError, match=r"log\.csv: in use")
    with locked(path, "in use"), refused, locked(path, "in use"):
        pass
    with locked(path, "in use"):
        pass


def test_files_and_folders_are_put_onto_the_disk(tmp_path) -> None:
    onto_disk(tmp_path)
    with pytest.raises(FileNotFoundError):
        onto_disk(tmp_path / "none")
