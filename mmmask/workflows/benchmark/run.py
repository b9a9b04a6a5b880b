"""Measure cases, each in a process of its own, interleaved, and say what their ratios are."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd
import psutil
from rich.console import Console
from rich.progress import Progress

from mmmask.config import load_config
from mmmask.errors import InputError, MissingFileError
from mmmask.files import atomic_write
from mmmask.workflows.benchmark.cases import CONFIGS, TASKS, TIMM, Case
from mmmask.workflows.pack import ensure_pack

#: Ratios worth reading: (numerator, denominator).
RATIOS = (
    ("mmmask", "model"),
    ("mmmask_packed", "model"),
    ("mmmask_compiled", "model"),
    ("mmmask", "stock"),
    ("mmmask_packed", "stock"),
    ("mmmask_reduced", "stock"),
    ("mmmask", "plain"),
    ("mmmask_packed", "plain"),
    ("mmmask_packed", "plain_channels_last"),
)
MEMORY_INTERVAL = 0.5  # seconds
#: Settings of compute threads that the command lines of mmmask make and others do not.
THREADS = ("GOMP_SPINCOUNT",)


def measure(
    *,
    data_root: str,
    backbones: Sequence[tuple[str, int]],
    tasks: Sequence[str],
    contenders: Sequence[str] | None = None,
    repeats: int = 3,
    steps: int = 10,
    workers: int | None = None,
    amp: bool = False,
) -> pd.DataFrame:
    """Run every contender of every task, ``repeats`` times in turns.

    Args:
        data_root: Folder with ``train/``.
        backbones: (name of a backbone block, photos a batch).
        tasks: Of :data:`TASKS`.
        contenders: Leave out the others; None: all that a task has.
        repeats: How often each is run; the contenders take turns.
        steps: Batches that are timed in each run.
        workers: Data workers; None: one a core, at most 16.
        amp: Train and test under autocast.

    Returns:
        One row a run: task, backbone, batch, contender, repeat, photos_per_s, first_step_s (from
        the start of the process), memory_mb (proportional set size of the process tree, peak).
    """
    _check(data_root, backbones)
    workers = min(os.cpu_count() or 1, 16) if workers is None else workers
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="mmmask-benchmark-") as folder:
        cases = []
        for name, batch in backbones:
            pack = _packed(name, data_root, folder)
            for task in tasks:
                for contender in contenders or TASKS[task]:
                    if contender.startswith("plain") and name not in TIMM:
                        continue
                    cases.append(
                        Case(
                            task=task,
                            contender=contender,
                            backbone=name,
                            batch=batch,
                            data_root=str(Path(data_root).resolve()),
                            folder=folder,
                            steps=steps * (10 if task == "data" else 1),  # they are short
                            workers=workers,
                            amp=amp,
                            pack=pack,
                        )
                    )
        with Progress(console=Console(stderr=True)) as bar:
            running = bar.add_task("", total=repeats * len(cases))
            for repeat in range(repeats):
                for case in cases:
                    bar.update(running, description=f"{case.task} {case.backbone} {case.contender}")
                    own = Path(folder) / f"{repeat}-{len(rows)}"
                    own.mkdir()
                    rows.append({"repeat": repeat, **run_case(replace(case, folder=str(own)))})
                    bar.advance(running)
    return pd.DataFrame(rows)


def run_case(case: Case) -> dict[str, object]:
    """Run one case in a process and return its row.

    Raises:
        RuntimeError: The process failed; the end of its output is in the message.
    """
    environment = {name: value for name, value in os.environ.items() if name not in THREADS}
    if case.contender.startswith(("mmmask", "model")):
        environment = dict(os.environ)  # as the command line has set it
    log = Path(case.folder) / "log.txt"
    began, memory = time.time(), 0.0
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mmmask.workflows.benchmark.contenders", case.to_json()],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                memory = max(memory, tree_memory(process.pid))
                time.sleep(MEMORY_INTERVAL)
        finally:
            _end(process)
    if process.returncode != 0:
        raise RuntimeError(f"{case} failed:\n{log.read_text()[-3000:]}")
    ticks = json.loads((Path(case.folder) / "ticks.json").read_text())
    timed = ticks[-1] - ticks[case.warmup - 1]
    return {
        "task": case.task,
        "backbone": case.backbone,
        "batch": case.batch,
        "contender": case.contender,
        "photos_per_s": case.batch * case.steps / timed,
        "first_step_s": ticks[0] - began,
        "memory_mb": memory,
    }


def tree_memory(pid: int) -> float:
    """Return the proportional set size, in MB, of a process and its descendants."""
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            total += process.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0
    return total / 1e6


def ratios(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the ratio of photos a second of two contenders, paired by repeat.

    Columns: task, backbone, batch, ratio (in words), median, lowest and highest over repeats.
    """
    rows = []
    for (task, backbone, batch), group in runs.groupby(["task", "backbone", "batch"], sort=False):
        speed = group.pivot_table(index="repeat", columns="contender", values="photos_per_s")
        for over, under in RATIOS:
            if over in speed and under in speed:
                ratio = speed[over] / speed[under]
                facts = (f"{over} / {under}", ratio.median(), ratio.min(), ratio.max())
                rows.append((task, backbone, batch, *facts))
    names = ("task", "backbone", "batch", "ratio", "median", "lowest", "highest")
    return pd.DataFrame(rows, columns=list(names))


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the median of each contender over its repeats."""
    keys = ["task", "backbone", "batch", "contender"]
    return runs.drop(columns="repeat").groupby(keys, sort=False).median().reset_index()


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table whole, three decimals."""
    with atomic_write(path) as partial:
        table.round(3).to_csv(partial, index=False)


def _check(data_root: str, backbones: Sequence[tuple[str, int]]) -> None:
    if not (Path(data_root) / "train" / "train.csv").is_file():
        raise MissingFileError(f"{data_root}/train/train.csv: no such file")
    known = sorted(path.stem for path in (CONFIGS / "_base_" / "backbones").glob("*.py"))
    for name, batch in backbones:
        if name not in known:
            raise InputError(f"--backbones must be some of {', '.join(known)}; got {name}")
        if batch < 1:
            raise InputError(f"--backbones {name}: a batch has at least 1 photo; got {batch}")


def _packed(backbone: str, data_root: str, folder: str) -> str:
    """Pack the photos for a backbone, outside the measurement."""
    root = str(Path(data_root).resolve())
    case = Case("train", "mmmask_packed", backbone, 1, root, folder)
    cfg = load_config(case.config(pack=f"{folder}/{backbone}.arrow"))
    ensure_pack(cfg)
    return cfg.data.pack


def _end(process: subprocess.Popen) -> None:
    """End a process and the workers that it left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
