"""Writes that fail as on a full disk: a sentence, and nothing lost or left over."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from tests.torture.bench import Bench
from tests.torture.kills import WORKS, Work
from tests.torture.results import content, differences, leftovers, refusal_fault
from tests.torture.trials import Promise, Trial


def _made(name: str) -> Callable[[Bench, Path], list[object]]:
    def command(bench: Bench, out: Path) -> list[object]:
        data = ("--data-root", bench.data)
        return {
            "test": [
                *("test.py", bench.config, bench.checkpoint, *data, "--out", out / "p.parquet"),
                *("--submission", out / "s.csv", "--pictures", out / "pictures"),
            ],
            "data_stats": ["data_stats.py", bench.data, "--out", out / "outliers.csv"],
            "make_faces": [
                *("make_faces.py", "--out", out / "faces", "--people", 6, "--eval-people", 1)
            ],
            "report": ["report.py", bench.run, "--out", out / "r.html"],
            "config": ["config.py", bench.config, "--out", out / "c.py"],
        }[name]

    return command


#: Every kind of write: those of the killed tools, and pictures, pages, tables, folders.
WRITES = (
    *WORKS,
    *(Work(name, _made(name)) for name in ("test", "data_stats", "make_faces", "report", "config")),
)


def promises(bench: Bench) -> list[Promise]:
    """Return what tools promise when a write fails."""
    return [
        Promise(
            "full_disk",
            work.name,
            f"`{work.name}` on a full disk ends in one sentence and status 2, or in the right "
            "result; nothing former is lost, nothing is left half-written",
            *_starved(bench, work),
        )
        for work in WRITES
    ]


def _starved(bench: Bench, work: Work) -> tuple[Trial, Callable[[], object]]:
    @cache
    def undisturbed() -> Path:
        folder = bench.folder / "written" / work.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        bench.done(*work.command(bench, folder))
        return folder

    def trial(random: np.random.Generator, folder: Path) -> str | None:
        expected = undisturbed()
        sizes = [path.stat().st_size for path in content(expected).values()]
        # Below one of the sizes: the first bytes, any part, all but a little.
        size = sizes[int(random.integers(len(sizes)))]
        most = int(size * random.choice([0, random.random(), 1 - 0.01 * random.random()]))
        former = _former(random, expected, folder)
        done = bench.tool(*work.command(bench, folder), bytes=most)
        said = f"no file over {most} bytes"
        if fault := refusal_fault(done):
            return f"{said}: {fault}"
        if left := leftovers(folder):
            return f"{said}, left behind: {left}"
        if done.returncode == 0:
            found = differences(expected, folder)
            return found and f"{said}, status 0, but {found}"
        lost = [
            name
            for name, before in former.items()
            if not (folder / name).is_file() or (folder / name).read_bytes() != before
        ]
        return f"{said}: lost or changed {lost}" if lost else None

    return trial, undisturbed


def _former(random: np.random.Generator, expected: Path, folder: Path) -> dict[str, bytes]:
    """Leave results of an earlier call, in half of the trials; return name -> content.

    Of files alone: tools refuse to write into the folder of an earlier call.
    """
    results = [path for path in expected.iterdir() if path.is_file()]
    if random.random() < 0.5 or len(results) < len(list(expected.iterdir())):
        return {}
    for path in results:
        shutil.copy(path, folder)
    return {path.name: path.read_bytes() for path in results}
