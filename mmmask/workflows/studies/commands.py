"""What the runs of a study share: their options, their commands, and the folders that they fill."""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmmask.config import parse_options
from mmmask.datasets.teacher import teacher_tables
from mmmask.errors import InputError, MissingFileError
from mmmask.files import atomic_write, check_folder, locked
from mmmask.json_files import read_json
from mmmask.ledger.config_differences import DATA_FILES, changes, files_of, flat_config
from mmmask.ledger.provenance import file_hash

#: What the runs of a folder are made of.
PLAN = "plan.json"
#: Heads that do not predict the 18 classes.
ONE_ATTRIBUTE = ("AttributeHead", "AgeHead")
#: Starts a workflow in a process of its own.
STEP = (sys.executable, "-m", "mmmask.workflows.studies.step")


def step(name: str, config: Path, **arguments: object) -> list[str]:
    """Return the command of ``train``, ``test`` or ``pack``; None leaves an argument out."""
    given = {key: value for key, value in arguments.items() if value is not None}
    return [*STEP, name, str(config), json.dumps(given, default=str)]


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is the same for all runs of a study."""

    out: Path  # folder of the runs and results
    data_root: str | None = None  # folder with ``train/``; None keeps the config's
    pretrained: str | None = None  # as ``tools/train.py --pretrained``
    #: File of packed photos, made where it is missing or stale; None keeps the config's.
    pack: str | None = None
    options: Sequence[str] = ()  # ``name=value`` overrides of the config

    def plan_of(self, config: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return dotted name -> value of all that decides a run; ``given`` beside its config."""
        plan = flat_config(config, parse_options(self.options), data_root=self.data_root)
        given = {"pretrained": self.pretrained, **given}
        return plan | {key: value for key, value in given.items() if value is not None}

    def train(
        self, config: Path, run: Path, *, options: Sequence[str], **more: object
    ) -> list[str]:
        """Return the command that trains a run in the folder ``run``, or continues it."""
        return step(
            "train",
            config,
            work_dir=run,
            resume="auto",
            data_root=self.data_root,
            pretrained=self.pretrained,
            pack=self.pack,
            options=options,
            **more,
        )

    def predict(
        self,
        run: Path,
        config: str,  # file name of the run's
        out: Path,
        *,
        checkpoint: Path | None = None,  # by default the last one
        **more: object,  # of :class:`mmmask.workflows.predict.Request`
    ) -> list[str]:
        """Return the command that predicts with the run in a folder."""
        checkpoint = checkpoint or last_checkpoint(run)
        shared = {"data_root": self.data_root, "pack": self.pack}
        return step("test", run / config, checkpoint=checkpoint, out=out, **shared, **more)


def contents(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return the hash of each file whose content decides the runs of a plan.

    Raises:
        MissingFileError: One of them is not there.
    """
    fold = plan.get("data.fold", 0)
    folds = range(plan["data.folds"]) if fold == "each" else [fold]
    tables = [path for one in folds for path in teacher_tables(plan.get("data.teacher"), one)]
    named = [files_of(plan.get(key)) for key in DATA_FILES if key != "data.teacher"] + [tables]
    paths = list(dict.fromkeys(Path(path) for part in named for path in part))
    if not plan.get("data.table"):
        paths.insert(0, Path(plan["data.data_root"]) / "train" / "train.csv")
    for path in paths:
        if not path.is_file():
            raise MissingFileError(f"{path}: no such file")
    return {f"sha256 of {path}": file_hash(path) for path in paths}


def alone(folder: Path) -> AbstractContextManager[None]:
    """Keep other processes out of the folder of a study; their runs would mix."""
    return locked(folder / PLAN, "another study runs in this folder; wait for its end")


def claim(folder: Path, plan: Mapping[str, Any]) -> None:
    """Write down what a run is made of; refuse a folder that holds a run of something else."""
    check_folder(folder)
    path = folder / PLAN
    text = json.dumps(plan, default=str, indent=1, sort_keys=True)
    if not path.exists():
        with atomic_write(path) as partial:
            partial.write_text(text)
        return
    different = changes(read_json(path, infinite=True), json.loads(text))
    if different:
        key, (was, now) = next(iter(different.items()))
        raise InputError(
            f"{folder}: holds a run of another config, {len(different)} values differ: {key} was "
            f"{was}, is {now}; use another folder, or delete this one"
        )


def last_checkpoint(folder: Path) -> Path:
    """Return the checkpoint that a work directory, moved or not, names as its last."""
    return folder / Path((folder / "last_checkpoint").read_text(errors="replace").strip()).name
