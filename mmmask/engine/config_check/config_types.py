"""What the types of a config are: which registry each belongs to, and what it takes."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Literal

import mmengine.registry
import mmpretrain.registry
from mmengine.hooks import EMAHook
from mmengine.registry import Registry
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from mmmask.engine.config_check.options import Options, keys_read, options_of
from mmmask.errors import InputError, nearest

Part = Mapping[str, Any]

#: Word of a dotted name -> the registry of MMEngine or MMPretrain that a type there is in.
_HOME = {
    "augmentations": "TRANSFORMS",
    "augments": "BATCH_AUGMENTS",
    "averaging": "HOOKS",
    "backbone": "MODELS",
    "batch_sampler": "DATA_SAMPLERS",
    "collate_fn": "FUNCTIONS",
    "consistency": "MODELS",
    "constructor": "OPTIM_WRAPPER_CONSTRUCTORS",
    "custom_hooks": "HOOKS",
    "data_preprocessor": "MODELS",
    "dataset": "DATASETS",
    "default_hooks": "HOOKS",
    "early_stopping": "HOOKS",
    "ema_type": "MODELS",
    "freezing": "HOOKS",
    "head": "MODELS",
    "init_cfg": "WEIGHT_INITIALIZERS",
    "log_processor": "LOG_PROCESSORS",
    "loss": "MODELS",
    "losses": "MODELS",
    "model": "MODELS",
    "neck": "MODELS",
    "optim_wrapper": "OPTIM_WRAPPERS",
    "optimizer": "OPTIMIZERS",
    "param_scheduler": "PARAM_SCHEDULERS",
    "pipeline": "TRANSFORMS",
    "runner_type": "RUNNERS",
    "sampler": "DATA_SAMPLERS",
    "strong": "TRANSFORMS",
    "test_cfg": "LOOPS",
    "test_evaluator": "METRICS",
    "tracking": "VISBACKENDS",
    "train_cfg": "LOOPS",
    "tta_model": "MODELS",
    "tta_pipeline": "TRANSFORMS",
    "val_cfg": "LOOPS",
    "val_evaluator": "METRICS",
    "vis_backends": "VISBACKENDS",
    "visualizer": "VISUALIZERS",
    "weak": "TRANSFORMS",
    "worker_init_fn": "FUNCTIONS",
}
#: Those whose entries have names of the user's.
_NAMED = ("default_hooks", "losses")
#: Registry -> the options that MMEngine gives.
_GIVEN = {
    "DATA_SAMPLERS": ("dataset", "seed", "sampler", "batch_size"),
    "LOOPS": ("runner", "dataloader", "evaluator"),
    "OPTIMIZERS": ("params",),
    "OPTIM_WRAPPERS": ("optimizer",),
    "PARAM_SCHEDULERS": ("optimizer",),
}
#: Options whose value is a type itself.
TYPE_NAMES = ("constructor", "ema_type", "runner_type")
#: Those that may do without a type: it is added where they are composed, or they hold several.
_UNTYPED = (
    "data_preprocessor",
    "dataset",
    "init_cfg",
    "optim_wrapper",
    "param_scheduler",
    "val_evaluator",
    "test_evaluator",
)
#: Registry -> the options that MMEngine takes out before it builds, or gives where absent.
TAKEN: Mapping[str, Part] = {
    "DATA_SAMPLERS": {"seed": int | None},
    "HOOKS": {"priority": int | str},
    "LOOPS": {"by_epoch": bool},
    "OPTIM_WRAPPERS": {"optimizer": dict, "constructor": Any, "paramwise_cfg": dict | None},
    "PARAM_SCHEDULERS": {"convert_to_iter_based": bool, "by_epoch": bool},
}
#: Registries of what nobody gives further options than the above.
_COMPLETE = (*_GIVEN, "HOOKS", "TRANSFORMS", "BATCH_AUGMENTS", "METRICS", "DATASETS")
#: Models that are built from their config alone.
_COMPLETE_MODELS = ("model", "backbone", "neck", "head", "data_preprocessor", "consistency")
#: Dicts whose ``type`` is no name in a registry: of torch's functions, of layers for LoRA.
_OTHER_TYPES = ("clip_grad", "targets")
#: The type of a dict that names none.
_DEFAULT_TYPES = {
    "log_processor": "LogProcessor",
    "optim_wrapper": "OptimWrapper",
    "test_cfg": "TestLoop",
    "train_cfg": "EpochBasedTrainLoop",
    "val_cfg": "ValLoop",
}


def typed_parts(value: Any, where: str = "") -> Iterator[tuple[str, Part]]:
    """Yield dotted name and content of each dict that has a type, the inner ones first.

    Raises:
        InputError: Something that is to be built is no such dict.
    """
    last = _words(where)[-1] if where else ""
    if isinstance(value, Mapping):
        value = _with_type(where, value)
        for key, item in value.items():
            # Names of Albumentations, which checks them itself, and of layers.
            albumentations = key == "transforms" and "Albu" in str(value.get("type"))
            if not albumentations and key != "custom_keys":
                yield from typed_parts(item, f"{where}.{key}".lstrip("."))
        if where and "type" in value and last not in _OTHER_TYPES:
            yield where, value
        elif home_of(where) and last not in (*_NAMED, *_UNTYPED):
            raise InputError(f"{where} must be a dict with a type; got {value!r}")
    elif isinstance(value, list | tuple):
        for row, item in enumerate(value):
            if item is None and home_of(where):
                raise InputError(f"{where}.{row} must be a dict with a type; got None")
            yield from typed_parts(item, f"{where}.{row}")
    elif value is not None and home_of(where) and last not in TYPE_NAMES and not callable(value):
        raise InputError(f"{where} must be a dict with a type; got {value!r}")


def _with_type(where: str, part: Part) -> Part:
    """Return a dict with the type that MMEngine gives it, where it has none."""
    if where == "train_cfg" and "by_epoch" in part:
        if "type" in part:
            raise InputError("train_cfg: only one of type and by_epoch may be given; got both")
        if not part["by_epoch"]:
            return {"type": "IterBasedTrainLoop", **part}
    if where == "optim_wrapper" and "optimizer" not in part and "constructor" in part:
        return part  # of several optimizers, which are the constructor's own matter
    return {"type": _DEFAULT_TYPES[where], **part} if where in _DEFAULT_TYPES else part


def _words(where: str) -> list[str]:
    """Return the words of a dotted name without the numbers of items."""
    return [word for word in where.split(".") if not word.isdigit()]


def kind_of(where: str, kind: Any) -> tuple[str, Callable] | None:
    """Return registry and class (or function) of a type; None if several registries have it.

    Args:
        where: Dotted name of the dict that has the type, or of the type itself.
        kind: The type, a name or what it would stand for.

    Raises:
        InputError: No registry that may have it does.
    """
    home = home_of(where)
    if not isinstance(kind, str) and callable(kind):
        return home or "", kind
    registries = _registries()
    homes = [home] if home in registries else list(registries)
    if home == "METRICS":
        homes += [one for one in registries if one.startswith("EVALUATOR")]
    found: dict[Callable, str] = {}
    for one in homes:
        # MMPretrain's goes before that of MMEngine with the same name, as in a run.
        named = isinstance(kind, str) and kind != ""  # of an empty name a registry makes a defect
        entries = [named and registry.get(kind) for registry in registries[one]]
        for entry in filter(None, entries):
            found.setdefault(entry, one)
            break
    if not found:
        known = {name for one in homes for registry in registries[one] for name in _names(registry)}
        name = where if _words(where)[-1] in TYPE_NAMES else f"{where}.type"
        raise InputError(
            f"{name}: unknown {kind!r}{nearest(str(kind), known)}; "
            "modules that register more are named by custom_imports.imports"
        )
    return next(((one, entry) for entry, one in found.items()), None) if len(found) == 1 else None


def options_at(where: str, home: str, kind: Callable, part: Part) -> Options:
    """Return the options that a config gives to a class or function at a dotted name."""
    options = options_of(kind)
    if inspect.isclass(kind) and issubclass(kind, EMAHook):
        average = averaged_by(where, part)
        if average is not None:
            kinds = options_of(average).without("model").kinds
            options = replace(options.plus(**kinds), any_name=False)
    options = options.without(*_GIVEN.get(home, ())).plus(**TAKEN.get(home, {}))
    words = _words(where)
    if "policies" in words:
        options = options.plus(magnitude_key=str)
    if words[-1] == "norm_cfg":
        options = options.plus(requires_grad=bool)
    if home == "MODELS" and not options.own:
        kinds = {
            name: Any if kind in (bool, bool | None) else kind
            for name, kind in options.kinds.items()
        }
        # A model of MMPretrain may take options out of what it is made of.
        part_of_another = home_of(where) is None and not words[-1].endswith("_cfg")
        options = replace(options, kinds=kinds, any_name=options.any_name or part_of_another)
    complete = words[-1] in _COMPLETE_MODELS if home == "MODELS" else home in _COMPLETE
    if not complete or "policies" in words or home == "FUNCTIONS":
        return replace(options, required=frozenset())
    if home == "OPTIM_WRAPPERS":
        return replace(options, required=options.required | {"optimizer"})
    if where == "head":  # composed from the block `features`
        return replace(options, required=options.required - {"in_channels"})
    return options


def clipping_options(wrapper: Part) -> Options:
    """Return the options of ``clip_grad`` of an optimizer wrapper."""
    clip = wrapper.get("clip_grad")
    by_value = isinstance(clip, Mapping) and clip.get("type") == "value"
    options = options_of(clip_grad_value_ if by_value else clip_grad_norm_)
    return options.without("parameters").plus(type=Literal["norm", "value"])


def paramwise_options(where: str, wrapper: Part) -> Options:
    """Return the options of ``paramwise_cfg`` of an optimizer wrapper."""
    name = wrapper.get("constructor", "DefaultOptimWrapperConstructor")
    found = kind_of(f"{where}.constructor", name)
    if found is None:
        return Options({}, any_name=True)
    kinds: dict[str, Any] = {}
    classes = inspect.getmro(found[1]) if inspect.isclass(found[1]) else ()
    for one in classes:
        for key in keys_read(one, "paramwise_cfg"):
            kinds[key] = float if key.endswith("_mult") else Any
    if "custom_keys" in kinds:
        kinds["custom_keys"] = dict[str, dict[str, float | bool]]
    return Options(kinds, own=True)


def averaged_by(where: str, part: Part) -> Callable | None:
    """Return what an EMAHook averages weights with, to which it passes its other options on."""
    found = kind_of(f"{where}.ema_type", part.get("ema_type", "ExponentialMovingAverage"))
    return found and found[1]


def home_of(where: str) -> str | None:
    """Return the registry that a type at a dotted name must be in; None: it may be in any."""
    words = _words(where)
    if len(words) > 1 and words[-1].endswith("_cfg") and words[-1] != "init_cfg":
        return None  # of a model, not the loop
    named = len(words) > 1 and words[-2] in _NAMED
    return _HOME.get(words[-2] if named else words[-1]) if words else None


@cache
def _registries() -> dict[str, list[Registry]]:
    """Return name -> MMPretrain's registry and MMEngine's, as far as there are such."""
    found: dict[str, list[Registry]] = {}
    for module in (mmpretrain.registry, mmengine.registry):
        for name, value in vars(module).items():
            if isinstance(value, Registry) and not name.startswith("MMENGINE_"):
                found.setdefault(name, []).append(value)
    return found


def _names(registry: Registry) -> list[str]:
    """Return the names in a registry and those above it."""
    own = list(registry.module_dict)
    return own if registry.parent is None else [*own, *_names(registry.parent)]
