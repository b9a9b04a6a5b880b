"""Load a config: inherited blocks in, everything that MMEngine's Runner asks for out.

MMEngine merges dicts of parent and leaf but not what a parent built from them, and lets only one
parent define a top-level name. So each fact stands once, in a block of its own, and this module
composes MMEngine's keys from the blocks:

======================  ==============================================================
block                   goes into
======================  ==============================================================
``data``                the dataset of every dataloader
``preprocessing``       every pipeline, the data preprocessor, and the checkpoints
``augmentations``       the training pipeline, between ``Preprocess`` and ``PackPhoto``
``backbone`` ``neck``   ``model``
``head``                ``model``, with the number of features of the backbone
``features``            ``head.in_channels``
``device_augment``      the data preprocessor: augmentation of a batch on the device
``batch_augments``      the data preprocessor (Mixup, CutMix)
``pretrained``          the weights that the backbone starts from; None: from scratch
``tta``                 the test model, where ``tta.enabled``
======================  ==============================================================

A config need not have these:

======================  ==============================================================
``averaging``           a hook that averages weights (EMA, SWA)
``early_stopping``      a hook that ends a run
``freezing``            a hook that keeps the backbone's first layers as they are
``semi``                the unlabelled dataloader, the train loop and ``model``
``tracking``            what records a run beside its own log (TensorBoard, W&B, MLflow)
======================  ==============================================================

The composed config is complete: it is what a run writes to its work directory, and composing it
again changes nothing.
"""

import ast
import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmmask.errors import InputError, first_line
from mmmask.files import atomic_write
from mmmask.packages import missing_packages
from mmmask.shipped import find_config

if TYPE_CHECKING:
    from mmengine.config import Config

BLOCKS = (
    "augmentations",
    "backbone",
    "batch_augments",
    "data",
    "device_augment",
    "features",
    "head",
    "neck",
    "preprocessing",
    "pretrained",
    "tta",
)
#: Blocks of one hook each; a config may have them.
HOOK_BLOCKS = ("averaging", "early_stopping", "freezing")
OPTIONAL_BLOCKS = (*HOOK_BLOCKS, "semi", "tracking")
#: What Runner.from_cfg reads, and what MMEngine itself puts at the top level.
RUNNER_KEYS = (
    "model", "work_dir", "train_dataloader", "val_dataloader", "test_dataloader",
    "train_cfg", "val_cfg", "test_cfg", "auto_scale_lr", "optim_wrapper", "param_scheduler",
    "val_evaluator", "test_evaluator", "default_hooks", "custom_hooks", "data_preprocessor",
    "load_from", "resume", "launcher", "env_cfg", "log_processor", "log_level", "visualizer",
    "default_scope", "randomness", "experiment_name", "custom_imports", "runner_type",
    "model_wrapper_cfg", "vis_backends", "compile",
)  # fmt: skip
SEMI_LOOP = "SemiTrainLoop"
#: Dataloader -> the split of its dataset, unless the config names another.
SPLITS = {"train": "train", "val": "val", "test": "eval"}
#: Options of the dataset that belong to training alone.
TRAIN_ONLY = ("old_from", "drop_ages", "drop", "samples")


def load_config(
    path: str | Path, options: Mapping[str, Any] | None = None, **data: Any
) -> "Config":
    """Read a config file, apply ``options`` (dotted name -> value) and compose it.

    ``data`` has options of the ``data`` block; None keeps the config's. See :func:`read_config` for
    what is refused.
    """
    cfg = read_config(path, options)
    cfg.data.update({name: value for name, value in data.items() if value is not None})
    compose(cfg)
    return cfg


def read_config(path: str | Path, options: Mapping[str, Any] | None = None) -> "Config":
    """Read a config file and apply ``options``; its facts stand in its blocks alone yet.

    ``path`` may be the name of a shipped config, as for :func:`mmmask.shipped.find_config`.

    Raises:
        InputError: There is no such file, it is no config, or a top-level name is unknown (a typing
            error in an option would otherwise change nothing, silently).
    """
    from mmengine.config import Config

    path = find_config(path)
    if path.suffix != ".py":
        raise InputError(f"{path}: a config ends in .py, got {path.suffix or 'no suffix'}")
    try:
        cfg = Config.fromfile(path)
    except ImportError as error:
        raise InputError(f"{path}: {_why_not_imported(error)}") from error
    except (SyntaxError, NameError, KeyError, TypeError, OSError, AttributeError) as error:
        raise InputError(f"{path}: not a readable config: {first_line(error)}") from error
    if options:
        try:
            cfg.merge_from_dict(dict(options))
        except (KeyError, TypeError, IndexError, AssertionError) as error:
            raise InputError(f"--cfg-options: {first_line(error)}") from error
    known = (*BLOCKS, *OPTIONAL_BLOCKS)
    unknown = sorted(set(cfg) - {*known, *RUNNER_KEYS})
    if unknown:
        raise InputError(
            f"{path}: unknown top-level name {', '.join(unknown)}; known blocks are "
            f"{', '.join(known)}, and the keys of MMEngine's Runner"
        )
    missing = [name for name in BLOCKS if name not in cfg]
    if missing:
        raise InputError(f"{path}: block {', '.join(missing)} is missing; inherit it by _base_")
    return cfg


def _why_not_imported(error: ImportError) -> str:
    """Return MMEngine's sentence that names a module of custom_imports, and Python's reason."""
    named = error.__cause__ or error
    parts = [part for part in (named, named.__context__) if part]
    for part in parts:
        sentence = missing_packages(getattr(part, "name", None))
        if sentence is not None:
            return sentence
    return ": ".join(map(first_line, parts))


def parse_options(options: Sequence[str]) -> dict[str, Any]:
    """Turn ``['a.b=1', 'c=(2,3)']`` of a command line into a dict, as MMEngine does."""
    import argparse

    from mmengine.config import DictAction

    wrong = [option for option in options if "=" not in option]
    if wrong:
        raise InputError(f"--cfg-options must be name=value; got {wrong[0]!r}")
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={})
    try:
        return parser.parse_args(["--cfg-options", *options] if options else []).cfg_options
    except (AssertionError, RecursionError) as error:
        raise InputError(
            f"--cfg-options: values must be numbers, text, lists or tuples; got {options}; "
            "write a config file for more"
        ) from error


def compose(cfg: "Config") -> None:
    """Fill in MMEngine's keys from the blocks, in place; what they held before is replaced."""
    cfg.model = _model(cfg)
    for name in HOOK_BLOCKS:
        if name in cfg:
            cfg.default_hooks.pop(name, None)
            if cfg[name] is not None:
                cfg.default_hooks[name] = copy.deepcopy(cfg[name])
    if "tracking" in cfg:
        cfg.visualizer = None
        if cfg.tracking is not None:
            backends = [{"type": "LocalVisBackend"}, copy.deepcopy(dict(cfg.tracking))]
            cfg.visualizer = {"type": "Visualizer", "vis_backends": backends}
    for name in SPLITS:
        loader = cfg.get(f"{name}_dataloader")
        if loader is None:
            continue
        loader["persistent_workers"] = loader.num_workers > 0
        loader["dataset"] = _dataset(cfg, name, loader.get("dataset") or {})
    if cfg.get("train_cfg") is not None:
        _compose_loop(cfg)
    if cfg.data.get("samples"):
        cfg.default_hooks.pseudo_labels = {"type": "PseudoLabelHook"}
    else:
        cfg.default_hooks.pop("pseudo_labels", None)


def pipeline(cfg: "Config", *, training: bool) -> list[dict]:
    """Return the transforms: load, crop the face (if asked), preprocess, augment, pack."""
    geometry = {key: cfg.preprocessing[key] for key in ("size", "crop")}
    faces = []
    if cfg.preprocessing.get("faces") is not None:
        if cfg.preprocessing.get("reduced_decode"):
            raise InputError("preprocessing.reduced_decode must be off where faces are cropped")
        # The window has the shape that the central crop and the resizing then keep.
        height, width = (side / part for side, part in zip(*geometry.values(), strict=True))
        options = copy.deepcopy(dict(cfg.preprocessing.faces))
        root = cfg.data.data_root
        faces = [{"type": "CropFace", **options, "aspect": height / width, "data_root": root}]
    augmentations = copy.deepcopy(list(cfg.augmentations)) if training else []
    load: dict[str, Any] = {"type": "LoadPhoto"}
    if cfg.preprocessing.get("reduced_decode"):
        parts = zip(geometry["size"], geometry["crop"], strict=True)
        load["at_least"] = tuple(math.ceil(size / kept) for size, kept in parts)
    return [
        load,
        *faces,
        {"type": "Preprocess", **geometry},
        *augmentations,
        {"type": "PackPhoto"},
    ]


def _dataset(cfg: "Config", name: str, former: dict) -> dict:
    """Return the dataset of a dataloader; ``former`` may name the split."""
    training = name == "train"
    shared = {key: value for key, value in cfg.data.items() if training or key not in TRAIN_ONLY}
    return {
        "type": "MaskFaceDataset",
        "split": former.get("split", SPLITS[name]),
        **copy.deepcopy(shared),
        "pipeline": pipeline(cfg, training=training),
        "test_mode": not training,
    }


def _compose_loop(cfg: "Config") -> None:
    """Let the train loop and its record follow the ``semi`` block, whether there is one or not."""
    if cfg.get("semi") is not None:
        cfg.train_cfg.pop("by_epoch", None)
        cfg.train_cfg.type = SEMI_LOOP
        cfg.train_cfg.unlabelled_dataloader = _unlabelled_dataloader(cfg)
        cfg.default_hooks.unlabelled = {"type": "UnlabelledHook"}
    elif cfg.train_cfg.get("type") == SEMI_LOOP:
        del cfg.train_cfg["type"], cfg.train_cfg["unlabelled_dataloader"]
        cfg.train_cfg.by_epoch = True
        del cfg.default_hooks["unlabelled"]


def _unlabelled_dataloader(cfg: "Config") -> dict:
    """Return the dataloader of the unlabelled photos, each in a weak and a strong view."""
    views = copy.deepcopy({name: list(cfg.semi[name]) for name in ("weak", "strong")})
    steps = pipeline(cfg, training=False)[:-1]
    if not cfg.semi.ratio >= 1 or cfg.semi.ratio % 1:
        raise InputError(f"semi.ratio must be a whole number from 1; got {cfg.semi.ratio}")
    return {
        "batch_size": cfg.semi.ratio * cfg.train_dataloader.batch_size,
        "num_workers": cfg.semi.num_workers,
        "persistent_workers": cfg.semi.num_workers > 0,
        "collate_fn": {"type": "stack_views"},
        "dataset": {
            "type": "UnlabelledFaces",
            "data_root": cfg.data.data_root,
            "photos": cfg.semi.photos,
            "pipeline": [*steps, {"type": "TwoViews", **views}],
        },
    }


def _model(cfg: "Config") -> dict:
    """Return the classifier of backbone, neck and head: MMPretrain's, or the semi-supervised."""
    backbone = copy.deepcopy(dict(cfg.backbone))
    if cfg.pretrained is not None:
        backbone["init_cfg"] = {
            "type": "Pretrained",
            "checkpoint": cfg.pretrained,
            "prefix": "backbone",
        }
    semi = cfg.get("semi")
    kind: dict[str, Any] = {"type": "ImageClassifier"}
    if semi is not None:
        kind = {
            "type": "SemiSupervisedClassifier",
            "consistency": copy.deepcopy(dict(semi.consistency)),
            "annealing": semi.annealing,
        }
    return {
        **kind,
        "data_preprocessor": {
            "type": "FacePreprocessor" if semi is None else "SemiPreprocessor",
            "mean": cfg.preprocessing.mean,
            "std": cfg.preprocessing.std,
            "device_augment": copy.deepcopy(cfg.device_augment),
            "batch_augments": copy.deepcopy(cfg.batch_augments),
        },
        "backbone": backbone,
        "neck": copy.deepcopy(cfg.neck),
        "head": {**copy.deepcopy(dict(cfg.head)), "in_channels": cfg.features},
    }


def inference_model(cfg: "Config") -> dict:
    """Return the config of the model to test: averaged over views where ``tta.enabled``."""
    if not cfg.tta.enabled:
        return cfg.model
    return {"type": "MeanProbabilityTTA", "module": cfg.model, "views": list(cfg.tta.views)}


def write_config(cfg: "Config", path: str | Path) -> None:
    """Write a composed config to a file; one that was written so before is replaced.

    Raises:
        InputError: ``path`` does not end in .py, or holds something else.
    """
    path = Path(path)
    if path.suffix != ".py":
        raise InputError(f"{path}: a config ends in .py, got {path.suffix or 'no suffix'}")
    if path.exists() and not _is_complete(path):
        raise InputError(f"{path}: is there and no complete config; it is not replaced")
    with atomic_write(path) as partial:
        cfg.dump(partial)


def _is_complete(path: Path) -> bool:
    """Whether a file states every block and what is composed of them, and inherits nothing."""
    try:
        statements = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError, OSError):
        return False
    names = {ast.unparse(one.targets[0]) for one in statements if isinstance(one, ast.Assign)}
    return len(names) == len(statements) and {*BLOCKS, "model"} <= names and "_base_" not in names


def plain(value: Any) -> Any:
    """Return a config value as plain dicts and lists, fit for comparison and JSON."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
