"""What the parts share: drawn data, a trained model, and tools run in forks."""

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mmmask.drawing.drawn_faces import draw_dataset
from mmmask.tables import PREDICTIONS, PROBABILITIES, read_table, write_table
from tests.fake_run import made_predictions
from tests.made_review import list_label_issues
from tests.tools.fork_server import ForkServer
from tests.torture.results import Done

ROOT = Path(__file__).parents[2]
CONFIG = "configs/mobilenet_v2_linear.py"
#: Seconds after which a tool counts as hanging; the longest takes a fifth of it.
PATIENCE = 300
SMALL = (
    "preprocessing.size=(32,24)",
    "train_dataloader.batch_size=16",
    "train_dataloader.num_workers=1",
    "val_dataloader.num_workers=1",
    "test_dataloader.num_workers=1",
)


@dataclass
class Bench:
    """A folder with what trials start from, each made when it is first asked for.

    Args:
        folder: Empty, or of an earlier call.
    """

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    @cached_property
    def server(self) -> ForkServer:
        return ForkServer(ROOT)

    def close(self) -> None:
        if "server" in self.__dict__:
            self.server.close()

    def tool(self, *command: object, **disturbed: float) -> Done:
        """Run a file of tools/; ``disturbed`` as tests/torture/disturbed.py takes it."""
        name, *arguments = map(str, command)
        script, given = f"tools/{name}", arguments
        if disturbed:
            script, given = (
                "tests/torture/disturbed.py",
                [json.dumps(disturbed), script, *arguments],
            )
        environment = {**os.environ, "MMMASK_LEDGER": str(self.folder / "ledger")}
        return self.server.run(script, given, environment, timeout=PATIENCE)

    def done(self, *command: object) -> Done:
        """Run a file of tools/ that must succeed."""
        done = self.tool(*command)
        if done.returncode != 0:
            raise AssertionError(f"{command}: status {done.returncode}\n{done.stderr[-2000:]}")
        return done

    @cached_property
    def data(self) -> Path:
        data = self.folder / "data"
        if not data.exists():
            draw_dataset(data, people=12, eval_people=6, seed=1, size=(48, 64))
        return data

    def train(self, work_dir: Path, *more: object, epochs: int = 2) -> list[object]:
        """Return the command of a small training."""
        start = ["train.py", CONFIG, "--data-root", self.data, "--work-dir", work_dir]
        options = ["--cfg-options", *SMALL, f"train_cfg.max_epochs={epochs}"]
        return [*start, "--pretrained", "none", *more, *options]

    @cached_property
    def run(self) -> Path:
        """A finished run."""
        run = self.folder / "run"
        if not run.exists():
            self.done(*self.train(run))
        return run

    @cached_property
    def config(self) -> Path:
        return self.run / Path(CONFIG).name

    @cached_property
    def checkpoint(self) -> Path:
        return self.run / "epoch_2.pth"

    @cached_property
    def model(self) -> Path:
        """An exported model."""
        model = self.folder / "model.onnx"
        if not model.exists():
            self.done("export.py", self.config, self.checkpoint, "--out", model)
        return model

    @cached_property
    def predictions(self) -> Path:
        table = self.folder / "predictions.parquet"
        if not table.exists():
            command = ["test.py", self.config, self.checkpoint, "--data-root", self.data]
            self.done(*command, "--out", table)
        return table

    @cached_property
    def other_predictions(self) -> Path:
        """Predictions of the same photos by another model, which is made up."""
        path = self.folder / "other.parquet"
        photos = read_table(self.predictions, PREDICTIONS)
        drawn = made_predictions(photos.assign(person="p", label=0), seed=3)
        columns = list(PROBABILITIES)
        write_table(path, photos.assign(**drawn[columns]), PREDICTIONS)
        return path

    @cached_property
    def issues(self) -> Path:
        issues = self.folder / "suspects.csv"
        if not issues.exists():
            list_label_issues(self.data, issues)
        return issues


def pick(random: np.random.Generator, options: list) -> object:
    """Return one of the options."""
    return options[int(random.integers(len(options)))]
