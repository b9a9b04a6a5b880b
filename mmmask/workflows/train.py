"""Train one config on one split."""

import copy
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mmmask.config import compose, load_config, parse_options
from mmmask.errors import DivergedError, InputError, MissingFileError, first_line
from mmmask.workflows.pack import ensure_pack

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner
    from torch import nn

#: Optimizer wrappers that --amp may replace by the one with autocast.
WITH_AMP = (None, "OptimWrapper", "AsyncOptimWrapper", "AutocastOptimWrapper")


def train(
    config: str | Path,
    *,
    data_root: str | None = None,  # folder with ``train/``; None keeps the config's
    pretrained: str | None = None,  # weights the backbone starts from, path or URL; ``none``: none
    work_dir: str | Path | None = None,  # by default ``work_dirs/`` and the config's name
    resume: str | None = None,  # a checkpoint, or ``auto``: the last one of ``work_dir``
    split: str = "holdout",  # validates on the held-out fold; ``all``: trains on everybody
    samples: Sequence[str] = (),  # tables of further training samples
    corrections: str | None = None,  # csv of label corrections
    pack: str | None = None,  # file of packed photos, made first where missing or stale
    amp: bool = False,  # train under bfloat16 autocast
    compile_backbone: bool = False,  # the first step then takes minutes on a CPU
    seed: int | None = None,
    options: Sequence[str] = (),  # ``name=value`` overrides of the config
    launcher: str = "none",  # or ``pytorch`` (torchrun)
) -> Path:
    """Train and return the work directory, which holds checkpoints, split, config and logs."""
    cfg = load_config(
        config,
        parse_options(options),
        data_root=data_root,
        samples=list(samples) or None,
        corrections=corrections,
        pack=pack,
    )
    if pretrained is not None:
        cfg.pretrained = None if pretrained == "none" else pretrained
    if seed is not None:
        cfg.randomness.seed = seed
    if amp:
        if cfg.optim_wrapper.get("type") not in WITH_AMP:
            raise InputError(f"--amp works with OptimWrapper, got {cfg.optim_wrapper.type}")
        cfg.optim_wrapper = {**cfg.optim_wrapper, "type": "AutocastOptimWrapper"}
    if compile_backbone:
        cfg.custom_hooks = [*cfg.get("custom_hooks", []), {"type": "CompileHook"}]
    if split == "all":
        cfg.train_dataloader.dataset.split = "all"
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.work_dir = str(work_dir or Path("work_dirs") / Path(config).stem)
    cfg.load_from = _checkpoint_to_resume(resume, Path(cfg.work_dir))
    cfg.resume = cfg.load_from is not None
    if cfg.resume:
        cfg.pretrained = None  # the checkpoint holds every weight
    compose(cfg)
    _check_can_run(cfg)
    _run(cfg, launcher)
    return Path(cfg.work_dir)


def _run(cfg: "Config", launcher: str) -> None:
    """Train a composed config to its end."""
    from mmmask.engine.distributed import stop_distributed

    runner = build_runner(cfg, launcher)
    if cfg.pretrained is not None:
        check_pretrained(runner.model, cfg.pretrained)
    try:
        with _unknown_options_refused(cfg):
            runner.train()
    except DivergedError as error:
        if launcher != "none" and not error.alone:  # none ends before the card is written
            stop_distributed()
        raise
    if launcher != "none":
        stop_distributed()


def _check_can_run(cfg: "Config") -> None:
    """Refuse a part that waits for a validation or epoch that never comes, or lacks its package."""
    from mmmask.engine.tracking import check_installed

    check_installed(cfg.get("tracking"))
    begin, epochs = (cfg.get("averaging") or {}).get("begin_epoch", 0), cfg.train_cfg.max_epochs
    if begin > epochs:
        raise InputError(
            f"averaging.begin_epoch must be at most train_cfg.max_epochs, {epochs}; got {begin}"
        )
    if cfg.val_cfg is not None:
        return
    schedulers = [scheduler["type"] for scheduler in cfg.param_scheduler or []]
    waiting = [f"param_scheduler {kind}" for kind in schedulers if "OnPlateau" in kind]
    if cfg.get("early_stopping") is not None:
        waiting.append("early_stopping")
    if waiting:
        raise InputError(
            f"{waiting[0]} follows the score of a validation, and training on everybody has none; "
            "choose another schedule, or hold people out"
        )


def build_runner(cfg: "Config", launcher: str = "none") -> "Runner":
    """Start the group of processes, if any, and build MMEngine's Runner of a composed config."""
    from mmengine.device import is_cuda_available
    from mmengine.dist import barrier, get_local_rank
    from mmengine.registry import RUNNERS, init_default_scope

    from mmmask.engine.allocator import keep_freed_memory
    from mmmask.engine.distributed import start_distributed, wrap_for_device

    cores = os.cpu_count() or 1
    loaders = [cfg.get(f"{name}_dataloader") for name in ("train", "val", "test")]
    loaders.append((cfg.get("train_cfg") or {}).get("unlabelled_dataloader"))
    for loader in loaders:
        if loader is not None:  # more workers than cores only get in each other's way
            loader.num_workers = min(loader.num_workers, cores)
    if not is_cuda_available():
        keep_freed_memory()
    cfg.launcher = launcher
    start_distributed(launcher)
    wrap_for_device(cfg)
    init_default_scope(cfg.default_scope)
    if cfg.data.get("pack") is not None:
        if get_local_rank() == 0:  # once a machine
            ensure_pack(cfg)
        barrier()
    with _unknown_options_refused(cfg):
        return RUNNERS.build(cfg)


@contextmanager
def _unknown_options_refused(cfg: "Config") -> Iterator[None]:
    """Turn Python's complaint about an option that a module does not have into one of input."""
    try:
        yield
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        raise InputError(f"{cfg.filename}: {error}") from error


def check_pretrained(model: "nn.Module", weights: str) -> None:
    """Refuse weights that do not fill the backbone; MMEngine would go on with random ones."""
    from mmengine.runner import CheckpointLoader

    from mmmask.engine.unwrap import classifier_of

    content = CheckpointLoader.load_checkpoint(weights, map_location="cpu", logger="silent")
    # A copy is filled for real, because a network may rename or resize what an old file holds.
    trial = copy.deepcopy(classifier_of(model).backbone)
    if hasattr(trial, "own_weights"):
        given = trial.own_weights(content)
    else:
        given = {
            name.removeprefix("backbone."): value
            for name, value in content.get("state_dict", content).items()
            if name.startswith("backbone.")
        }
    wanted = len(trial.state_dict())
    try:
        missing = trial.load_state_dict(given, strict=False).missing_keys
    except RuntimeError as error:  # of another shape
        missing = re.findall(r"size mismatch for (\S+):", str(error)) or [first_line(error)]
    if missing:
        raise InputError(
            f"{weights}: does not fit the backbone, {len(missing)} of its {wanted} weights are "
            f"missing or of another shape, such as {missing[0]}"
        )


def _checkpoint_to_resume(resume: str | None, work_dir: Path) -> str | None:
    """Return the checkpoint to continue from; refuse to run over another run."""
    last = work_dir / "last_checkpoint"
    if resume is None:
        if last.exists():
            raise InputError(
                f"{work_dir}: holds a run already; continue it with --resume, "
                "or keep both with another --work-dir"
            )
        return None
    if resume != "auto":
        if not Path(resume).is_file():
            raise MissingFileError(f"--resume {resume}: no such checkpoint")
        return resume
    if not last.exists():
        return None  # killed in its first epoch: it starts again
    # The file holds the path at the time of writing; the folder may have been moved or copied.
    checkpoint = work_dir / Path(last.read_text().strip()).name
    if not checkpoint.is_file():
        raise MissingFileError(f"{last}: names {checkpoint.name}, which is not in {work_dir}")
    return str(checkpoint)
