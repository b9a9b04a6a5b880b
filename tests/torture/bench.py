"""What the parts share: drawn data, a trained model, tools run in forks, and what they left."""

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mmmask.drawing.drawn_faces import draw_dataset
from mmmask.tables import PREDICTIONS, read_table
from tests.fake_run import made_predictions
from tests.made_review import list_label_issues
from tests.tools.fork_server import ForkServer

ROOT = Path(__file__).parents[2]
CONFIG = "configs/mobilenet_v2_linear.py"
#: Seconds after which a tool counts as hanging; the longest takes a tenth of it.
PATIENCE = 300
SMALL = (
    "preprocessing.size=(32,24)",
    "train_dataloader.batch_size=16",
    "train_dataloader.num_workers=1",
    "val_dataloader.num_workers=1",
    "test_dataloader.num_workers=1",
)

Done = subprocess.CompletedProcess[str]


@dataclass
class Bench:
    """A folder with what trials start from, each made when it is first asked for.

    Args:
        folder: Empty, or of an earlier call.
    """

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        os.environ["MMMASK_LEDGER"] = str(self.folder / "ledger")

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
        return self.server.run(script, given, os.environ, timeout=PATIENCE)

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
        from mmmask.tables import write_table

        path = self.folder / "other.parquet"
        photos = read_table(self.predictions, PREDICTIONS)
        drawn = made_predictions(photos.assign(person="p", label=photos.get("label", 0)), seed=3)
        wanted = [name for name in photos.columns if name in drawn.columns]
        write_table(
            path, photos.assign(**{n: drawn[n] for n in wanted if n[0] == "p"}), PREDICTIONS
        )
        return path

    @cached_property
    def issues(self) -> Path:
        issues = self.folder / "suspects.csv"
        if not issues.exists():
            list_label_issues(self.data, issues)
        return issues


def leftovers(folder: Path) -> list[str]:
    """Return what a write that was not finished leaves: hidden files and folders, but no locks."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob(".*")
        if not path.name.endswith(".lock")
    )


def last_words(done: Done) -> str:
    """Return the end of what a tool said, for a report of what broke."""
    return f"status {done.returncode}: {(done.stderr or done.stdout).strip()[-1500:]}"


def refusal_fault(done: Done) -> str | None:
    """Return why the end of a tool is neither a result nor one sentence with status 2."""
    if "Traceback" in done.stderr:
        return f"a traceback, {last_words(done)}"
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    if done.returncode != 2 or len(errors) != 1:
        return f"neither a result nor one sentence, {last_words(done)}"
    return None


#: Folders of logs, one per start of a training; they differ between runs that are otherwise equal.
_LOGS = re.compile(r"\d{8}_\d{6}")


def content(folder: Path) -> dict[str, Path]:
    """Return name -> file below a folder; no logs, no locks."""
    return {
        name: path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not _LOGS.search(name := path.relative_to(folder).as_posix())
        and path.suffix not in (".lock", ".log")
    }


def differences(expected: Path, got: Path) -> str | None:
    """Return in what the results of two equal commands differ, in two folders; None if in nothing.

    Weights and tables are compared bit for bit; of cards, that they say finished.
    """
    one, other = content(expected), content(got)
    if one.keys() != other.keys():
        missing, more = sorted(one.keys() - other.keys()), sorted(other.keys() - one.keys())
        return f"missing files {missing}, further files {more}"
    for name in one:
        compare = COMPARED.get(Path(name).suffix)
        if Path(name).name == "card.json":
            compare = same_card
        if compare is not None and not compare(one[name], other[name]):
            return f"{name} differs from that of the undisturbed run"
    return None


def same_card(one: Path, other: Path) -> bool:
    """Whether a card says finished, and the same scores."""
    cards = [json.loads(path.read_text()) for path in (one, other)]
    said = [card["sessions"][-1]["status"] for card in cards]
    return said[0] == said[1] == "finished" and cards[0]["validations"] == cards[1]["validations"]


def same_checkpoint(one: Path, other: Path) -> bool:
    """Whether two checkpoints hold the same weights and optimizer, bit for bit."""
    from mmmask.engine.checkpoints import load_checkpoint_file

    pair = [load_checkpoint_file(str(path)) for path in (one, other)]
    keys = ("state_dict", "ema_state_dict", "optimizer", "param_schedulers")
    return all(same(pair[0].get(key), pair[1].get(key)) for key in keys)


def same(one: object, other: object) -> bool:
    """Whether two nested values of tensors are equal, bit for bit."""
    import torch

    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def same_csv(one: Path, other: Path) -> bool:
    """Whether two csv files hold the same, but for columns of time."""
    import pandas as pd

    pair = [pd.read_csv(path) for path in (one, other)]
    timed = [name for name in pair[0] if re.search("second|time|start|minutes|duration", name)]
    return pair[0].drop(columns=timed).equals(pair[1].drop(columns=timed, errors="ignore"))


def same_parquet(one: Path, other: Path) -> bool:
    """Whether two parquet files hold the same table; where it comes from names other folders."""
    import pandas as pd

    return pd.read_parquet(one).equals(pd.read_parquet(other))


def same_arrow(one: Path, other: Path) -> bool:
    """Whether two packs or files of features hold the same rows."""
    import pyarrow as pa

    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(pa.memory_map(str(path))) for path in (one, other)]
        tables = [pa.ipc.open_file(file).read_all() for file in files]
        return tables[0].equals(tables[1])


def same_onnx(one: Path, other: Path) -> bool:
    """Whether two exported models are the same network."""
    import onnx

    graphs = [
        onnx.load(str(path)).graph.SerializeToString(deterministic=True) for path in (one, other)
    ]
    return graphs[0] == graphs[1]


COMPARED: dict[str, Callable[[Path, Path], bool]] = {
    ".pth": same_checkpoint,
    ".csv": same_csv,
    ".parquet": same_parquet,
    ".arrow": same_arrow,
    ".onnx": same_onnx,
}


def pick(random: np.random.Generator, options: list) -> object:
    """Return one of the options."""
    return options[int(random.integers(len(options)))]


@contextlib.contextmanager
def kept(path: Path) -> Iterator[None]:
    """Leave a file as it was, whatever the block does to it."""
    before = path.read_bytes()
    try:
        yield
    finally:
        path.write_bytes(before)
