"""A long training: memory, open files and the disk stay as they are after the first epochs."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.torture.bench import ROOT, Bench
from tests.torture.trials import Promise

EPOCHS, WARM = 200, 50
#: What the epochs take on two cores, and after what they count as hanging.
SECONDS, PATIENCE = 180, 600
#: What may grow between the end of the warm-up and the end: MB of memory, files, kB on disk.
#: Logs take some 2 kB per epoch.
MEGABYTES, FILES, KILOBYTES = 10, 2, 5 * (EPOCHS - WARM)


@dataclass(frozen=True)
class Look:
    """What a process has at one moment, those that it started included."""

    epoch: int
    megabytes: float
    files: int
    kilobytes: float


def promises(bench: Bench) -> list[Promise]:
    """Return what a long training promises."""
    says = f"after {WARM} of {EPOCHS} epochs memory, open files and the disk no longer grow"

    def trial(random: np.random.Generator, folder: Path) -> str | None:
        work_dir = folder / "run"
        seed = int(random.integers(2**31))
        options = ["train_dataloader.batch_size=40", "train_dataloader.num_workers=0"]
        options += ["val_dataloader.num_workers=0", "preprocessing.size=(32,32)"]
        name, *command = map(str, bench.train(work_dir, "--seed", seed, epochs=EPOCHS))
        process = subprocess.Popen(
            [sys.executable, f"tools/{name}", *command, *options],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        looks = list(_looks(process, work_dir))
        if process.returncode != 0:
            return f"status {process.returncode}: {process.stderr.read()[-1500:]}"
        return _growth(looks)

    return [Promise("long_run", "train", says, trial, most=1)]


def _growth(looks: list[Look]) -> str | None:
    """Return what has grown too much; compares medians of a tenth of the looks."""
    warm = [look for look in looks if look.epoch >= WARM]
    if len(warm) < 10:
        return f"only {len(warm)} looks after epoch {WARM}"
    tenth = max(len(warm) // 10, 3)
    said = []
    for name, allowed in (("megabytes", MEGABYTES), ("files", FILES), ("kilobytes", KILOBYTES)):
        first, last = (
            float(np.median([getattr(look, name) for look in part]))
            for part in (warm[:tenth], warm[-tenth:])
        )
        print(f"  {name}: {first:g} after {warm[0].epoch} epochs, {last:g} at the end", flush=True)
        if last - first > allowed:
            said.append(f"{name} grew from {first:g} to {last:g}, {allowed} are allowed")
    return "; ".join(said) or None


def _looks(process: subprocess.Popen[str], work_dir: Path) -> Iterator[Look]:
    """Yield a look every half second until the process ends."""
    until = time.monotonic() + PATIENCE
    while process.poll() is None:
        if time.monotonic() > until:
            process.kill()
        time.sleep(0.5)
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            files = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
            card = json.loads((work_dir / "card.json").read_text())
            size = sum(path.stat().st_size for path in work_dir.rglob("*") if path.is_file())
            (memory,) = (int(row.split()[1]) for row in status.splitlines() if "VmRSS" in row)
        except (OSError, ValueError):  # it has just begun or ended, or replaces a file
            continue
        yield Look(card["sessions"][-1]["epoch"], memory / 1024, files, size / 1024)
