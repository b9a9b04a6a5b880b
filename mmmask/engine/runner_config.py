"""Make a config ready for a Runner: composed, checked, and fit for the device at hand."""

import os
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import is_cuda_available
from mmengine.registry import init_default_scope

from mmmask.blocks import SPLITS, compose, has_blocks
from mmmask.config import compose_for_runner, load_config
from mmmask.datasets.data_source import DataSource
from mmmask.datasets.sampler import EpochSampler
from mmmask.engine.allocator import keep_freed_memory
from mmmask.engine.checkpoints import last_checkpoint
from mmmask.engine.config_check.check_config import check_config
from mmmask.engine.distributed import start_distributed, wrap_for_device
from mmmask.engine.tracking import check_installed
from mmmask.errors import InputError, MissingFileError

#: MMEngine adds these, unless the config has None for them.
_HOOKS_OF_MMENGINE = (
    "runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint",
)  # fmt: skip
#: Open files of a run, and of each data worker beside it.
_FILES, _FILES_OF_WORKER = 64, 8


def load_checked(path: str | Path, options: Mapping[str, Any] | None = None, **data: Any) -> Config:
    """Return :func:`mmmask.config.load_config` of a file, its values checked for use.

    Raises:
        InputError: Names the option at fault.
    """
    cfg = load_config(path, options, **data)
    check_config(cfg)
    return cfg


def prepare_config(cfg: Config) -> None:
    """Compose and check a config in place, and start the group of processes it asks for.

    :class:`mmmask.engine.runner.ConsoleRunner` calls this first of all, so that MMPretrain's
    command lines get the same as ours. A config without blocks is only fit to the machine. Nothing
    is written.

    Raises:
        InputError: Names the option at fault.
    """
    init_default_scope(cfg.get("default_scope") or "mmpretrain")
    compose_for_runner(cfg)
    _find_checkpoint(cfg)
    cuda = is_cuda_available()
    _fit_to_machine(cfg, cuda=cuda)
    check_config(cfg)
    if has_blocks(cfg):
        _check_parts_can_work(cfg)
    if not cuda:
        keep_freed_memory()
    start_distributed(cfg.get("launcher", "none"))
    wrap_for_device(cfg)


def _find_checkpoint(cfg: Config) -> None:
    """Set ``load_from`` to the checkpoint to resume, or ``resume`` off where there is none yet."""
    if cfg.get("resume") and cfg.get("load_from") is None:
        cfg.load_from = last_checkpoint(Path(cfg.work_dir))
        cfg.resume = cfg.load_from is not None  # killed in its first epoch, it starts again
    elif cfg.get("resume") and not os.path.isfile(cfg.load_from):
        raise MissingFileError(f"--resume {cfg.load_from}: no such checkpoint")
    if cfg.get("load_from") is not None and has_blocks(cfg):
        cfg.pretrained = None  # the checkpoint holds every weight
        compose(cfg)


def _fit_to_machine(cfg: Config, *, cuda: bool) -> None:
    """Adapt a config to what MMEngine and torch accept, as MMPretrain's command lines do."""
    for name in [name for name, hook in (cfg.get("default_hooks") or {}).items() if hook is None]:
        if name not in _HOOKS_OF_MMENGINE:  # it would ask for a hook
            del cfg.default_hooks[name]
    optim_wrapper = cfg.get("optim_wrapper") or {}
    if not cuda and optim_wrapper.get("type") == "AmpOptimWrapper":
        # MMEngine's refuses a CPU, which has no need of a loss scale.
        kept = {key: value for key, value in optim_wrapper.items() if key != "loss_scale"}
        cfg.optim_wrapper = {**kept, "type": "AutocastOptimWrapper"}
    loaders = [cfg.get(f"{name}_dataloader") for name in SPLITS]
    loaders.append((cfg.get("train_cfg") or {}).get("unlabelled_dataloader"))
    for loader in loaders:
        if loader is None or not isinstance(loader.get("num_workers", 0), int):
            continue  # to be refused
        loader.setdefault("collate_fn", {"type": "default_collate"})
        # More workers than cores only get in each other's way.
        loader["num_workers"] = min(loader.get("num_workers", 0), os.cpu_count() or 1)
        if loader["num_workers"]:
            loader.setdefault("persistent_workers", True)
        else:
            loader.pop("persistent_workers", None)
        if not cuda:
            loader.pop("pin_memory", None)
    given = (loader.get("num_workers", 0) for loader in loaders if loader is not None)
    _allow_files(sum(workers for workers in given if isinstance(workers, int)))


def _allow_files(workers: int) -> None:
    """Let this process open as many files as it may need; refuse data workers that cannot.

    Each batch on its way is some open files. Where the system refuses one, a data worker prints a
    traceback, and the training waits for its batch for ever.
    """
    wanted = _FILES + _FILES_OF_WORKER * workers
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if not workers or soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise InputError(
            f"{workers} data workers need {wanted} open files, and the system allows {hard}; raise "
            "that (ulimit -n), or ask for fewer workers (train_dataloader.num_workers=0 "
            "val_dataloader.num_workers=0)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _check_parts_can_work(cfg: Config) -> None:
    """Refuse a part that waits for a validation or epoch that never comes, or lacks its package."""
    check_installed(cfg.get("tracking"))
    if cfg.get("train_cfg") is None:
        return
    epochs = cfg.train_cfg.get("max_epochs")
    if epochs is None:
        raise InputError(
            "train_cfg.max_epochs must be given, as a run goes by epochs, not by steps"
        )
    sampler = cfg.train_dataloader.get("sampler") or {}
    if DataSource.of(cfg).weights and sampler.get("type") != EpochSampler.__name__:
        raise InputError(
            "data.table: weights of the sources need train_dataloader.sampler.type "
            f"{EpochSampler.__name__}, which draws them in these shares; got {sampler.get('type')}"
        )
    begin = (cfg.get("averaging") or {}).get("begin_epoch", 0)
    if begin > epochs:
        raise InputError(
            f"averaging.begin_epoch must be at most train_cfg.max_epochs, {epochs}; got {begin}"
        )
    if cfg.get("val_cfg") is not None:
        return
    schedulers = [scheduler["type"] for scheduler in cfg.get("param_scheduler") or []]
    waiting = [f"param_scheduler {kind}" for kind in schedulers if "OnPlateau" in kind]
    if cfg.get("early_stopping") is not None:
        waiting.append("early_stopping")
    if waiting:
        raise InputError(
            f"{waiting[0]} follows the score of a validation, and training on everybody has none; "
            "choose another schedule, or hold people out"
        )
