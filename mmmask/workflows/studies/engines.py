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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from mmmask.errors import DivergedError, InputError, ToldError
from mmmask.packages import require

ENGINES = ("local", "ray")
#: Exit statuses of a process that was asked to end; a negative one is a signal.
_INTERRUPTED = tuple(
    status
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)
    for status in (128 + number, -number)
)
#: That of a step whose training diverged: 1 is also that of a defect.
DIVERGED = 4
#: Seconds that a child has to end by itself before it is killed.
_GRACE = 10.0
_PR_SET_PDEATHSIG = 1

Command = Sequence[str]


class Job(Protocol):
    """A command line that was started."""

    def poll(self) -> int | None:
        """Return its exit status, or None while it runs."""

    def stop(self) -> None:
        """End it, gently first; its status then means nothing."""


class Machine(Protocol):
    """Where command lines run."""

    def start(self, command: Command, log: Path | None = None) -> Job:
        """Start a command; ``log`` is a file to append its output to, or None for the terminal."""

    def close(self) -> None:
        """End what still runs."""


def check_engine(engine: str, jobs: int) -> None:
    """Refuse what :func:`opened` cannot have, before anything is done."""
    if engine not in ENGINES:
        raise InputError(f"--engine must be one of {', '.join(ENGINES)}; got {engine!r}")
    if jobs < 1:
        raise InputError(f"--jobs must be at least 1; got {jobs}")
    if engine == "ray":
        _ray()


@contextmanager
def opened(engine: str, jobs: int) -> Iterator[Machine]:
    """Yield where to start command lines, up to ``jobs`` at a time; none outlives the block.

    Where ``CUDA_VISIBLE_DEVICES`` lists several GPUs, the jobs here take turns in them; a task of
    Ray gets a GPU of its own where the cluster has any. ``ray`` (the extra ``ray``) is the cluster
    that ``RAY_ADDRESS`` names, else this machine; all must see the same files under the same paths.

    Raises:
        InputError: ``engine`` or ``jobs`` is not allowed, or Ray is not installed.
    """
    check_engine(engine, jobs)
    machine: Machine = _Here(jobs) if engine == "local" else _RayCluster(jobs)
    try:
        yield machine
    finally:
        machine.close()


def run_commands(
    commands: Sequence[Command],
    *,
    engine: str = "local",  # as for :func:`opened`
    jobs: int = 1,  # how many run at the same time
    logs: Sequence[str | Path] | None = None,  # each gets the output of one; None: the terminal
    done: Callable[[int], None] | None = None,  # gets the index of each that has ended well
) -> None:
    """Run command lines to their end, in order.

    The first that fails ends the others, which are expected to continue where they were when
    they are started again.

    Raises:
        InputError: As of :func:`opened`, or a command ended with status 2, its input at fault.
        DivergedError: A command ended with the status ``DIVERGED``.
        RuntimeError: A command ended with another status.
        KeyboardInterrupt: A command was interrupted.
    """
    paths = [None] * len(commands) if logs is None else [Path(log) for log in logs]
    waiting = list(enumerate(commands))[::-1]
    running: dict[Job, int] = {}
    with opened(engine, jobs) as machine:
        while waiting or running:
            while waiting and len(running) < jobs:
                index, command = waiting.pop()
                running[machine.start(command, paths[index])] = index
            for job, index in list(running.items()):
                status = job.poll()
                if status is None:
                    continue
                del running[job]
                check_status(commands[index], status, paths[index])
                if done is not None:
                    done(index)
            time.sleep(0.05)


def check_status(command: Command, status: int, log: Path | None) -> None:
    """Raise what the exit status of a command says, as :func:`run_commands` does."""
    if status in _INTERRUPTED:
        raise KeyboardInterrupt
    if status == 0:
        return
    words = command[3:5] if command[1] == "-m" else command[1:3]
    name = " ".join(Path(word).name for word in words)
    lines = [] if log is None or not log.is_file() else log.read_text(errors="replace").splitlines()
    said = next((line for line in reversed(lines) if line.startswith("error: ")), None)
    sentence = "its sentence is above" if said is None else said.removeprefix("error: ")
    if status == 2:
        kind = ToldError if said is None else InputError
        raise kind(f"{name} refuses its input: {sentence}")
    if status == DIVERGED:
        raise DivergedError(f"{name} diverged: {sentence}")
    where = "above" if log is None else f"in {log}"
    raise RuntimeError(f"{name} ended with status {status}; its output is {where}")


class _Here:
    """Processes on this machine, which end with this one."""

    def __init__(self, jobs: int) -> None:
        visible = [gpu for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu]
        self._gpus = visible if jobs > 1 else []
        self._running: dict[int, _Process] = {}  # place -> process

    def start(self, command: Command, log: Path | None = None) -> "_Process":
        taken = {place for place, job in self._running.items() if job.poll() is None}
        place = next(place for place in range(len(taken) + 1) if place not in taken)
        gpu = {"CUDA_VISIBLE_DEVICES": self._gpus[place % len(self._gpus)]} if self._gpus else {}
        with _opened(log) as output:
            self._running[place] = _Process(
                command,
                stdout=output,
                stderr=None if output is None else subprocess.STDOUT,
                env={**os.environ, **gpu},
                preexec_fn=_end_with_parent,
            )
        return self._running[place]

    def close(self) -> None:
        _end([job for job in self._running.values() if job.poll() is None])


class _Process(subprocess.Popen):
    def stop(self) -> None:
        _end([self])


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


class _RayCluster:
    """Tasks of Ray, each of which runs a process."""

    def __init__(self, jobs: int) -> None:
        self._ray = _ray()
        if not self._ray.is_initialized():
            self._ray.init(log_to_driver=False, logging_level="warning", include_dashboard=False)
        total = self._ray.cluster_resources()
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        largest = max(node.get("CPU", 1) for node in nodes)
        # Ray gives a task as many threads as cores, and hides every GPU that it did not ask for.
        cores = max(1, min(int(total.get("CPU", 1)) // jobs, int(largest)))
        self._task = self._ray.remote(_task).options(
            num_cpus=cores, num_gpus=1 if total.get("GPU", 0) else 0, max_retries=0
        )
        self._here = os.getcwd()
        self._started: list[_RayTask] = []

    def start(self, command: Command, log: Path | None = None) -> "_RayTask":
        job = _RayTask(self._ray, self._task.remote(list(command), self._here), log)
        self._started.append(job)
        return job

    def close(self) -> None:
        for job in self._started:
            job.stop()


class _RayTask:
    def __init__(self, ray: Any, reference: Any, log: Path | None) -> None:
        self._ray, self._reference, self._log = ray, reference, log
        self._status: int | None = None

    def poll(self) -> int | None:
        if self._status is None and self._ray.wait([self._reference], timeout=0)[0]:
            self._status, output = self._ray.get(self._reference)
            if self._log is None:
                print(output.decode(errors="replace"), end="", flush=True)
            with _opened(self._log) as file:
                if file is not None:
                    file.write(output)
        return self._status

    def stop(self) -> None:
        if self._status is None:
            self._ray.cancel(self._reference, force=True)


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
    require("--engine ray", "ray")
    import ray

    return ray
