import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmmask.errors import DivergedError, InputError, ToldError
from mmmask.workflows.studies.engines import DIVERGED, opened, run_commands


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def until(true, seconds: float = 20) -> bool:
    """Wait for a condition, and say whether it came."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


#: Writes its process id into a file and sleeps.
SLEEPER = (
    "import os, pathlib, time; pathlib.Path({!r}).write_text(str(os.getpid())); time.sleep({})"
)
#: Fails as soon as the sleeper sleeps.
FAILING = (
    "import pathlib, time\n"
    "while not pathlib.Path({!r}).exists(): time.sleep(0.02)\n"
    "raise SystemExit(3)"
)


@pytest.mark.parametrize("jobs", [1, 3])
def test_all_commands_run_and_their_output_goes_to_their_logs(tmp_path, jobs) -> None:
    logs = [tmp_path / f"{number}" / "log.txt" for number in range(4)]
    done: list[int] = []
    commands = [python(f"import sys; print({n}); print('oh', file=sys.stderr)") for n in range(4)]
    run_commands(commands, jobs=jobs, logs=logs, done=done.append)
    assert [log.read_text().split() for log in logs] == [[str(n), "oh"] for n in range(4)]
    assert sorted(done) == [0, 1, 2, 3]
    assert jobs > 1 or done == [0, 1, 2, 3]


def test_not_more_than_the_jobs_run_at_once(tmp_path) -> None:
    code = (
        "import os, pathlib, time; mine = pathlib.Path({!r}, str(os.getpid())); mine.touch()\n"
        "end, seen = time.monotonic() + {}, 0\n"
        "while not seen or seen < 2 and time.monotonic() < end:\n"
        "    seen = max(seen, len(list(mine.parent.iterdir()))); time.sleep(0.05)\n"
        "time.sleep(0.2); print(max(seen, len(list(mine.parent.iterdir())))); mine.unlink()"
    )
    running = tmp_path / "running"
    running.mkdir()
    # The first two wait for each other; later ones may come to be alone.
    commands = [python(code.format(str(running), 60 if number < 2 else 0)) for number in range(6)]
    logs = [tmp_path / f"{number}.txt" for number in range(6)]
    run_commands(commands, jobs=2, logs=logs)
    assert max(int(log.read_text()) for log in logs) == 2


def test_input_at_fault_is_told_in_the_words_of_the_command(tmp_path) -> None:
    bad = python("import sys; print('error: fold must be 0', file=sys.stderr); sys.exit(2)")
    with pytest.raises(InputError, match=r"^-c .* refuses its input: fold must be 0$"):
        run_commands([bad], logs=[tmp_path / "log.txt"])
    with pytest.raises(ToldError, match="its sentence is above"):
        run_commands([bad])


def test_a_training_that_diverged_is_told_in_its_words(tmp_path) -> None:
    text = f"import sys; print('error: loss nan', file=sys.stderr); sys.exit({DIVERGED})"
    with pytest.raises(DivergedError, match=r"^-c .* diverged: loss nan$"):
        run_commands([python(text)], logs=[tmp_path / "log.txt"])
    with pytest.raises(DivergedError, match="diverged: its sentence is above"):
        run_commands([python(text)])


def test_the_first_failure_ends_the_others_and_starts_no_more(tmp_path) -> None:
    sleeping, started = tmp_path / "sleeping", tmp_path / "started"
    commands = [
        python(SLEEPER.format(str(sleeping), 60)),
        python(FAILING.format(str(sleeping))),
        python(f"import pathlib; pathlib.Path({str(started)!r}).touch()"),
    ]
    with pytest.raises(RuntimeError, match=r"ended with status 3; its output is in .*log\.txt"):
        run_commands(commands, jobs=2, logs=[tmp_path / "log.txt"] * 3)
    assert until(lambda: not alive(int(sleeping.read_text())))
    assert not started.exists()


def test_an_interrupted_command_interrupts() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_commands([python("raise SystemExit(130)")])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such signal")
@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_children_end_with_the_process_that_started_them(tmp_path, way) -> None:
    child = tmp_path / "child"
    parent = subprocess.Popen(
        python(
            "import sys; from mmmask.workflows.studies.engines import opened, run_commands\n"
            f"run_commands([[sys.executable, '-c', {SLEEPER.format(str(child), 60)!r}]])"
        ),
        stderr=subprocess.DEVNULL,
    )
    assert until(lambda: child.exists() and child.read_text() != "")
    parent.send_signal(way)
    parent.wait(20)
    assert until(lambda: not alive(int(child.read_text())))


def test_jobs_take_turns_in_the_visible_gpus(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    show = python("import os, time; print(os.environ['CUDA_VISIBLE_DEVICES']); time.sleep(0.3)")
    run_commands([show] * 4, jobs=2, logs=[tmp_path / "two.txt"] * 4)
    assert sorted((tmp_path / "two.txt").read_text().split()) == ["3", "3", "5", "5"]
    run_commands([show], logs=[tmp_path / "one.txt"])
    assert (tmp_path / "one.txt").read_text() == "3,5\n"


def test_a_single_command_is_started_watched_and_stopped(tmp_path) -> None:
    sleeping = tmp_path / "sleeping"
    with opened("local", 2) as machine:
        one = machine.start(python("raise SystemExit(3)"), tmp_path / "one.txt")
        assert until(lambda: one.poll() == 3)
        other = machine.start(python(SLEEPER.format(str(sleeping), 60)), tmp_path / "other.txt")
        assert until(lambda: sleeping.exists() and sleeping.read_text() != "")
        assert other.poll() is None
        other.stop()
        assert not alive(int(sleeping.read_text()))


def test_nothing_outlives_the_block_that_started_it(tmp_path) -> None:
    sleeping = tmp_path / "sleeping"
    with opened("local", 1) as machine:
        machine.start(python(SLEEPER.format(str(sleeping), 60)), tmp_path / "log.txt")
        assert until(lambda: sleeping.exists() and sleeping.read_text() != "")
    assert not alive(int(sleeping.read_text()))


def test_unknown_engines_and_no_jobs_are_refused() -> None:
    with pytest.raises(InputError, match="--engine must be one of local, ray; got 'dask'"):
        run_commands([], engine="dask")
    with pytest.raises(InputError, match="--jobs must be at least 1; got 0"):
        run_commands([], jobs=0)


def test_ray_that_is_not_installed_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"needs ray: pip install 'ray>=2\.40'"):
        run_commands([python("")], engine="ray")


def test_ray_runs_the_same_commands(tmp_path) -> None:
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        logs = [tmp_path / f"{number}.txt" for number in range(3)]
        show = "import os; print({}, os.getcwd())"
        run_commands([python(show.format(n)) for n in range(3)], engine="ray", jobs=2, logs=logs)
        assert [log.read_text() for log in logs] == [f"{n} {os.getcwd()}\n" for n in range(3)]
        bad = python("import sys; print('error: no such fold', file=sys.stderr); sys.exit(2)")
        with pytest.raises(InputError, match="refuses its input: no such fold"):
            run_commands([bad], engine="ray", logs=[tmp_path / "bad.txt"])
        sleeping = tmp_path / "sleeping"
        both = [python(SLEEPER.format(str(sleeping), 60)), python(FAILING.format(str(sleeping)))]
        with pytest.raises(RuntimeError, match="ended with status 3"):
            run_commands(both, engine="ray", jobs=2, logs=[tmp_path / "log.txt"] * 2)
        assert until(lambda: not alive(int(sleeping.read_text())))
    finally:
        ray.shutdown()
