"""A review that is killed between, or inside, decisions: none that was acknowledged is lost."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tests.torture.bench import ROOT, Bench, pick
from tests.torture.kills import SIGNALS
from tests.torture.results import leftovers
from tests.torture.trials import Promise, Trial

#: How many label issues are decided, and how often the server is killed on the way.
DECISIONS, KILLS = 30, 2
VERDICTS = ("accept", "keep", "later")


@dataclass
class Server:
    """A running review."""

    process: subprocess.Popen[str]
    address: str

    def ask(self, path: str, body: dict | None = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, data, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def decide(self, number: int) -> bool:
        """Decide on a label issue; return whether the server says that it is stored."""
        state = self.ask("/state")
        said = {"number": number, "verdict": VERDICTS[number % 3], "values": {}}
        said |= {"list": state["list"], "version": state["version"]}
        return self.ask("/decide", said)["stored"]


@contextmanager
def served(bench: Bench, out: Path) -> Iterator[Server]:
    """Start a review; it is killed when the block ends, if it is still there."""
    command = [sys.executable, "tools/review.py", bench.issues, "--out", out]
    command += ["--data-root", bench.data, "--port", 0]
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = []
        while (line := process.stdout.readline()) and not line.startswith("review: "):
            said.append(line)
        found = re.search(r"http://\S+", line)
        assert found, f"the review did not start: {said} {process.stderr.read()[-1500:]}"
        yield Server(process, found[0])
    finally:
        process.kill()
        process.wait()


def promises(bench: Bench) -> list[Promise]:
    """Return what a review promises that is killed."""

    @cache
    def undisturbed() -> bytes:
        folder = bench.folder / "review"
        folder.mkdir(exist_ok=True)
        with served(bench, folder / "c.csv") as server:
            for number in range(DECISIONS):
                assert server.decide(number)
        return (folder / "c.csv").read_bytes()

    says = "`review` killed at any moment and started again has every decision that it confirmed"
    return [Promise("kills", "review", says, _killed(bench, undisturbed), undisturbed)]


def _killed(bench: Bench, undisturbed: Callable[[], bytes]) -> Trial:
    def trial(random: np.random.Generator, folder: Path) -> str | None:
        expected, out, number = undisturbed(), folder / "c.csv", 0
        for kill in range(KILLS + 1):
            last = DECISIONS if kill == KILLS else int(random.integers(number, DECISIONS))
            with served(bench, out) as server:
                if lost := _lost(server, number):
                    return f"after {kill} kills: decisions {lost} were confirmed and are gone"
                while number < last:
                    number += server.decide(number)
                if kill < KILLS:
                    number += _interrupted(server, number, random)
        found = leftovers(folder)
        if found:
            return f"left behind: {found}"
        return None if out.read_bytes() == expected else "corrections differ from the undisturbed"

    return trial


def _lost(server: Server, number: int) -> list[int]:
    """Return which of the first decisions the server does not know."""
    known = server.ask("/state")["decisions"]
    return [each for each in range(number) if str(each) not in known]


def _interrupted(server: Server, number: int, random: np.random.Generator) -> bool:
    """Kill the server while it is asked to decide; return whether it confirmed the decision."""
    sent: signal.Signals = pick(random, SIGNALS)
    delay = float(random.uniform(0, 0.03))
    killer = threading.Timer(delay, server.process.send_signal, [sent])
    killer.start()
    try:
        return number < DECISIONS and server.decide(number)
    except OSError:  # it is gone
        return False
    finally:
        killer.join()
        time.sleep(0.1)
