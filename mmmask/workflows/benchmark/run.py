"""Measure cases, each in a process of its own, in turns; leave csv files and a plot."""

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mmmask.config import load_config
from mmmask.datasets.packed import ensure_pack
from mmmask.errors import InputError, MissingFileError
from mmmask.files import atomic_write
from mmmask.reports.speed_plot import plot_speed
from mmmask.shipped import CONFIGS, scripts
from mmmask.workflows.benchmark.cases import CONTENDERS, TASKS, TIMM, Case
from mmmask.workflows.benchmark.growth import measure_growth

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
_CHILD = "mmmask.workflows.benchmark.contenders"
#: Settings of compute threads that the command lines of mmmask make and others do not.
THREADS = ("GOMP_SPINCOUNT",)


def benchmark(
    *,
    out: Path,
    data_root: str,
    backbones: Sequence[str],
    tasks: Sequence[str],
    contenders: Sequence[str] | None = None,
    repeats: int = 3,
    steps: int = 10,
    workers: int | None = None,
    amp: bool = False,
) -> None:
    """Measure, print ratios, and write csv files and a plot into ``out``.

    ``runs.csv`` has one row per run: repeat, task, backbone, batch, contender, photos_per_s,
    first_step_s (from the start of the process), memory_mb (proportional set size of the process
    tree, peak).

    Args:
        out: Folder of the results.
        data_root: Folder with ``train/``.
        backbones: ``NAME:BATCH``, a backbone block and photos per batch.
        tasks: Of :data:`TASKS`; ``growth`` measures what grows with the number of photos.
        contenders: Leave out the others; None: all that a task has.
        repeats: How often each is run; the contenders take turns.
        steps: Batches that are timed in each run.
        workers: Data workers; None: one per core, at most 16.
        amp: Train and test under autocast.

    Raises:
        InputError: An option is unusable.
    """
    if repeats < 1 or steps < 1:
        raise InputError(f"--repeats and --steps must be at least 1; got {repeats} and {steps}")
    for name in contenders or ():
        if name not in CONTENDERS:
            raise InputError(f"--contenders must be among {', '.join(CONTENDERS)}; got {name!r}")
    loops = [task for task in tasks if task != "growth"]
    if loops:
        if not (Path(data_root) / "train" / "train.csv").is_file():
            raise MissingFileError(f"{data_root}/train/train.csv: no such file")
        with tempfile.TemporaryDirectory(prefix="mmmask-benchmark-") as folder:
            shared = Case(
                data_root=str(Path(data_root).resolve()),
                folder=folder,
                steps=steps,
                workers=min(os.cpu_count() or 1, 16) if workers is None else workers,
                amp=amp,
            )
            cases = _cases(shared, [_backbone(text) for text in backbones], loops, contenders)
            runs = _run_in_turns(cases, repeats)
        compared = ratios(runs)
        keys = ["task", "backbone", "batch", "contender"]
        medians = runs.drop(columns="repeat").groupby(keys, sort=False).median().reset_index()
        _write_csv(runs, out / "runs.csv")
        _write_csv(medians, out / "summary.csv")
        _write_csv(compared, out / "ratios.csv")
        plot_speed(medians, out / "speed.png")
        _show(compared, "ratios of photos per second, paired within a turn")
    if "growth" in tasks:
        grown = measure_growth()
        _write_csv(grown, out / "growth.csv")
        _show(grown, "growth")
    print(f"written to {out.resolve()}")


def _backbone(text: str) -> tuple[str, int]:
    """Return the name and the batch size in ``NAME:BATCH``."""
    name, _, batch = text.partition(":")
    if not batch.isdecimal():
        raise InputError(f"--backbones must be NAME:BATCH, such as mobilenet_v2:64; got {text!r}")
    known = scripts(CONFIGS / "_base_" / "backbones")
    if name not in known:
        raise InputError(f"--backbones must be among {', '.join(known)}; got {name!r}")
    if int(batch) < 1:
        raise InputError(f"--backbones {name}: a batch has at least 1 photo; got {batch}")
    return name, int(batch)


def _cases(
    shared: Case,
    backbones: Sequence[tuple[str, int]],
    tasks: Sequence[str],
    contenders: Sequence[str] | None,
) -> list[Case]:
    """Return all cases, after packing the photos for each backbone."""
    cases = []
    for backbone, batch in backbones:
        case = replace(shared, backbone=backbone, batch=batch)
        cfg = load_config(case.config(pack=f"{case.folder}/{backbone}.arrow"))
        ensure_pack(cfg)
        for task in tasks:
            steps = shared.steps * (10 if task == "data" else 1)  # those of data are short
            cases += [
                replace(case, task=task, contender=name, steps=steps, pack=cfg.data.pack)
                for name in contenders or TASKS[task]
                if backbone in TIMM or not name.startswith("plain")
            ]
    return cases


def _run_in_turns(cases: Sequence[Case], repeats: int) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    with Progress(console=Console(stderr=True)) as bar:
        running = bar.add_task("", total=repeats * len(cases))
        for repeat in range(repeats):
            for case in cases:
                bar.update(running, description=f"{case.task} {case.backbone} {case.contender}")
                own = Path(case.folder) / f"{repeat}-{len(rows)}"
                own.mkdir()
                rows.append({"repeat": repeat, **run_case(replace(case, folder=str(own)))})
                bar.advance(running)
    return pd.DataFrame(rows)


def run_case(case: Case) -> dict[str, object]:
    """Run one case in a process and return its row.

    Raises:
        RuntimeError: The process failed; the end of its output is in the message.
    """
    environment = dict(os.environ)
    if not case.contender.startswith(("mmmask", "model")):
        environment = {name: value for name, value in environment.items() if name not in THREADS}
    log = Path(case.folder) / "log.txt"
    began, memory = time.time(), 0.0
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", _CHILD, json.dumps(asdict(case))],
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
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the workers that it left
            process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"{case} failed:\n{log.read_text()[-3000:]}")
    ticks = json.loads((Path(case.folder) / "ticks.json").read_text())
    return {
        "task": case.task,
        "backbone": case.backbone,
        "batch": case.batch,
        "contender": case.contender,
        "photos_per_s": case.batch * case.steps / (ticks[-1] - ticks[case.warmup - 1]),
        "first_step_s": ticks[0] - began,
        "memory_mb": memory,
    }


def tree_memory(pid: int) -> float:
    """Return the proportional set size, in MB, of a process and its descendants."""
    try:
        parent = psutil.Process(pid)
        tree = (parent, *parent.children(recursive=True))
        return sum(process.memory_full_info().pss for process in tree) / 1e6
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0


def ratios(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the ratio of photos per second of two contenders, paired by repeat.

    Columns: task, backbone, batch, ratio (in words), median, lowest and highest over repeats.
    """
    rows = []
    for keys, group in runs.groupby(["task", "backbone", "batch"], sort=False):
        speed = group.pivot_table(index="repeat", columns="contender", values="photos_per_s")
        for over, under in RATIOS:
            if over in speed and under in speed:
                ratio = speed[over] / speed[under]
                rows.append((*keys, f"{over} / {under}", ratio.median(), ratio.min(), ratio.max()))
    names = ("task", "backbone", "batch", "ratio", "median", "lowest", "highest")
    return pd.DataFrame(rows, columns=list(names))


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table whole, three decimals."""
    with atomic_write(path) as partial:
        table.round(3).to_csv(partial, index=False)


def _show(table: pd.DataFrame, title: str) -> None:
    """Print a table of measurements."""
    grid = Table(title=f"{title} ({platform.processor() or platform.machine()})")
    for name in table:
        grid.add_column(str(name), justify="right" if table[name].dtype.kind in "if" else "left")
    for row in table.itertuples(index=False):
        grid.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row))
    Console().print(grid)
