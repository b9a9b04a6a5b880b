"""Why did the score move? Variants against one baseline, on the same people and seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmmask.errors import InputError
from mmmask.evaluation.calibrated_tables import knowing
from mmmask.evaluation.intervals import macro_f1_interval, paired_difference
from mmmask.evaluation.scores import macro_f1
from mmmask.ledger.config_differences import blocks, changes
from mmmask.tables import PREDICTIONS, read_table
from mmmask.workflows.score import aligned, labels_of
from mmmask.workflows.studies.commands import ONE_ATTRIBUTE, Study, alone, claim
from mmmask.workflows.studies.engines import run_commands

PREDICTED = "predictions.parquet"
_SAME_PEOPLE = ("data.data_root", "data.folds", "data.fold", "data.split_seed")


@dataclass(frozen=True, kw_only=True)
class Ablation(Study):
    """One baseline and its variants."""

    configs: Sequence[Path]  # paths; the first is the baseline
    seeds: Sequence[int]  # seeds of the runs; each config is trained once with each

    def folder(self, config: Path, seed: int) -> Path:
        """Return the work directory of a run."""
        return self.out / config.stem / f"seed_{seed}"


def ablate(study: Ablation) -> pd.DataFrame:
    """Train what is missing, predict the people held out, and return one row for each variant.

    Finished runs are kept, interrupted ones continued. The last checkpoint is scored: to choose
    the best epoch by the very people that are compared would favour whichever config scatters most.

    Raises:
        InputError: A finished run was made with another config, two configs share a name or hold
            out other people, or a training refuses its input.
        DivergedError: A training diverges.
    """
    plans = {config: study.plan_of(config, {}) for config in study.configs}
    check_comparable(plans)
    announce(plans)
    with alone(study.out):
        _train_missing(study, plans)
    tables = {
        config: [
            read_table(study.folder(config, seed) / PREDICTED, PREDICTIONS) for seed in study.seeds
        ]
        for config in study.configs
    }
    return compare(tables, plans)


def _train_missing(study: Ablation, plans: Mapping[Path, Mapping[str, Any]]) -> None:
    runs = [(config, seed) for seed in study.seeds for config in study.configs]
    for config, seed in runs:
        claim(study.folder(config, seed), plans[config])
    for number, (config, seed) in enumerate(runs):
        folder = study.folder(config, seed)
        print(f"run {number + 1}/{len(runs)}: {config.stem}, seed {seed}", flush=True)
        if not (folder / PREDICTED).exists():
            run_commands([study.train(config, folder, options=study.options, seed=seed)])
            predict = study.predict(folder, config.name, folder / PREDICTED, split="val")
            run_commands([predict], logs=[folder / "test.log"])


def check_comparable(plans: Mapping[Path, Mapping[str, Any]]) -> None:
    """Refuse configs of one name, and those whose scores cannot be compared with the baseline's."""
    baseline, *variants = plans
    names = [config.stem for config in plans]
    if len(set(names)) < len(names) or not variants:
        raise InputError(
            f"ablate needs a baseline and variants of other names; got {', '.join(names)}"
        )
    for config, plan in plans.items():
        if plan.get("train_dataloader.dataset.split") == "all":
            raise InputError(f"{config}: trains on everybody, so nobody is left to compare on")
        if plan["head.type"] in ONE_ATTRIBUTE:
            raise InputError(
                f"{config}: models one attribute, and ablate compares macro F1 of the 18 classes"
            )
    for variant in variants:
        for key in _SAME_PEOPLE:
            one, other = plans[baseline].get(key), plans[variant].get(key)
            if one != other:
                raise InputError(
                    f"{variant}: {key} must be the baseline's, {one}; got {other}; scores of "
                    "other people cannot be compared"
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


def compare(
    tables: Mapping[Path, Sequence[pd.DataFrame]], plans: Mapping[Path, Mapping[str, Any]]
) -> pd.DataFrame:
    """Return one row for each variant: what it changes, and by how much macro F1 moved.

    ``difference`` is the mean over the seeds, ``low`` to ``high`` its 95 % interval over people
    and seeds, ``detectable`` what a true difference must be to be shown in 80 % of such studies,
    ``seeds`` the difference of each seed. It is ``shown`` where the interval excludes 0; never by
    one seed, which cannot tell what another would change.
    """
    baseline, *variants = tables
    named = {
        f"{config}, run {number}": table
        for config, runs in tables.items()
        for number, table in enumerate(runs)
    }
    same_rows = [knowing(table, name) for name, table in aligned(named).items()]
    truth, _ = labels_of(same_rows[0])
    person = same_rows[0]["person"].to_numpy()
    predicted = (labels_of(table)[1] for table in same_rows)
    labels = {config: [next(predicted) for _ in runs] for config, runs in tables.items()}
    other = macro_f1_interval(person, truth, labels[baseline])
    rows = []
    for variant in variants:
        changed = changes(plans[baseline], plans[variant])
        pairs = zip(labels[variant], labels[baseline], strict=True)
        seeds = [macro_f1(truth, one) - macro_f1(truth, other) for one, other in pairs]
        difference = paired_difference(person, truth, labels[variant], labels[baseline])
        score = macro_f1_interval(person, truth, labels[variant])
        rows.append(
            {
                "variant": variant.stem,
                "blocks": ", ".join(blocks(changed)),
                "changes": "; ".join(f"{k}: {was} -> {now}" for k, (was, now) in changed.items()),
                "people": len(set(person)),
                "photos": len(truth),
                "baseline": other.value,
                "baseline_low": other.low,
                "baseline_high": other.high,
                "macro_f1": score.value,
                "macro_f1_low": score.low,
                "macro_f1_high": score.high,
                "difference": difference.value,
                "low": difference.low,
                "high": difference.high,
                "seeds": " ".join(f"{seed:+.4f}" for seed in seeds),
                "detectable": difference.detectable if len(seeds) > 1 else np.nan,
                "verdict": "shown" if difference.shown and len(seeds) > 1 else "not shown",
            }
        )
    return pd.DataFrame(rows)
