import errno
import os
import signal
import subprocess
import sys
from functools import partial

import pytest

from mmmask.cli import add_shared, command, end_on_signals, parser_of
from mmmask.errors import DivergedError, InputError, MissingFileError, ToldError


def fail(error: Exception):
    def main() -> None:
        raise error

    return main


def test_success_is_0(capsys) -> None:
    assert command(lambda: None) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", [InputError, MissingFileError])
def test_input_at_fault_is_2_and_one_line(capsys, kind) -> None:
    assert command(fail(kind("train.csv, line 4: age must be\n  whole years"))) == 2
    assert capsys.readouterr().err == "error: train.csv, line 4: age must be whole years\n"


def test_an_error_from_a_data_worker_is_reduced_to_its_sentence(capsys) -> None:
    text = (
        "Caught InputError in DataLoader worker process 0.\nOriginal Traceback (most recent call"
        ' last):\n  File "x.py", line 1, in f\nmmmask.errors.InputError: a.jpg: not a photo\n'
    )
    assert command(fail(InputError(text))) == 2
    assert capsys.readouterr().err == "error: a.jpg: not a photo\n"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "a.csv"), "a.csv: Permission denied"),
        (OSError(errno.ENOSPC, "x"), "a file could not be written: x"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE), b"a.jpg"), "a.jpg: Too many open files"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory"), "No usable temporary"),
        (OSError("encoder error -2"), "encoder error -2"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "Broken pipe"),  # of no output of ours
    ],
)
def test_what_the_system_refuses_is_2_and_one_line(capsys, error, sentence) -> None:
    assert command(fail(error)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert sentence in line


def test_what_the_system_refuses_a_data_worker_is_one_line(capsys) -> None:
    text = "Caught OSError in DataLoader worker process 0.\nOriginal Traceback\nOSError: a.jpg: no"
    assert command(fail(OSError(text))) == 2
    assert capsys.readouterr().err == "error: a.jpg: no\n"


def output_of(unbuffered: str) -> dict[str, str]:
    """Return an environment in which Python writes at once, or, where empty, when it ends."""
    return {**os.environ, "PYTHONUNBUFFERED": unbuffered}


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("code", ["print('x')", "print('x' * 99999)", "raise SystemExit(0)"])
def test_output_that_cannot_be_written_is_2_and_one_line(code, unbuffered) -> None:
    script = (
        "from mmmask.cli import command\n"
        f"def main():\n    print('before')\n    {code}\n"
        "raise SystemExit(command(main))"
    )
    run = partial(
        subprocess.run, [sys.executable, "-c", script], text=True, env=output_of(unbuffered)
    )
    with open("/dev/full", "w") as full:
        done = run(stdout=full, stderr=subprocess.PIPE)
        assert done.stderr == "error: standard output: No space left on device\n"
        assert done.returncode == 2
        assert run(stdout=full, stderr=full).returncode == 2


@pytest.mark.parametrize(
    ("work", "status"),
    [
        ("print('x')", 0),  # written as it ends
        ("print('x' * 999_999)", 141),
        ("print('x', flush=True)", 141),
        ("from rich.console import Console; Console().print('x')", 141),
        ("import logging; logging.basicConfig(stream=sys.stdout); logging.error('x')", 141),
    ],
)
def test_an_output_that_nobody_reads_ends_the_work_as_a_signal_does(work, status) -> None:
    script = (
        "import sys\nfrom mmmask.cli import command\nsys.stdin.read()\n"
        f"def main():\n    {work}\n"
        "raise SystemExit(command(main))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=output_of(""),
    )
    process.stdout.close()
    process.stdin.close()
    said = b"ended by SIGPIPE\n" if status else b""
    assert (process.stderr.read(), process.wait()) == (said, status)


def test_errors_that_nobody_reads_end_it_too() -> None:
    script = (
        "import sys\nfrom mmmask.cli import command\nsys.stdin.read()\n"
        "from rich.console import Console\n"
        "raise SystemExit(command(lambda: Console(stderr=True).print('x')))"
    )
    run = [sys.executable, "-c", script]
    process = subprocess.Popen(
        run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stderr.close()
    process.stdin.close()
    assert (process.stdout.read(), process.wait()) == (b"", 141)


def test_a_closed_output_is_no_error() -> None:
    script = "from mmmask.cli import command\nraise SystemExit(command(lambda: print('x')))"
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" >&-', sys.executable, script], stderr=subprocess.PIPE
    )
    assert (done.stderr, done.returncode) == (b"", 0)


def test_a_training_that_diverged_is_1_and_one_line(capsys) -> None:
    assert command(fail(DivergedError("loss nan at step 3"))) == 1
    assert command(fail(DivergedError("loss nan at step 3")), diverged=4) == 4
    assert capsys.readouterr().err == "error: loss nan at step 3\n" * 2


def test_a_file_name_that_is_no_text_is_2_and_one_line(capsys) -> None:
    name = b"train/bad\xff.jpg".decode(errors="surrogateescape")
    assert command(lambda: print(name.encode())) == 2
    sentence = "error: 'train/bad\\udcff.jpg': a file name must be UTF-8; rename it\n"
    assert capsys.readouterr().err == sentence


def test_an_interrupt_is_130(capsys) -> None:
    assert command(fail(KeyboardInterrupt())) == 130


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_lets_things_be_put_in_order(number, tmp_path) -> None:
    code = (
        "import os, time\n"
        "from pathlib import Path\n"
        "from mmmask.cli import command\n"
        "from mmmask.files import atomic_write\n"
        "def main():\n"
        f"    with atomic_write({str(tmp_path / 'file')!r}):\n"
        "        print('ready', flush=True)\n"
        "        try:\n"
        "            time.sleep(60)\n"
        "        finally:\n"
        f"            os.kill(os.getpid(), {int(signal.SIGTERM)})  # the second is ignored\n"
        "raise SystemExit(command(main))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.communicate(timeout=30)[1] == f"ended by {number.name}\n"
    assert process.returncode == 128 + number
    assert not list(tmp_path.iterdir())


def test_a_signal_that_comes_just_before_it_is_ignored_shows_no_traceback() -> None:
    code = (
        "import sys\n"
        "from mmmask.cli import end_on_signals\n"
        "end_on_signals()\n"
        "class Raises:\n"
        "    def __init__(self, words):\n"
        "        self.words = words\n"
        "    def __del__(self):\n"
        "        raise OSError(self.words)\n"
        # Python says so of a signal between its check and the change of the handler.
        "Raises('Signal 17 ignored due to race condition')\n"
        "Raises('another')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "race condition" not in done.stderr
    assert "OSError: another" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_the_end_of_python_shows_no_traceback(number) -> None:
    code = (
        "import atexit, os, signal\n"
        "from mmmask.cli import command\n"
        f"atexit.register(lambda: os.kill(os.getpid(), {number:d}))\n"
        "raise SystemExit(command(lambda: None))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-number, "")


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [(signal.SIGINT, 130, "interrupted\n"), (signal.SIGTERM, 143, "ended by SIGTERM\n")],
)
def test_a_signal_within_a_destructor_ends_the_tool_too(number, status, said) -> None:
    code = (
        "import os, time\n"
        "from mmmask.cli import command\n"
        "class Held:\n"
        f"    def __del__(self): os.kill(os.getpid(), {number:d}); time.sleep(1)\n"
        "def main():\n"
        "    held = Held()\n"
        "    del held\n"
        "    time.sleep(20)\n"
        "raise SystemExit(command(main))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (status, said)


def test_what_has_been_told_is_no_second_error(capsys) -> None:
    assert command(fail(ToldError("train a.py refuses its input: its sentence is above"))) == 2
    assert capsys.readouterr().err == "train a.py refuses its input: its sentence is above\n"


def test_a_signal_that_is_ignored_stays_so() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        end_on_signals()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)


def test_a_defect_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        command(fail(ZeroDivisionError()))


def test_a_shared_argument_is_what_it_is_elsewhere_but_for_what_the_tool_says() -> None:
    parser = parser_of("Example:\n    python tools/x.py")
    add_shared(parser, "config", "--data-root", "--cfg-options")
    add_shared(parser, "--pack", help="one pack for all")
    args = parser.parse_args(["c.py", "--cfg-options", "a=1", "b=2"])
    assert vars(args) == {
        "config": "c.py",
        "data_root": None,
        "options": ["a=1", "b=2"],
        "pack": None,
    }
    text = parser.format_help()
    assert "Example:\n    python tools/x.py" in text
    assert "--pack FILE" in text
    assert "one pack for all" in text
