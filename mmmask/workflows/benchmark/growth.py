"""Time and memory of what grows with the number of photos, at 10^3 to 10^6 of them.

The photos are empty files: what is measured is everything but their pixels. Each measurement
has a process of its own, whose peak memory is compared with that before the work.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

SIZES = (1_000, 10_000, 100_000, 1_000_000)
PHOTOS_PER_PERSON = 7


def measure_growth(sizes: Sequence[int] = SIZES) -> pd.DataFrame:
    """Return one row per step and size: step, photos, seconds, memory_mb."""
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="mmmask-growth-") as folder:
            make_index(Path(folder), size)
            label = f"growth, {size} photos"
            for step in track(STEPS, label, console=Console(stderr=True)):
                command = [sys.executable, "-m", __name__, step, folder]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                measured = json.loads(done.stdout.splitlines()[-1])
                rows.append({"step": step, "photos": size, **measured})
    return pd.DataFrame(rows)


def make_index(root: Path, photos: int) -> None:
    """Make a folder in the competition's layout whose photos are empty files."""
    from mmmask.datasets.layout import MASK_OF_STEM

    random = np.random.default_rng(0)
    people = -(-photos // PHOTOS_PER_PERSON)
    genders = random.choice(("male", "female"), people)
    ages = random.integers(18, 70, people)
    lines = ["id,gender,race,age,path"]
    for person, (gender, age) in enumerate(zip(genders, ages, strict=True)):
        path = f"{person:07d}_{gender}_Asian_{age}"
        lines.append(f"{person:07d},{gender},Asian,{age},{path}")
        folder = root / "train" / "images" / path
        folder.mkdir(parents=True)
        for stem in MASK_OF_STEM:
            os.close(os.open(f"{folder}/{stem}.jpg", os.O_CREAT))
    (root / "train" / "train.csv").write_text("\n".join(lines) + "\n")
    read_index(root).to_parquet(root / "samples.parquet")


def read_index(root: Path) -> pd.DataFrame:
    """Read folders and train.csv into a samples table with labels."""
    from mmmask.datasets.layout import read_train, with_labels

    return with_labels(read_train(root))


def _labels(root: Path) -> np.ndarray:
    return pd.read_parquet(root / "samples.parquet")["label"].to_numpy(dtype=np.int64)


def _index(root: Path) -> Callable[[], Any]:
    return lambda: read_index(root)


def _split(root: Path) -> Callable[[], Any]:
    from mmmask.datasets.splits import assign_folds

    samples = pd.read_parquet(root / "samples.parquet")
    return lambda: assign_folds(samples)


def _class_weights(root: Path) -> Callable[[], Any]:
    import torch

    from mmmask.class_weights import rule_by_name

    labels, rule = _labels(root), rule_by_name("effective_number")
    return lambda: rule(torch.as_tensor(np.bincount(labels, minlength=18), dtype=torch.float32))


def _metric(root: Path) -> Callable[[], Any]:
    import torch

    from mmmask.evaluation.metric import MaskFaceMetric
    from mmmask.structures import SampleBatch

    truth = torch.as_tensor(_labels(root))
    noise = torch.Generator().manual_seed(0)

    def evaluate() -> object:
        metric = MaskFaceMetric()
        for start in range(0, len(truth), 256):
            batch = SampleBatch()
            batch.gt_label = truth[start : start + 256]
            size = len(batch.gt_label)
            batch.sample_idx = torch.arange(start, start + size)
            batch.pred_score = torch.rand(size, 18, generator=noise).softmax(1)
            metric.process({}, [batch.to_dict()])
        return metric.evaluate(len(truth))

    return evaluate


def _workers(root: Path) -> Callable[[], Any]:
    """Walk the whole index in two workers; their own memory shows whether they copy it."""
    import psutil
    from torch.utils.data import DataLoader

    import mmmask.register  # noqa: F401
    from mmmask.datasets.mask_faces import MaskFaceDataset

    dataset = MaskFaceDataset(str(root), split="all")

    def walk() -> dict[str, float]:
        loader = DataLoader(dataset, 1000, num_workers=2, collate_fn=len)
        own = [0]
        for number, _ in enumerate(loader):
            if number % 100 == 0:
                children = psutil.Process().children()
                own += [child.memory_full_info().uss for child in children]
        return {"memory_mb": max(own) / 1e6}

    return walk


STEPS: dict[str, Callable[[Path], Callable[[], Any]]] = {
    "index": _index,
    "split": _split,
    "class weights": _class_weights,
    "metric": _metric,
    "workers": _workers,
}


def _peak_mb() -> float:
    """Return the largest resident size so far; getrusage would count the parent's before exec."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


if __name__ == "__main__":
    work = STEPS[sys.argv[1]](Path(sys.argv[2]))
    before, began = _peak_mb(), time.perf_counter()
    result = work()
    measured = {"seconds": time.perf_counter() - began, "memory_mb": _peak_mb() - before}
    if sys.argv[1] == "workers":
        measured.update(result)
    print(json.dumps(measured))
