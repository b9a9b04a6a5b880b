import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mmmask.errors import InputError
from mmmask.files import atomic_write, folder_written_whole, locked, onto_disk


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
    assert not list(tmp_path.iterdir())


def test_a_lock_ends_with_the_process_that_took_it_whatever_its_forks_do(tmp_path) -> None:
    path = tmp_path / "log.csv"
    code = (
        "import os, time\n"
        "from mmmask.files import locked\n"
        f"with locked({str(path)!r}, 'in use'):\n"
        "    if os.fork() == 0:\n"
        "        print('forked', flush=True)\n"
        "        time.sleep(60)\n"
        "    os.wait()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout.readline() == "forked\n"
        with pytest.raises(InputError, match="in use"), locked(path, "in use"):
            pass
        process.kill()
        process.wait()
        with locked(path, "in use"):
            pass
    finally:
        os.killpg(process.pid, signal.SIGKILL)


WRITERS = {
    "atomic_write": "partial.write_text('half')",
    "folder_written_whole": "(partial / 'a').write_text('half')",
}


@pytest.mark.parametrize("writer", WRITERS)
def test_what_a_killed_process_left_is_removed_and_not_what_a_living_one_writes(
    tmp_path, writer
) -> None:
    path = tmp_path / "result"
    code = (
        "import sys\n"
        f"from mmmask.files import {writer}\n"
        f"with {writer}({str(path)!r}) as partial:\n"
        f"    {WRITERS[writer]}\n"
        "    print('half', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "half\n"
    (living,) = tmp_path.iterdir()
    write = {"atomic_write": atomic_write, "folder_written_whole": folder_written_whole}[writer]
    with pytest.raises(RuntimeError), write(path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [living]
    process.kill()
    process.wait()
    assert list(tmp_path.iterdir()) == [living]
    with write(path) as partial:
        assert not partial.is_dir() or not list(partial.iterdir())
    assert list(tmp_path.iterdir()) == [path]
    assert path.is_dir() or path.read_text() == ""


def test_a_file_of_the_user_is_no_partial_file(tmp_path) -> None:
    (tmp_path / ".result-settings.csv").write_text("own")
    with atomic_write(tmp_path / "result.csv"):
        pass
    assert (tmp_path / ".result-settings.csv").read_text() == "own"


def test_files_and_folders_are_put_onto_the_disk(tmp_path) -> None:
    onto_disk(tmp_path)
    with pytest.raises(FileNotFoundError):
        onto_disk(tmp_path / "none")
