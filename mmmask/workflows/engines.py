"""Run command lines as processes: here, some at a time, or on the machines of a Ray cluster.

MMEngine names its logger by the second and keeps much in global state, so each training is a
process of its own. Children end with the process that started them, however it ends (on Linux; on
other systems unless it is killed), so a second start never meets a first one still at work.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

from mmmask.errors import InputError

ENGINES = ("local", "ray")
#: Exit status of a process whose user interrupted it; a negative one is a signal.
_INTERRUPTED = (130, -signal.SIGINT)
#: Seconds that a child has to end by itself before it is killed.
_GRACE = 10.0
_PR_SET_PDEATHSIG = 1

Command = Sequence[str]


def run_commands(
    commands: Sequence[Command],
    *,
    engine: str = "local",
    jobs: int = 1,
    logs: Sequence[str | Path] | None = None,
    done: Callable[[int], None] | None = None,
) -> None:
    """Run command lines to their end, in order, at most ``jobs`` at a time.

    The first that fails ends the others, which are expected to continue where they were when
    they are started again. Where ``CUDA_VISIBLE_DEVICES`` lists several GPUs, the jobs here take
    turns in them; a task of Ray gets a GPU of its own where the cluster has any.

    Args:
        commands: Each a program and its arguments; ``sys.executable`` for Python.
        engine: ``local``, or ``ray`` (the extra ``ray``): the cluster that ``RAY_ADDRESS`` names,
            else this machine. Its machines must see the same files under the same paths.
        jobs: How many run at the same time.
        logs: One file for each command, to which its output is appended (``os.devnull`` drops
            it); None leaves it to the terminal.
        done: Called with the index of each command that has ended well.

    Raises:
        InputError: ``engine`` or ``jobs`` is not allowed, Ray is not installed, or a command ended
            with status 2, its input at fault.
        RuntimeError: A command ended with another status.
        KeyboardInterrupt: A command was interrupted.
    """
    if engine not in ENGINES:
        raise InputError(f"--engine must be one of {', '.join(ENGINES)}; got {engine!r}")
    if jobs < 1:
        raise InputError(f"--jobs must be at least 1; got {jobs}")
    paths = [None] * len(commands) if logs is None else [Path(log) for log in logs]
    run = _run_here if engine == "local" else _run_on_ray
    with closing(run(commands, jobs, paths)) as ended:
        for index, status in ended:
            if status in _INTERRUPTED:
                raise KeyboardInterrupt
            if status:
                _fail(commands[index], status, paths[index])
            if done is not None:
                done(index)


def _fail(command: Command, status: int, log: Path | None) -> None:
    """Raise what the status of a command says."""
    name = " ".join(Path(part).name for part in command[:3] if part != sys.executable)
    lines = [] if log is None or not log.is_file() else log.read_text(errors="replace").splitlines()
    said = next((line for line in reversed(lines) if line.startswith("error: ")), None)
    if status == 2:
        sentence = "its sentence is above" if said is None else said.removeprefix("error: ")
        raise InputError(f"{name} refuses its input: {sentence}")
    where = "above" if log is None else f"in {log}"
    raise RuntimeError(f"{name} ended with status {status}; its output is {where}")


def _run_here(
    commands: Sequence[Command], jobs: int, logs: Sequence[Path | None]
) -> Generator[tuple[int, int], None, None]:
    """Yield index and exit status of each command as it ends."""
    visible = [gpu for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu]
    waiting = list(enumerate(commands))[::-1]
    running: dict[int, tuple[int, subprocess.Popen]] = {}  # place -> (index, process)
    try:
        while waiting or running:
            for place in range(jobs):
                if place not in running and waiting:
                    index, command = waiting.pop()
                    gpu = {"CUDA_VISIBLE_DEVICES": visible[place % len(visible)]} if visible else {}
                    running[place] = index, _start(command, logs[index], gpu if jobs > 1 else {})
            for place, (index, process) in list(running.items()):
                status = process.poll()
                if status is not None:
                    del running[place]
                    yield index, status
            time.sleep(0.05)
    finally:
        _end([process for _, process in running.values()])


def _start(command: Command, log: Path | None, environment: dict[str, str]) -> subprocess.Popen:
    """Start a process that ends with this one."""
    with _opened(log) as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            env={**os.environ, **environment},
            preexec_fn=_end_with_parent,
        )


@contextmanager
def _opened(log: Path | None) -> Iterator[IO[bytes] | None]:
    if log is None:
        yield None
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        yield output


# Looked up here, because between fork and exec a process with threads may only make system calls.
_PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _end_with_parent() -> None:
    """Ask the kernel to end this process when the thread that started it is gone."""
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(processes: Sequence[subprocess.Popen]) -> None:
    """End processes, gently first."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + _GRACE
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _run_on_ray(
    commands: Sequence[Command], jobs: int, logs: Sequence[Path | None]
) -> Generator[tuple[int, int], None, None]:
    """Yield index and exit status of each command as its task ends, its output written."""
    ray = _ray()
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level="warning", include_dashboard=False)
    total = ray.cluster_resources()
    largest = max(node["Resources"].get("CPU", 1) for node in ray.nodes() if node["Alive"])
    # Ray gives a task as many threads as cores, and hides every GPU that it did not ask for.
    cores = max(1, min(int(total.get("CPU", 1)) // jobs, int(largest)))
    task = ray.remote(_task).options(
        num_cpus=cores, num_gpus=1 if total.get("GPU", 0) else 0, max_retries=0
    )
    waiting = list(enumerate(commands))[::-1]
    running: dict[Any, int] = {}  # reference to a task -> index
    here = os.getcwd()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                index, command = waiting.pop()
                running[task.remote(list(command), here)] = index
            (first, *_), _ = ray.wait(list(running))
            index = running.pop(first)
            status, output = ray.get(first)
            log = logs[index]
            if log is None:
                print(output.decode(errors="replace"), end="", flush=True)
            with _opened(log) as file:
                if file is not None:
                    file.write(output)
            yield index, status
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def _task(command: list[str], folder: str) -> tuple[int, bytes]:
    """Run a command in a worker of Ray; return its exit status and output."""
    done = subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=_end_with_parent,
    )
    return done.returncode, done.stdout


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise InputError("--engine ray needs Ray: pip install 'mmmask[ray]'") from error
    return ray
