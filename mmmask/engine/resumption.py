"""Is a checkpoint one of the run that is asked for? Decided before anything of it is loaded.

MMEngine takes from a resumed checkpoint the counts of epochs and steps, and all of the optimizer
and the schedulers, their options included; the rest follows the config. So a run resumed with
other options would be neither the one nor the other: a new learning rate is not used, a longer
run stays at the end of the former schedule, and another fold holds out people who are known.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.hooks import EMAHook
from mmengine.runner import EpochBasedTrainLoop, Runner, find_latest_checkpoint
from torch.utils.data import Dataset

from mmmask.blocks import plain
from mmmask.datasets.face_boxes import described
from mmmask.datasets.teacher import teacher_tables
from mmmask.engine.unwrap import samples_of
from mmmask.errors import InputError
from mmmask.ledger.config_differences import DATA_FILES, changes, decides_weights, files_of, flat
from mmmask.ledger.provenance import file_hash, fingerprint
from mmmask.tables import PROBABILITIES, YEARS

#: Where the ``meta`` of a checkpoint has the facts.
RUN_FACTS = "run_facts"
_MAX_EPOCHS = "train_cfg.max_epochs"
_SPLIT, _TRAIN, _VAL, _UNLABELLED = _DATA = (
    "training split",
    "training set",
    "validation set",
    "unlabelled set",
)
_PROCESSES, _STEPS = "number of processes", "number of steps per epoch"
#: What decides who is held out.
_HOLDOUT = (".folds", ".fold", ".split_seed", _SPLIT)
#: Parts of a config that a resumed run does not use, or that other facts stand for.
_NOT_COMPARED = (
    "model.backbone.init_cfg.",
    "pretrained.",
    "semi.photos.",
    "train_dataloader.dataset.split.",
    "val_cfg.",
)
#: What :func:`mmmask.blocks.compose` makes of blocks -> those blocks.
_COMPOSED = {
    "model.": (
        "backbone", "batch_augments", "device_augment", "features", "head", "neck",
        "preprocessing", "semi",
    ),
    "train_dataloader.dataset.": ("augmentations", "data", "preprocessing"),
}  # fmt: skip
#: Options in there that name files: known by their content, or of no effect.
_PATHS = (
    ".boxes", ".corrections", ".data_root", ".drop", ".eval_table", ".pack", ".samples", ".table",
    ".teacher",
)  # fmt: skip
#: What a step changes in the state of a scheduler.
_STEPPED = {
    "_global_step", "_last_value", "best", "cooldown_counter", "last_step", "num_bad_epochs"
}  # fmt: skip
#: Modules whose hooks and averages do not depend on the number of epochs; others may.
_BLIND_TO_END = ("mmengine.", "mmmask.", "mmpretrain.engine.hooks.ema_hook")


def run_facts(runner: Runner) -> dict[str, Any]:
    """Return name -> value of all that a run's weights depend on; its train loop is built.

    Names with dots are those of the config. Samples and files are known by their content, so that
    they may move.
    """
    facts = _config_facts(runner)
    if facts.get("data.teacher"):
        facts["data.teacher"] = teacher_tables(facts["data.teacher"], facts.get("data.fold", 0))
    for name in DATA_FILES:
        if name in facts:
            facts[name] = _content(facts[name])
    train, val = runner.train_dataloader.dataset, runner.val_loop
    unlabelled = getattr(runner.train_loop, "unlabelled_dataloader", None)
    return facts | {
        _SPLIT: getattr(train, "split", None),
        _TRAIN: _samples(train),
        _VAL: None if val is None else _samples(val.dataloader.dataset),
        _UNLABELLED: None if unlabelled is None else _samples(unlabelled.dataset),
        _PROCESSES: runner.world_size,
        _STEPS: len(runner.train_dataloader),
    }


def check_resumable(runner: Runner, checkpoint: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that does not go on with the run that is asked for.

    Another ``train_cfg.max_epochs`` is let pass where no epoch depends on it.

    Args:
        runner: It is about to load the checkpoint.
        checkpoint: As it was read.
        now: The :func:`run_facts` of the runner.

    Raises:
        InputError: A fact differs, or the checkpoint lacks what a run goes on from.
    """
    path = runner._load_from or find_latest_checkpoint(runner.work_dir)
    load = f"--cfg-options load_from={path}"
    anew = f"start a new run from these weights ({load}, another --work-dir, no --resume)"
    meta = checkpoint.get("meta") or {}
    if "preprocessing" not in meta:
        raise InputError(
            f"{path}: does not say what its run was made of, as checkpoints of mmmask do, so no "
            f"run can go on from it; {anew}"
        )
    if "optimizer" not in checkpoint:
        raise InputError(
            f"{path}: holds no optimizer state, as no best_*.pth does, so no run can go on from "
            f"it; resume the last epoch_*.pth of its run, or {anew}"
        )
    was = meta.get(RUN_FACTS)
    if was is None:
        was, now = _older_facts(runner, checkpoint, now)
        runner.logger.warning(
            f"{path}: written by an older version, which stored less of what a run depends on; "
            f"compared are {', '.join(was)}, and the rest, such as optimizer, batch size and the "
            "content of files, must be as it was"
        )
    found = _differences(was, now)
    if not found or (list(found) == [_MAX_EPOCHS] and _no_epoch_depends_on_end(runner, checkpoint)):
        return
    listed = "; ".join(f"{name} was {former}, is {new}" for name, (former, new) in found.items())
    former = _former(found, was, Path(path).parent)
    if not any(name in _DATA or name.startswith("data.") for name in found):
        raise InputError(
            f"{path}: cannot go on with other settings: {listed}; resume with {former}, or {anew}"
        )
    if any(name.endswith(_HOLDOUT) for name in found) and now.get(_VAL) is not None:
        anew = (
            "start a new run (another --work-dir, no --resume); weights loaded by "
            f"{load} would know people who are held out now"
        )
    raise InputError(
        f"{path}: cannot go on with other photos, people or labels: {listed}; resume with "
        f"{former}, or {anew}"
    )


def _config_facts(runner: Runner) -> dict[str, Any]:
    values = plain(runner.cfg.to_dict())
    if "preprocessing" in values:
        values["preprocessing"] = plain(described(values["preprocessing"]))
    hooks = values.get("custom_hooks") or []
    values["custom_hooks"] = [hook for hook in hooks if hook.get("type") != "CompileHook"]
    named = flat(values)
    for place in _COMPOSED:  # which MMPretrain's tools/train.py lets change without the blocks
        value = values
        for key in place.rstrip(".").split("."):
            value = value.get(key) or {}
        named[place.rstrip(".")] = value
    return {
        name: value
        for part in named.items()
        for name, value in _leaves(*part)
        if decides_weights(name)
        and not f"{name}.".startswith(_NOT_COMPARED)
        and not (name.startswith(tuple(_COMPOSED)) and name.endswith(_PATHS))
    }


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values inside lists of dicts too: ``param_scheduler.0.end``."""
    parts: Any = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        parts = enumerate(value)
    for key, part in parts:
        yield from _leaves(f"{name}.{key}", part)
    if not parts:
        plain_value = isinstance(value, (bool, int, float, str, list, dict)) or value is None
        yield name, value if plain_value else str(value)  # any reader unpickles it


def _content(stated: Any) -> list[str] | None:
    files = [Path(path) for path in files_of(stated)]
    return [f"{file.name} ({file_hash(file)[:12]})" for file in files] or None


def _samples(dataset: Dataset) -> str:
    samples = samples_of(dataset)
    known = ("label", "fits", "age", "age_from", "age_to")
    columns = ("image", "person", *known, "weight", *PROBABILITIES, *YEARS)
    learned = fingerprint(samples, columns)  # soft labels included, where a teacher gives some
    return f"{len(samples)} photos ({learned[:12]})"


def _older_facts(
    runner: Runner, checkpoint: Mapping[str, Any], now: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the facts that a checkpoint without :data:`RUN_FACTS` has, and the same ones now."""
    meta = checkpoint["meta"]
    info = (checkpoint.get("message_hub") or {}).get("runtime_info") or {}
    blocks = {name: meta[name] for name in ("data", "preprocessing") if name in meta}
    was = {name: value for name, value in flat(blocks).items() if decides_weights(name)}
    if runner.cfg.get("randomness", {}).get("seed") is not None and "seed" in meta:
        was["randomness.seed"] = meta["seed"]
    if "trained_on" in meta:
        was[_SPLIT] = meta["trained_on"]
    if "max_epochs" in info and "max_iters" in info:
        was[_MAX_EPOCHS] = info["max_epochs"]
        was[_STEPS] = info["max_iters"] // info["max_epochs"]
    here = {**now, **_config_facts(runner)}  # these name files by their paths, as the older do
    return was, {name: here.get(name) for name in was}


def _differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple]:
    """Return name -> (value of the checkpoint, value now) of the facts that differ."""
    found = changes(was, now)
    if _TRAIN in was and not found.keys() & {_TRAIN, _VAL}:
        # The files have changed, or their names, but no sample has.
        found = {name: pair for name, pair in found.items() if name not in DATA_FILES}
    for place, blocks in _COMPOSED.items():
        if any(f"{name}.".startswith(tuple(f"{block}." for block in blocks)) for name in found):
            found = {name: pair for name, pair in found.items() if not name.startswith(place)}
    if None in found.get(_VAL, ()):
        found = {name: pair for name, pair in found.items() if not name.startswith("val_evaluator")}
    return found


def _no_epoch_depends_on_end(runner: Runner, checkpoint: Mapping[str, Any]) -> bool:
    """Say whether all epochs so far are those of a run with the number of epochs now asked for."""
    wanted, trained = runner.param_schedulers or [], checkpoint.get("param_schedulers") or []
    if not isinstance(wanted, list) or len(wanted) != len(trained):
        return False
    plans = ([_unstepped(one.state_dict()) for one in wanted], list(map(_unstepped, trained)))
    averages = [hook.ema_model for hook in runner.hooks if isinstance(hook, EMAHook)]
    return (
        plans[0] == plans[1]
        and runner.max_epochs >= checkpoint["meta"]["epoch"]
        and type(runner.train_loop) is EpochBasedTrainLoop  # others may follow the share done
        # The last epoch is always validated, and its last gradients are not accumulated further.
        and runner.train_loop.val_interval == 1
        and runner.cfg.train_cfg.get("dynamic_intervals") is None
        and runner.cfg.optim_wrapper.get("accumulative_counts", 1) == 1
        and all(
            type(part).__module__.startswith(_BLIND_TO_END) for part in (*runner.hooks, *averages)
        )
    )


def _unstepped(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in _STEPPED}


def _former(found: Mapping[str, tuple], was: Mapping[str, Any], run: Path) -> str:
    """Return the words for the former settings: options, where each can be given as one."""
    named = set(found) - {*_DATA, *DATA_FILES, _PROCESSES, _STEPS}
    words = []
    if all(name in was and _is_option(was[name]) for name in named):
        options = " ".join(f"{name}={was[name]}" for name in sorted(named))
        words += [f"--cfg-options {options}"] if named else []
    else:
        words.append(f"the run's own config ({run}/*.py)")
    if _SPLIT in found:
        words.append(f"--split {'all' if was[_SPLIT] == 'all' else 'holdout'}")
    elif set(found) & {*_DATA, *DATA_FILES} and not any(
        name.startswith(("data.", "train_dataloader.dataset.")) for name in named
    ):
        words.append("the former data")
    if _PROCESSES in found:
        words.append(f"{was[_PROCESSES]} process{'' if was[_PROCESSES] == 1 else 'es'}")
    return " and ".join(words or ["the former settings"])


def _is_option(value: Any) -> bool:
    """Say whether a value can stand on a command line without quotes."""
    if isinstance(value, str):
        return value.replace("_", "").isalnum()
    return value is None or isinstance(value, (bool, int, float))
