"""Why did the score move? Variants against one baseline, on the same people and seeds."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.config import parse_options
from mmmask.config_changes import blocks, changes, flat_config
from mmmask.errors import InputError
from mmmask.evaluation.intervals import macro_f1_interval, paired_difference
from mmmask.evaluation.scores import macro_f1
from mmmask.files import written_whole
from mmmask.tables import PREDICTIONS, probabilities, read_table

PREDICTED = "predictions.parquet"
_SAME_PEOPLE = ("data.data_root", "data.folds", "data.fold", "data.split_seed")


@dataclass(frozen=True)
class Study:
    """One baseline, its variants, and how all of them are trained.

    Attributes:
        configs: Paths; the first is the baseline.
        seeds: Seeds of the runs; each config is trained once with each.
        out: Folder of the runs and results.
        tools: Folder of ``train.py`` and ``test.py``.
        data_root: Folder with ``train/``; None keeps the configs'.
        pretrained: As ``tools/train.py --pretrained``, for all runs alike.
        options: ``name=value`` overrides for all runs alike.
    """

    configs: Sequence[Path]
    seeds: Sequence[int]
    out: Path
    tools: Path
    data_root: str | None = None
    pretrained: str | None = None
    options: Sequence[str] = field(default=())

    def folder(self, config: Path, seed: int) -> Path:
        """Return the work directory of a run."""
        return self.out / config.stem / f"seed_{seed}"

    def plan(self, config: Path) -> dict[str, Any]:
        """Return dotted name -> value of all that decides a run but its seed."""
        plan = flat_config(config, parse_options(self.options))
        given = {"data.data_root": self.data_root, "pretrained": self.pretrained}
        return {**plan, **{key: value for key, value in given.items() if value is not None}}


def ablate(study: Study) -> pd.DataFrame:
    """Train what is missing, predict the people held out, and return one row for each variant.

    Finished runs are kept, interrupted ones continued. The last checkpoint is scored: to choose
    the best epoch by the very people that are compared would favour whatever scatters most.

    Raises:
        InputError: A finished run was made with another config, two configs share a name or hold
            out other people, or a training refuses its input.
    """
    plans = {config: study.plan(config) for config in study.configs}
    check_comparable(plans)
    announce(plans)
    runs = [(config, seed) for seed in study.seeds for config in study.configs]
    for config, seed in runs:
        claim(study.folder(config, seed), plans[config])
    for number, (config, seed) in enumerate(runs):
        folder = study.folder(config, seed)
        print(f"run {number + 1}/{len(runs)}: {config.stem}, seed {seed}", flush=True)
        if not (folder / PREDICTED).exists():
            _train(study, config, seed)
            _predict(study, config, folder)
    tables = {
        config: [
            read_table(study.folder(config, seed) / PREDICTED, PREDICTIONS) for seed in study.seeds
        ]
        for config in study.configs
    }
    return compare(tables, plans)


def check_comparable(plans: Mapping[Path, Mapping[str, Any]]) -> None:
    """Refuse configs of one name, and configs that hold out other people than the baseline."""
    baseline, *variants = plans
    names = [config.stem for config in plans]
    if len(set(names)) < len(names) or not variants:
        raise InputError(f"ablate needs a baseline and variants of other names; got {names}")
    for variant in variants:
        for key in _SAME_PEOPLE:
            one, other = plans[baseline].get(key), plans[variant].get(key)
            if one != other:
                raise InputError(
                    f"{variant}: {key} must be the baseline's, {one}; got {other}; other people "
                    "are no comparison"
                )


def announce(plans: Mapping[Path, Mapping[str, Any]]) -> None:
    """Print what each variant changes, and warn where that is more than one thing."""
    baseline, *variants = plans
    for variant in variants:
        changed = changes(plans[baseline], plans[variant])
        print(f"{variant.stem} changes {', '.join(blocks(changed)) or 'nothing'}:")
        for key, (was, now) in changed.items():
            print(f"    {key}: {was} -> {now}")
        if len(blocks(changed)) > 1:
            print("    warning: more than one thing, so a difference does not tell which")


def claim(folder: Path, plan: Mapping[str, Any]) -> None:
    """Write down what a run is made of; refuse a folder that holds a run of something else."""
    path = folder / "plan.json"
    text = json.dumps(plan, default=str, indent=1, sort_keys=True)
    if not path.exists():
        with written_whole(path) as aside:
            aside.write_text(text)
        return
    different = changes(json.loads(path.read_text()), json.loads(text))
    if different:
        key, (was, now) = next(iter(different.items()))
        raise InputError(
            f"{folder}: holds a run of another config, {len(different)} values differ: {key} was "
            f"{was}, is {now}; use another --out, or delete the folder"
        )


def compare(
    tables: Mapping[Path, Sequence[pd.DataFrame]], plans: Mapping[Path, Mapping[str, Any]]
) -> pd.DataFrame:
    """Return one row for each variant: what it changes, and by how much macro F1 moved.

    ``difference`` is the mean over the seeds, ``low`` to ``high`` its 95 % interval over people,
    ``seeds`` the difference of each seed. It is ``shown`` where the interval excludes 0 and at
    least two seeds agree in its sign, all of them.
    """
    baseline, *variants = tables
    first = tables[baseline][0]
    truth, person = first["label"].to_numpy(dtype=np.int64), first["person"].to_numpy()
    labels = {config: [_labels(table, first) for table in tables[config]] for config in tables}
    rows = []
    for variant in variants:
        changed = changes(plans[baseline], plans[variant])
        pairs = zip(labels[variant], labels[baseline], strict=True)
        seeds = [macro_f1(truth, one) - macro_f1(truth, other) for one, other in pairs]
        difference = paired_difference(person, truth, labels[variant], labels[baseline])
        agree = len(seeds) > 1 and (min(seeds) > 0 or max(seeds) < 0)
        rows.append(
            {
                "variant": variant.stem,
                "blocks": ", ".join(blocks(changed)),
                "changes": "; ".join(f"{k}: {was} -> {now}" for k, (was, now) in changed.items()),
                "people": len(set(person)),
                "photos": len(truth),
                "baseline": macro_f1_interval(person, truth, labels[baseline]).value,
                "macro_f1": macro_f1_interval(person, truth, labels[variant]).value,
                "difference": difference.value,
                "low": difference.low,
                "high": difference.high,
                "seeds": " ".join(f"{seed:+.4f}" for seed in seeds),
                "verdict": "shown" if difference.excludes(0) and agree else "not shown",
            }
        )
    return pd.DataFrame(rows)


def _labels(table: pd.DataFrame, first: pd.DataFrame) -> NDArray[np.int64]:
    """Return the predicted labels in the order of the first table, of the very same photos."""
    rows = pd.Index(table["image"]).get_indexer(first["image"])
    if len(table) != len(first) or (rows < 0).any():
        raise InputError("the runs predict other photos: the data has changed between them")
    if (table["label"].to_numpy()[rows] != first["label"].to_numpy()).any():
        raise InputError("the runs know other labels: corrections or the data have changed")
    return probabilities(table)[rows].argmax(axis=1)


def _train(study: Study, config: Path, seed: int) -> None:
    arguments: list[Any] = [config, "--seed", seed, "--work-dir", study.folder(config, seed)]
    if study.data_root is not None:
        arguments += ["--data-root", study.data_root]
    if study.pretrained is not None:
        arguments += ["--pretrained", study.pretrained]
    if study.options:
        arguments += ["--cfg-options", *study.options]
    _run(study.tools / "train.py", *arguments, "--resume")


def _predict(study: Study, config: Path, folder: Path) -> None:
    checkpoint = folder / Path((folder / "last_checkpoint").read_text().strip()).name
    stored = folder / config.name
    _run(
        study.tools / "test.py", stored, checkpoint, "--split", "val", "--out", folder / PREDICTED,
        quiet=True,
    )  # fmt: skip


def _run(*command: Any, quiet: bool = False) -> None:
    output = subprocess.DEVNULL if quiet else None
    done = subprocess.run([sys.executable, *map(str, command)], stdout=output)
    if done.returncode == 2:
        raise InputError(f"{command[0]} {command[1]} refuses its input; its sentence is above")
    done.check_returncode()
