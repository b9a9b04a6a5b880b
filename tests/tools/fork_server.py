"""An interpreter that has imported what the tools need, and runs each of them in a fork of itself.

Imports are half of the time of a small run. Run as a script, it reads one request per line of JSON
from standard input, and answers each with the exit status of the tool, or null if it took too long.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

PRELOADED = (
    "matplotlib.pyplot",
    "rich.progress",
    "rich.table",
    "mmmask.register",
    "mmmask.workflows.ensemble.combine",
    "mmmask.workflows.testing",
    "mmmask.workflows.train",
)


class ForkServer:
    """Runs scripts as ``python SCRIPT ARGUMENTS`` would, without the time of imports.

    Args:
        folder: Where scripts run.
    """

    def __init__(self, folder: Path) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.tools.fork_server"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def run(
        self, script: str, arguments: Sequence[str], environment: Mapping[str, str], timeout: int
    ) -> subprocess.CompletedProcess[str]:
        """Return what a script printed, and how it ended.

        Raises:
            TimeoutError: It took longer than ``timeout`` seconds and was killed.
        """
        command = [script, *arguments]
        with TemporaryDirectory() as folder:
            streams = [str(Path(folder) / name) for name in ("out", "err")]
            self._server.stdin.write(
                json.dumps([timeout, command, streams, dict(environment)]) + "\n"
            )
            status = json.loads(self._server.stdout.readline())
            if status is None:
                raise TimeoutError(f"{' '.join(command)}: no end after {timeout} s")
            output, errors = (Path(stream).read_text() for stream in streams)
        return subprocess.CompletedProcess(command, status, output, errors)

    def close(self) -> None:
        """End the interpreter."""
        self._server.communicate()


def serve() -> None:
    """Answer requests until there are no more, each from a fork that becomes the tool."""
    for line in sys.stdin:
        timeout, *request = json.loads(line)
        child = os.fork()
        if child == 0:
            become(*request)
        signal.signal(signal.SIGALRM, lambda *_, child=child: os.killpg(child, signal.SIGKILL))
        signal.alarm(timeout)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        in_time = signal.alarm(0) > 0
        print(json.dumps(status if in_time else None), flush=True)


def become(command: list[str], streams: list[str], environment: dict[str, str]) -> None:
    """Run a script in this process, and end it."""
    os.setsid()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin = open(os.devnull)  # noqa: SIM115
    os.dup2(sys.stdin.fileno(), 0)
    for number, stream in enumerate(streams, start=1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT), number)
    sys.argv = command
    sys.path[0] = str(Path(command[0]).resolve().parent)
    status = 0
    try:
        runpy.run_path(command[0], run_name="__main__")
    except SystemExit as ended:
        status = ended.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    end(status)


def end(status: int) -> None:
    """End this process as the interpreter would, without taking its modules apart first.

    That takes two seconds in a fork, which has to copy the memory of all objects it touches.
    """
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    from mmmask.cli import limit_thread_spinning
    from tests.config_text import format_each_config_once

    limit_thread_spinning()  # as each tool does before it imports torch
    format_each_config_once()
    for name in PRELOADED:
        import_module(name)
    _ = import_module("mmengine").Config({}).pretty_text  # loads yapf's grammar
    import_module("mmmask.ledger.provenance").code_version()  # of sources that no test changes
    gc.collect()
    gc.freeze()  # what is imported stays; no fork needs to look through it for garbage
    serve()
