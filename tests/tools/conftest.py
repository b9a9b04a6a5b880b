"""A drawn data set and one short run on it, shared by the tests of the command lines."""

import atexit
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from mmmask.drawing.drawn_faces import draw_dataset

from .fork_server import ForkServer

ROOT = Path(__file__).parents[2]
CONFIG = "configs/mobilenet_v2_arcface.py"
#: What makes a run small: two epochs of some ten steps on photos of 32x24.
SMALL = (
    "preprocessing.size=(32,24)",
    "train_cfg.max_epochs=2",
    "train_dataloader.batch_size=16",
    "train_dataloader.num_workers=2",
    "val_dataloader.num_workers=1",
)


@dataclass(frozen=True)
class Run:
    """A finished run and the data it learned from."""

    work_dir: Path
    data: Path
    output: str

    @property
    def config(self) -> Path:
        return self.work_dir / Path(CONFIG).name

    @property
    def best(self) -> Path:
        (best,) = self.work_dir.glob("best_*.pth")
        return best


def call(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the repository's root, as a user would."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )


def tool(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a file of tools/ in a process that has its imports already."""
    return fork_server().run(f"tools/{name}", [*map(str, arguments)], os.environ, timeout=300)


@cache
def fork_server() -> ForkServer:
    """Return the interpreter that all tools of this session are forks of."""
    server = ForkServer(ROOT)
    atexit.register(server.close)
    return server


def cold_tool(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a file of tools/ from a cold start, as a user would."""
    return call(sys.executable, f"tools/{name}", *arguments)


def train(
    work_dir: Path,
    data: Path,
    *arguments: object,
    config: object = CONFIG,
    options: tuple[str, ...] = (),
) -> list:
    """Return the arguments of a small training run."""
    start = [config, "--data-root", data, "--work-dir", work_dir, "--pretrained", "none"]
    return ["train.py", *start, *arguments, "--cfg-options", *SMALL, *options]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Path:
    data = tmp_path_factory.mktemp("drawn") / "data"
    draw_dataset(data, people=24, eval_people=6, seed=1, size=(48, 64))
    return data


@pytest.fixture(scope="session")
def run(drawn, tmp_path_factory) -> Run:
    work_dir = tmp_path_factory.mktemp("runs") / "run"
    done = cold_tool(*train(work_dir, drawn))
    assert done.returncode == 0, done.stderr
    return Run(work_dir, drawn, done.stdout)


@pytest.fixture
def refused() -> Callable[..., str]:
    """Return a function that runs a tool, expects exit status 2, and returns its one line."""

    def refused(name: str, *arguments: object) -> str:
        done = tool(name, *arguments)
        assert done.returncode == 2, done.stdout + done.stderr
        lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, done.stderr
        assert "Traceback" not in done.stderr
        return lines[0]

    return refused
