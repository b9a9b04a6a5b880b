"""No person on both sides of a split: checked when a run starts, and written down."""

from pathlib import Path

import pandas as pd
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmmask.engine.hooks import priorities
from mmmask.engine.hooks.monitored_scores import check_monitored
from mmmask.engine.unwrap import samples_of
from mmmask.errors import InputError
from mmmask.files import write_csv


def check_disjoint(train: pd.DataFrame, val: pd.DataFrame) -> None:
    """Raise unless no person of ``train`` is in ``val``; both have a column ``person``."""
    leaked = sorted(set(train["person"].dropna()) & set(val["person"].dropna()))
    if leaked:
        some = ", ".join(str(person) for person in leaked[:3])
        raise InputError(
            f"train and val must not share a person; got {len(leaked)} in both, such as "
            f"{some}{', ...' if len(leaked) > 3 else ''}"
        )


def split_table(train: pd.DataFrame, val: pd.DataFrame | None) -> pd.DataFrame:
    """Return one row per person: person, part (train or val), gender, age (years), photos.

    Gender and age are missing where the samples do not tell them.
    """
    parts = {"train": train} if val is None else {"train": train, "val": val}
    samples = pd.concat([part.assign(part=name) for name, part in parts.items()], ignore_index=True)
    samples = samples.reindex(columns=["image", "person", "part", "gender", "age"])
    people = samples.groupby(["person", "part"], as_index=False)
    return people.agg(gender=("gender", "first"), age=("age", "first"), photos=("image", "size"))


@HOOKS.register_module()
class PersonSplitHook(Hook):
    """Stop a run whose validation has people of the training; else write ``split.csv``.

    A validation whose photos do not know enough for the score that chooses an epoch is refused too,
    see :func:`.monitored_scores.check_monitored`.

    The datasets must have a table ``samples`` with the columns image and person.
    """

    priority = priorities.SPLIT_CHECK
    _unwritten: pd.DataFrame | None = None

    def before_train(self, runner: Runner) -> None:
        train = samples_of(runner.train_dataloader.dataset)
        val = None
        if runner.val_loop is not None:
            val = samples_of(runner.val_loop.dataloader.dataset)
            check_disjoint(train, val)
            check_monitored(runner, val)
        self._unwritten = split_table(train, val)

    def before_train_epoch(self, runner: Runner) -> None:
        """Write the split, now that no hook has refused the run."""
        if self._unwritten is not None and is_main_process():
            write_csv(Path(runner.work_dir) / "split.csv", self._unwritten)
        self._unwritten = None
