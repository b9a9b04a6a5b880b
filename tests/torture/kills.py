"""Tools that are killed at a random moment, and started again as a user would."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tests.torture.bench import CONFIG, SMALL, Bench, pick
from tests.torture.results import Done, differences, last_words, leftovers
from tests.torture.trials import Promise, Trial

SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
#: Seconds for which what a killed tool has started may still be there and keep its place.
ORPHANS = 30

SPACE = """
space = {"head.loss.class_weight": dict(type="categorical", choices=[None, "inverse"])}
"""


@dataclass(frozen=True)
class Work:
    """A command that writes into a folder, and what a user adds to start it again."""

    name: str
    command: Callable[[Bench, Path], list[object]]
    more: tuple[str, ...] = ()


def _kfold(bench: Bench, out: Path) -> list[object]:
    start = ["kfold.py", CONFIG, "--folds", 2, "--out", out / "k", "--data-root", bench.data]
    options = ["--cfg-options", *SMALL, "train_cfg.max_epochs=1"]
    return [*start, "--pretrained", "none", *options]


def _sweep(bench: Bench, out: Path) -> list[object]:
    space = bench.folder / "space.py"
    space.write_text(SPACE)
    start = ["sweep.py", CONFIG, "--space", space, "--trials", 2, "--data-root", bench.data]
    options = ["--cfg-options", *SMALL, "train_cfg.max_epochs=1"]
    return [*start, "--out", out / "s", "--pretrained", "none", *options]


def _probe(bench: Bench, out: Path) -> list[object]:
    start = ["linear_probe.py", "configs/effnet_lite0_probe.py", "--data-root", bench.data]
    options = ["--cfg-options", "preprocessing.size=(32,24)", "data.folds=2"]
    return [*start, "--work-dir", out / "p", "--submission", out / "s.csv", *options]


def _ensemble(bench: Bench, out: Path) -> list[object]:
    members = [bench.predictions, bench.other_predictions]
    ends = ["--out", out / "e.parquet", "--submission", out / "s.csv", "--plot", out / "e.png"]
    return ["ensemble.py", *members, *ends, "--data-root", bench.data]


WORKS = (
    Work("train", lambda bench, out: bench.train(out / "t", epochs=3), ("--resume",)),
    Work("kfold", _kfold),
    Work("linear_probe", _probe),
    Work(
        "pack",
        lambda bench, out: [
            *("pack.py", bench.data, "--out", out / "p.arrow", "--config", CONFIG),
            *("--cfg-options", "preprocessing.size=(32,24)"),
        ],
    ),
    Work("ensemble", _ensemble),
    Work("sweep", _sweep),
    Work(
        "export",
        lambda bench, out: [
            *("export.py", bench.config, bench.checkpoint, "--out", out / "m.onnx"),
        ],
    ),
)


def promises(bench: Bench) -> list[Promise]:
    """Return what killed tools promise."""
    return [
        Promise(
            "kills",
            work.name,
            f"`{work.name}` killed at any moment and started again ends as if it had not been",
            *_killed(bench, work),
        )
        for work in WORKS
    ]


def _killed(bench: Bench, work: Work) -> tuple[Trial, Callable[[], object]]:
    @cache
    def undisturbed() -> tuple[Path, float]:
        """Return the folder of the undisturbed command, and how many seconds it took."""
        folder = bench.folder / "undisturbed" / work.name
        folder.mkdir(parents=True)
        command = work.command(bench, folder)
        _ = bench.server  # not part of what is measured
        started = time.monotonic()
        bench.done(*command)
        return folder, time.monotonic() - started

    def trial(random: np.random.Generator, folder: Path) -> str | None:
        expected, length = undisturbed()
        number, seconds = pick(random, SIGNALS), float(random.uniform(0, length))
        command = work.command(bench, folder)
        group = bool(random.integers(2))
        done = bench.tool(*command, signal=int(number), seconds=seconds, group=group)
        said = f"{number.name} after {seconds:.2f} of {length:.2f} s"
        if fault := _ended_badly(done, number):
            return f"{said}: {fault}"
        more = work.more if any(folder.iterdir()) else ()
        done = _started_again(bench, [*command[:1], command[1], *more, *command[2:]])
        if done.returncode != 0:
            return f"{said}, started again: {last_words(done)}"
        found = differences(expected, folder)
        if found is None and (left := leftovers(folder)):
            found = f"left behind: {left}"
        return found and f"{said}, started again: {found}"

    return trial, undisturbed


def _ended_badly(done: Done, number: signal.Signals) -> str | None:
    """Return what is wrong with how a tool ended that was sent a signal."""
    allowed = {
        signal.SIGKILL: {-9},
        signal.SIGTERM: {-15, 143},
        signal.SIGINT: {130, -2},
    }[number]
    if done.returncode not in {0, *allowed}:
        return last_words(done)
    if number is not signal.SIGKILL and "Traceback" in done.stderr:
        return f"a traceback, {last_words(done)}"
    return None


def _started_again(bench: Bench, command: list[object]) -> Done:
    """Run a command, again while it is told that the killed one still holds its place."""
    until = time.monotonic() + ORPHANS
    while True:
        done = bench.tool(*command)
        if done.returncode != 2 or "process" not in done.stderr or time.monotonic() > until:
            return done
        time.sleep(1)
