import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmmask.datasets.photo_store import write_store
from mmmask.drawing.drawn_faces import draw_dataset
from mmmask.errors import InputError, MissingFileError, WriteError
from mmmask.files import (
    atomic_write,
    check_folder,
    check_output,
    folder_written_whole,
    locked,
    onto_disk,
    write_csv,
)
from mmmask.reports.output import save_figure
from mmmask.tables import SAMPLES, write_table
from tests.full_disk import files_of_at_most


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


HALVES = {
    "atomic_write": "partial.write_text('half')",
    "folder_written_whole": "(partial / 'a').write_text('half')",
}


@pytest.mark.parametrize("writer", HALVES)
def test_what_a_killed_process_left_is_removed_and_not_what_a_living_one_writes(
    tmp_path, writer
) -> None:
    path = tmp_path / "result"
    code = (
        "import sys\n"
        f"from mmmask.files import {writer}\n"
        f"with {writer}({str(path)!r}) as partial:\n"
        f"    {HALVES[writer]}\n"
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


def big_figure(path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().imshow(np.random.default_rng(0).random((200, 200)))
    save_figure(figure, path)


def big_checkpoint(path: Path) -> None:
    import torch

    from mmmask.engine.checkpoints import stored_bytes

    with atomic_write(path) as partial:
        partial.write_bytes(stored_bytes({"weights": torch.zeros(100_000)}))


def big_store(path: Path) -> None:
    photos = np.random.default_rng(0).integers(0, 255, (50, 40, 40), np.uint8)
    for number in range(50):
        (path.parent / "data").mkdir(exist_ok=True)
        (path.parent / "data" / f"{number}.jpg").touch()
    names = [f"{number}.jpg" for number in range(50)]
    write_store(
        path,
        names,
        [photos],
        data_root=path.parent / "data",
        made_by={},
        kind="test",
        shape=(40, 40),
        dtype=np.uint8,
    )


BIG = pd.DataFrame({"image": [f"{x:064x}.jpg" for x in range(9000)], "person": "1"})
WRITERS = {
    "t.csv": lambda path: write_csv(path, BIG),
    "s.csv": lambda path: write_table(path, BIG, SAMPLES),
    "s.parquet": lambda path: write_table(path, BIG, SAMPLES),
    "p.png": big_figure,
    "p.jpg": big_figure,
    "c.pth": big_checkpoint,
    "p.arrow": big_store,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_sentence_and_the_former_file_stays(name, tmp_path) -> None:
    path = tmp_path / name
    path.write_text("former")
    with files_of_at_most(8192), pytest.raises(WriteError) as failed:
        WRITERS[name](path)
    assert str(failed.value) == f"{path}: could not be written: File too large"
    assert path.read_text() == "former"
    assert {one.name for one in tmp_path.iterdir()} <= {name, "data"}
    WRITERS[name](path)  # with room
    assert path.stat().st_size > 8192


def test_a_full_disk_leaves_no_part_of_a_folder(tmp_path) -> None:
    with files_of_at_most(1024), pytest.raises(WriteError, match="faces: could not be written"):
        draw_dataset(tmp_path / "faces", people=6, size=(48, 64))
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_what_is_read_is_not_told_as_one_of_the_write(tmp_path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a.csv"):
        (tmp_path / "missing.jpg").read_bytes()
    with pytest.raises(MissingFileError), atomic_write(tmp_path / "a.csv"):
        raise MissingFileError("b.csv: no such file")
    with pytest.raises(ConnectionResetError), atomic_write(tmp_path / "a.csv"):
        raise ConnectionResetError(errno.ECONNRESET, "reset")


def test_where_nothing_can_be_written_is_a_sentence_with_the_path(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    inside = tmp_path / "file" / "x"
    for path in (inside, tmp_path / ("n" * 300), Path("/proc/x"), tmp_path / "folder"):
        with pytest.raises(WriteError, match=str(path)), atomic_write(path) as partial:
            partial.write_text("x")
        with pytest.raises(WriteError, match=str(path)):
            check_output(path)
    for path in (inside, tmp_path / ("n" * 300), Path("/proc/x"), tmp_path / "file"):
        with pytest.raises(WriteError, match=str(path)):
            check_folder(path)
    with pytest.raises(WriteError, match="file"), folder_written_whole(inside):
        pass
    with pytest.raises(WriteError, match="file"), locked(inside):
        pass
    with pytest.raises(WriteError, match="NUL"):
        check_output("a\0b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("name", ["n" * 255, "\N{HANGUL SYLLABLE GA}" * 85, "a." + "n" * 253])
def test_a_name_as_long_as_the_system_takes_is_written(name, tmp_path) -> None:
    check_output(tmp_path / name)
    with atomic_write(tmp_path / name) as partial:
        partial.write_text("x")
    assert (tmp_path / name).read_text() == "x"


def test_a_drive_without_room_is_refused_before_the_work(tmp_path) -> None:
    check_output(tmp_path / "a.csv")
    with files_of_at_most(100), pytest.raises(WriteError) as refused:
        check_output(tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []  # though what was being done is still known
    assert "takes no file: File too large" in str(refused.value)


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "elsewhere" / "a.csv")
    with atomic_write(link) as partial:
        partial.write_text("x")
    assert link.is_symlink()
    assert os.listdir(tmp_path / "elsewhere") == ["a.csv"]
    assert link.read_text() == "x"
