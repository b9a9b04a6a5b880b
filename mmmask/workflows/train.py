"""Train one config on one split."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmmask.blocks import compose, has_blocks
from mmmask.config import load_config, parse_options, with_flags
from mmmask.errors import InputError

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

#: Optimizer wrappers that --amp may replace by the one with autocast.
WITH_AMP = (None, "OptimWrapper", "AsyncOptimWrapper", "AutocastOptimWrapper")


def train(
    config: str | Path,
    *,
    data_root: str | None = None,  # folder with ``train/``; None keeps the config's
    pretrained: str | None = None,  # weights the backbone starts from, path or URL; ``none``: none
    work_dir: str | Path | None = None,  # by default the config's, or ``work_dirs/`` and its name
    resume: str | None = None,  # a checkpoint, or ``auto``: the last one of ``work_dir``
    split: str = "holdout",  # validates on the held-out fold; ``all``: trains on everybody
    samples: Sequence[str] = (),  # tables of further training samples
    corrections: str | None = None,  # csv of label corrections
    teacher: Sequence[str] = (),  # predictions tables, see :mod:`mmmask.datasets.teacher`
    pack: str | None = None,  # file of packed photos, made first where missing or stale
    amp: bool = False,  # train under bfloat16 autocast
    compile_backbone: bool = False,  # the first step then takes minutes on a CPU
    seed: int | None = None,
    options: Sequence[str] = (),  # ``name=value`` overrides of the config
    launcher: str = "none",  # or ``pytorch`` (torchrun)
) -> Path:
    """Train and return the work directory, which holds checkpoints, split, config and logs."""
    from mmmask.engine.distributed import stop_distributed

    flags: dict[str, tuple[str, Any]] = {}
    if pretrained is not None:
        start_from = None if pretrained == "none" else pretrained
        flags["pretrained"] = (f"--pretrained {pretrained}", start_from)
    if seed is not None:
        flags["randomness.seed"] = (f"--seed {seed}", seed)
    if work_dir is not None:
        flags["work_dir"] = (f"--work-dir {work_dir}", str(work_dir))
    if resume is not None:
        flag = f"--resume {resume}"
        flags |= {"resume": (flag, True), "load_from": (flag, None if resume == "auto" else resume)}
    given = parse_options(options)
    with_flags(given, {"launcher": (f"--launcher {launcher}", launcher)})
    given = with_flags(given, flags)
    cfg = load_config(
        config,
        given,
        data_root=data_root,
        samples=list(samples) or None,
        corrections=corrections,
        teacher=list(teacher) or None,
        pack=pack,
    )
    missing = [
        name for name in ("train_dataloader", "train_cfg", "optim_wrapper") if cfg.get(name) is None
    ]
    if missing:
        raise InputError(f"{config}: nothing can be trained without {', '.join(missing)}")
    start = cfg.get("load_from")
    if resume is None and start is not None and pretrained not in (None, "none"):
        raise InputError(
            f"--pretrained and load_from both name weights to start from, {pretrained} and "
            f"{start}; leave one out"
        )
    if amp:
        kind = (cfg.get("optim_wrapper") or {}).get("type")
        if kind not in WITH_AMP:
            raise InputError(f"--amp works with OptimWrapper; got {kind}")
        cfg.optim_wrapper = {**cfg.optim_wrapper, "type": "AutocastOptimWrapper"}
    if compile_backbone:
        cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), {"type": "CompileHook"}]
    if split == "all":
        _train_on_everybody(cfg, config)
    if cfg.get("resume") and "resume" not in given:  # saved by a run that was resumed itself
        cfg.resume, cfg.load_from = False, given.get("load_from")
    cfg.work_dir = str(cfg.get("work_dir") or Path("work_dirs") / Path(config).stem)
    compose(cfg)
    build_runner(cfg, launcher).train()
    if launcher != "none":
        stop_distributed()
    return Path(cfg.work_dir)


def _train_on_everybody(cfg: "Config", config: str | Path) -> None:
    """Hold nobody out, in a config that was read from the path ``config``."""
    if not has_blocks(cfg):
        raise InputError(f"--split all needs a config with a block `data`; got {config}")
    stated = cfg.train_dataloader.dataset.get("split", "none")
    if stated not in ("train", "all"):
        raise InputError(
            f"--split all needs a train_dataloader.dataset.split of train; got {stated}"
        )
    cfg.train_dataloader.dataset.split = "all"
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None


def build_runner(cfg: "Config", launcher: str = "none") -> "Runner":
    """Build the Runner that a config names, in the group of processes of a launcher."""
    from mmengine.registry import RUNNERS

    import mmmask.register  # noqa: F401
    from mmmask.engine.runner_config import prepare_config

    cfg.launcher = launcher
    if cfg.get("runner_type") != "ConsoleRunner":  # which does this itself
        prepare_config(cfg)
    return RUNNERS.build(cfg)
