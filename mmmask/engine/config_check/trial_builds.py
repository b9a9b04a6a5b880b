"""Build once, and throw away, what is cheap to build: each module says what it cannot be.

Neither networks nor datasets are built, and no file is read.
"""

import copy
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.hooks import EMAHook
from mmengine.optim import OptimWrapper
from mmengine.runner.priority import get_priority
from mmpretrain.models import RandomBatchAugment
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import SGD
from torch.utils.data import DataLoader

from mmmask.datasets.face_window import FaceCrop
from mmmask.datasets.mask_faces import check_fold
from mmmask.datasets.photos import Geometry
from mmmask.engine.config_check.config_types import TAKEN, averaged_by, kind_of
from mmmask.engine.config_check.options import options_of
from mmmask.errors import InputError, first_line, nearest
from mmmask.labels import NUM_CLASSES
from mmmask.models.consistency.classifier import check_annealing
from mmmask.models.device_augment import DeviceAugment
from mmmask.models.preprocessor import FacePreprocessor
from mmmask.models.tta import MeanProbabilityTTA

Part = Mapping[str, Any]
#: They read files, or put objects where others find them.
_NOT_BUILT = ("CropFace", "VisualizationHook")
#: What a constructor raises where an option is at fault.
_AT_FAULT = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
#: Steps of an epoch in a trial: so many that fractions of an epoch differ.
_EPOCH_LENGTH = 1000


class _Photos:
    """Stands for a dataset: one photo of each class."""

    def __len__(self) -> int:
        return NUM_CLASSES

    def labels(self) -> NDArray[np.int64]:
        return np.arange(NUM_CLASSES)

    def people(self) -> NDArray[np.int64]:
        return np.arange(NUM_CLASSES)


class _Network(nn.Module):
    """Stands for a classifier."""

    test_step = None


def try_part(where: str, home: str, kind: Callable, part: Part, config: Part) -> None:
    """Build what a dict with a type describes, where that is cheap.

    Args:
        where: Its dotted name.
        home: Registry of its type.
        kind: What the type stands for.
        part: The dict.
        config: The whole config.

    Raises:
        InputError: It cannot be built.
    """
    given = {name: value for name, value in part.items() if name not in ("type", "_scope_")}
    last = where.rpartition(".")[2]
    if not inspect.isclass(kind) or kind.__name__ in _NOT_BUILT or ".policies." in where:
        return
    ours = kind.__module__.startswith("mmmask.")
    if home == "HOOKS":
        _try_hook(where, kind, given)
    elif home in ("TRANSFORMS", "BATCH_AUGMENTS"):
        _try(where, given, kind)
    elif home == "OPTIMIZERS":
        _try(where, given, kind, [nn.Parameter(torch.zeros(1))])
    elif home == "PARAM_SCHEDULERS":
        _try_scheduler(where, kind, given, config)
    elif home == "DATA_SAMPLERS" and last == "sampler" and ours:
        _try(where, given, kind, _Photos(), hidden={"seed": 0})
    elif home == "MODELS" and last == "head" and ours:
        _try(where, given, kind, hidden={"in_channels": 8})  # a head need not be large for this
    elif home == "MODELS" and last in ("consistency", "data_preprocessor") and ours:
        _try(where, given, kind)
    elif home == "MODELS" and last == "backbone":
        _check_architecture(where, kind, given)


def try_block(where: str, part: Part) -> None:
    """Build what a dict without a type describes, where that is cheap.

    Raises:
        InputError: It cannot be built.
    """
    if where == "data":
        if "folds" in part and "fold" in part:
            check_fold(part["fold"], part["folds"])
    elif where == "preprocessing":
        _try(where, _only(part, "size", "crop"), Geometry)
        _try(where, _only(part, "mean", "std"), FacePreprocessor)
    elif where == "preprocessing.faces":
        _try(where, _only(part, "margin", "fallback"), FaceCrop, hidden={"aspect": 1.0})
    elif where == "device_augment":
        _try(where, part, DeviceAugment)
    elif where == "batch_augments":
        _try(where, part, RandomBatchAugment)
    elif where == "tta":
        _try(where, _only(part, "views"), MeanProbabilityTTA, _Network())
    elif where == "semi":
        check_annealing(part["annealing"])
    elif where.endswith("dataloader"):
        made = {"sampler", "batch_sampler", "collate_fn", "worker_init_fn", "dataset"}
        _try(where, _only(part, *{*options_of(DataLoader).kinds} - made), DataLoader, [0])


def _try_hook(where: str, kind: type, given: Part) -> None:
    if "priority" in given:
        try:
            get_priority(given["priority"])
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(
                f"{where}.priority must be from 0 to 100, or a name such as NORMAL; "
                f"got {given['priority']!r}"
            ) from error
    _try(where, {name: value for name, value in given.items() if name != "priority"}, kind)
    if issubclass(kind, EMAHook):
        average = averaged_by(where, given)
        if average is not None:
            own = {*options_of(kind).kinds, "priority"}
            rest = {name: value for name, value in given.items() if name not in own}
            _try(where, rest, average, nn.Linear(1, 1))


def try_optimizer(where: str, part: Part) -> None:
    """Build an optimizer wrapper for one weight, clip its gradient, and group the weights.

    Raises:
        InputError: It cannot be built.
    """
    weight = nn.Parameter(torch.zeros(1))
    weight.grad = torch.ones(1)
    clip = dict(part.get("clip_grad") or {})
    if clip:
        by_value = clip.pop("type", "norm") == "value"
        _try(
            f"{where}.clip_grad", clip, clip_grad_value_ if by_value else clip_grad_norm_, [weight]
        )
    known = kind_of(where, part.get("type", "OptimWrapper"))
    # Others, such as those of Apex, look for a GPU.
    if known and (known[1] is OptimWrapper or known[1].__module__.startswith("mmmask.")):
        taken = ("type", "_scope_", *TAKEN["OPTIM_WRAPPERS"])
        given = {name: value for name, value in part.items() if name not in taken}
        _try(where, given, known[1], SGD([weight], lr=1.0))
    name = part.get("constructor", "DefaultOptimWrapperConstructor")
    known = kind_of(f"{where}.constructor", name)
    if known and known[1].__module__.startswith(("mmmask.", "mmengine.")):
        optimizer = {"optimizer": part.get("optimizer")}
        _try(where, _only(part, "paramwise_cfg"), known[1], optimizer)


def _try_scheduler(where: str, kind: Any, given: Part, config: Part) -> None:
    given = dict(given)
    by_steps = given.pop("convert_to_iter_based", False)
    last = (config.get("train_cfg") or {}).get(
        "max_epochs" if given.get("by_epoch", True) else "max_iters"
    )
    if "end" not in given and last is not None:
        given["end"] = last  # as MMEngine has it
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    made = kind.build_iter_from_epoch if by_steps else kind
    hidden = {"epoch_length": _EPOCH_LENGTH} if by_steps else {}
    _try(where, given, made, hidden={"optimizer": optimizer, **hidden})


def _check_architecture(where: str, kind: type, given: Part) -> None:
    """Refuse an architecture that a network of MMPretrain does not list."""
    # A subclass with a constructor of its own may add to the list.
    (owner, *_) = (one for one in inspect.getmro(kind) if "__init__" in vars(one))
    for name in ("arch", "depth"):
        for table in ("arch_zoo", "arch_settings"):
            known = vars(owner).get(table)
            value = given.get(name)
            if (
                not isinstance(known, Mapping)
                or name not in given
                or isinstance(value, Mapping | list)
            ):
                continue
            # MMPretrain takes names in capitals too.
            if value not in known and str(value).lower() not in known:
                names = sorted(map(str, known))
                raise InputError(
                    f"{where}.{name} must be one of {', '.join(names)}; got {value!r}"
                    f"{nearest(str(value), names)}"
                )


def _only(part: Part, *names: str) -> dict[str, Any]:
    return {name: part[name] for name in names if name in part}


def _try(where: str, given: Part, made: Callable, *args: Any, hidden: Part | None = None) -> None:
    """Call a constructor with options of a config; say in one sentence why that fails.

    ``hidden`` are options that the config does not give, or that are not to be what it gives.
    """
    try:
        made(*args, **{**copy.deepcopy(dict(given)), **(hidden or {})})
    except InputError as error:
        raise InputError(_located(str(error), where, given)) from error
    except _AT_FAULT as error:
        name = getattr(made, "__name__", str(made))
        options = ", ".join(f"{key}={value!r}" for key, value in given.items())
        reason = first_line(error).rstrip(".")
        raise InputError(f"{where}: {name} cannot be made of {options}: {reason}") from error


def _located(message: str, where: str, given: Part) -> str:
    """Return a message of a module with the dotted name of the option that it begins with."""
    # Either `folds must be ...`, or `checkpoint `folds` must be ...`.
    start = re.match(r"(?:(?!must)\w+ ){0,2}`(\w+)` |([\w.]+) ", message)
    name = (start[1] or start[2]) if start else ""
    paths = [path for path in _paths(given, where) if f".{path}".endswith(f".{name}")]
    if start is None or len(paths) != 1:
        return message if "." in name else f"{where}: {message}"
    return f"{paths[0]} {message[start.end() :]}"


def _paths(value: Any, where: str) -> list[str]:
    """Return the dotted names of all options, at any depth."""
    items: Any = value.items() if isinstance(value, Mapping) else ()
    if isinstance(value, list | tuple):
        items = enumerate(value)
    inner = [path for key, item in items for path in _paths(item, f"{where}.{key}")]
    return [where, *inner]
