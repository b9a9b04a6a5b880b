"""Call a function in a process of its own: crashes, hangs and memory are seen from outside."""

import os
import pickle
import resource
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mmmask.errors import InputError

#: What a call may take before it counts as a hang, and as greedy.
SECONDS, MEGABYTES = 30, 1500


@dataclass(frozen=True)
class Said:
    """How a call ended: one of these is not None, or the call returned None."""

    value: Any = None
    refusal: str | None = None
    fault: str | None = None


def in_child(act: Callable[[], Any]) -> Said:
    """Return how ``act`` ended, whose value must be one that pickle takes."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(act, writer)
    os.close(writer)
    with open(reader, "rb") as stream:
        data = stream.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == -signal.SIGALRM:
        return Said(fault=f"no end after {SECONDS} s")
    if status != 0 or not data:
        return Said(fault=f"the process ended with status {status}")
    said, megabytes = pickle.loads(data)
    if megabytes > MEGABYTES:
        return Said(fault=f"took {megabytes} MB of memory, then: {said}")
    return said


def _answer(act: Callable[[], Any], writer: int) -> None:
    """Call, write what came of it with the memory that it took, and end this process."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    before = _memory("VmRSS")
    most = (_memory("VmSize") + 4 * MEGABYTES) << 20  # before the machine suffers
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        said = Said(value=act())
    except InputError as error:
        said = Said(refusal=str(error))
    except BaseException:
        said = Said(fault=traceback.format_exc().strip()[-1500:])
    with open(writer, "wb") as stream:
        pickle.dump((said, _memory("VmHWM") - before), stream)
    os._exit(0)


def _memory(name: str) -> int:
    """Return a figure of this process's memory in MB."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(name))
