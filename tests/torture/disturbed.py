"""Run a tool as ``python TOOL ARGUMENTS`` would, under a limit on its files or with a near end.

Example: python tests/torture/disturbed.py '{"bytes": 3000}' tools/pack.py data --out p.arrow ...
"""

import atexit
import ctypes
import json
import multiprocessing
import os
import resource
import runpy
import signal
import sys
import time
from pathlib import Path
from typing import TextIO


def limit_files(most: int) -> None:
    """Let no file grow beyond ``most`` bytes; a write that would fails as on a full disk.

    What is printed is not limited, though it may go to a file.
    """
    for stream in (sys.stdout, sys.stderr):
        _relay(stream)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def _relay(stream: TextIO) -> None:
    """Print through a process that has no limit, which ends when this one does."""
    reader, writer = os.pipe()
    relay = os.fork()
    if relay == 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.close(writer)
        while part := os.read(reader, 1 << 16):
            os.write(stream.fileno(), part)
        os._exit(0)
    os.close(reader)
    os.dup2(writer, stream.fileno())
    os.close(writer)

    def wait() -> None:
        for worker in multiprocessing.active_children():  # it prints into the same pipe
            worker.terminate()
            worker.join()
        stream.flush()
        os.close(stream.fileno())
        os.waitpid(relay, 0)

    atexit.register(wait)


def end_later(number: int, seconds: float, *, all_of_them: bool) -> None:
    """Send a signal after some seconds, to this process alone or to its whole group.

    A process of its own sends it, so that it comes at any moment, be it inside a call that keeps
    the interpreter busy.
    """
    victim = os.getpid()
    if os.fork():
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: not longer than the tool
    os.closerange(0, 3)
    time.sleep(seconds)
    if os.getppid() == victim:
        (os.killpg if all_of_them else os.kill)(victim, number)
    os._exit(0)


if __name__ == "__main__":
    given, *command = sys.argv[1:]
    options = json.loads(given)
    if "bytes" in options:
        limit_files(options["bytes"])
    if "signal" in options:
        end_later(options["signal"], options["seconds"], all_of_them=options["group"])
    sys.argv = command
    sys.path[0] = str(Path(command[0]).resolve().parent)
    runpy.run_path(command[0], run_name="__main__")
