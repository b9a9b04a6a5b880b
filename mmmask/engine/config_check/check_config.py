"""Refuse a config with an option that is unknown or impossible, before anything is built from it.

Little is listed here that can be read elsewhere. A type is looked up in the registries; its
options are those of its constructor, and their kinds its annotations. What is cheap to build is
built once, so that each module says itself what it cannot be.
"""

import inspect
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from multiprocessing import get_all_start_methods
from typing import TYPE_CHECKING, Any

from mmcv.image.geometric import cv2_interp_codes
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings
from mmpretrain.models import RandomBatchAugment
from torch.distributed import Backend, init_process_group
from torch.utils.data import DataLoader

from mmmask.blocks import BLOCKS, OPTIONAL_BLOCKS
from mmmask.datasets.crop_face import CropFace
from mmmask.datasets.mask_faces import MaskFaceDataset
from mmmask.datasets.photo_dataset import own_generators
from mmmask.datasets.photos import Geometry
from mmmask.engine.config_check.config_types import (
    clipping_options,
    kind_of,
    options_at,
    paramwise_options,
    typed_parts,
)
from mmmask.engine.config_check.option_ranges import RANGES
from mmmask.engine.config_check.options import Options, keys_read, options_of
from mmmask.engine.config_check.trial_builds import try_block, try_optimizer, try_part
from mmmask.engine.config_check.value_kinds import fits, is_number, misfit, one_of, words
from mmmask.errors import InputError, first_line, nearest
from mmmask.labels import OLD_FROM
from mmmask.models.device_augment import DeviceAugment
from mmmask.models.preprocessor import FacePreprocessor

if TYPE_CHECKING:
    from mmengine.config import Config

Part = Mapping[str, Any]

#: Top-level name -> its kind. Those of MMEngine have theirs in the annotations of its Runner.
_OURS: dict[str, Any] = {**BLOCKS, **OPTIONAL_BLOCKS, "tta_model": dict, "tta_pipeline": list}
#: Names that any dict with a type may have; MMEngine reads them itself.
_ALWAYS = ("type", "_scope_", "_delete_")


def check_config(cfg: "Config") -> None:
    """Refuse unknown types and options, and values that are not possible.

    It may be a config of blocks, before or after they were composed, or one of MMPretrain alone.
    No file is read or written; modules that ``custom_imports`` names are imported.

    Raises:
        InputError: Names the option, what is allowed and what was found.
    """
    config = cfg.to_dict()
    known = {*_top_level().kinds} - ({*_OURS} if "preprocessing" not in config else set())
    # Blocks first: a message names the block, not the places that it was composed to.
    used = {name: config[name] for name in (*_OURS, *config) if name in config and name in known}
    with (
        warnings.catch_warnings(),
        own_generators(),
        DefaultScope.overwrite_default_scope("mmpretrain"),
    ):
        warnings.simplefilter("ignore")
        _check_finite(used)
        _check_options("", "config", used, _top_level())
        if "preprocessing" in used:
            _check_together(used)
            _check_taught(used)
        _check_agreement(used)
        for where, owner, part, options in _untyped(used, _untyped_options()):
            _check_options(where, owner, part, options)
            if where == "custom_imports":
                _import(part)
        _check_scope(used.get("default_scope"))
        seen: set[str] = set()
        for where, part in typed_parts(used):
            _check_typed(where, part, used, seen)
        if used.get("runner_type") is not None:
            kind_of("runner_type", used["runner_type"])
        wrapper = used.get("optim_wrapper")
        if wrapper is not None and "optimizer" in wrapper:
            for where, owner, part, options in _untyped(used, _wrapper_options(wrapper)):
                _check_options(where, owner, part, options)
            try_optimizer("optim_wrapper", wrapper)
        for where, _, part, _ in _untyped(used, _untyped_options()):
            try_block(where, part)


def _check_typed(where: str, part: Part, config: Part, seen: set[str]) -> None:
    """Check type and options of a dict, and what they make; ``seen`` are those made before."""
    found = kind_of(where, part["type"])
    if found is None:
        return
    home, kind = found
    classes = [one.__name__ for one in inspect.getmro(kind)] if inspect.isclass(kind) else []
    owner = getattr(kind, "__name__", str(kind))
    _check_options(where, owner, part, options_at(where, home, kind, part), *classes, home)
    if isinstance(part.get("hparams"), Mapping):
        _check_options(f"{where}.hparams", "hparams", part["hparams"], _hparams())
    content = f"{owner} {part}"
    if content not in seen:  # blocks are composed to several places
        seen.add(content)
        try_part(where, home, kind, part, config)


def _check_options(where: str, owner: str, part: Part, options: Options, *owners: str) -> None:
    """Refuse what is no option, or of another kind or range, and what lacks one.

    Args:
        where: Dotted name of the dict.
        owner: What takes the options.
        part: The dict.
        options: Those that it may have.
        *owners: Further names of the owner in :data:`RANGES`.
    """
    for name, value in part.items():
        dotted = f"{where}.{name}".lstrip(".")
        if name in _ALWAYS or (name not in options.kinds and options.any_name):
            continue
        if name not in options.kinds:
            known = nearest(str(name), options.kinds)
            known = known or f"; it has {', '.join(sorted(options.kinds)) or 'none'}"
            raise InputError(f"{dotted}: {owner} has no such option{known}")
        ranges = [RANGES.get(f"{one}.{name}") for one in (owner, *owners)]
        wanted = next((one for one in ranges if one is not None), None)
        if wanted is not None and not wanted.hold(value):
            raise InputError(f"{dotted} must be {wanted}; got {value!r}")
        if not fits(value, options.kinds[name], strict=options.own):
            place, kind, found = misfit(dotted, value, options.kinds[name])
            raise InputError(f"{place} must be {words(kind)}; got {found!r}")
    missing = sorted(options.required - {*part})
    if missing:
        raise InputError(f"{where}: {owner} needs {', '.join(missing)}, and it is not given")


def _check_together(config: Part) -> None:
    """Refuse a part of training, validation or test without the others, as MMEngine does.

    And another age cut of training beside a head that divides the competition's groups by years.
    """
    old_from = (config.get("data") or {}).get("old_from", OLD_FROM)
    if (config.get("head") or {}).get("age_groups") and old_from != OLD_FROM:
        raise InputError(
            f"data.old_from must be {OLD_FROM} where head.age_groups is True, as its years lie on "
            f"either side of {OLD_FROM}; got {old_from}"
        )
    for name, last in (
        ("train", "optim_wrapper"),
        ("val", "val_evaluator"),
        ("test", "test_evaluator"),
    ):
        parts = (f"{name}_dataloader", f"{name}_cfg", last)
        missing = [part for part in parts if config.get(part) is None]
        if 0 < len(missing) < len(parts):
            raise InputError(
                f"{', '.join(parts)} must all be given, or all be None; "
                f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} None"
            )


def _check_agreement(config: Part) -> None:
    """Refuse photos that are mixed where those of one person are to agree."""
    head = {**(_part(config, "head") or {}), **(_part(config, "model.head") or {})}
    prepared = _part(config, "model.data_preprocessor") or _part(config, "data_preprocessor") or {}
    mixed = prepared.get("batch_augments", config.get("batch_augments"))
    mixed = mixed or (_part(config, "model.train_cfg") or {}).get("augments")  # MMPretrain's name
    if head.get("agreement") and mixed:
        raise InputError(
            "head.agreement must be 0 where batch_augments mixes photos, as a mixed photo shows "
            f"two people; got {head['agreement']}"
        )


def _check_taught(config: Part) -> None:
    """Refuse parts of MMPretrain that would lose the soft labels of a teacher, or their ages."""
    if not (config.get("data") or {}).get("teacher"):
        return
    loader, model = config.get("train_dataloader") or {}, config.get("model") or {}
    steps = (loader.get("dataset") or {}).get("pipeline") or [{}]
    if steps[-1].get("type") == "PackInputs":
        raise InputError(
            "data.teacher needs PackPhoto as the last step of train_dataloader.dataset.pipeline; "
            "got PackInputs, which drops soft labels"
        )
    preprocessor = model.get("data_preprocessor") or {}
    mixes, kind = (preprocessor.get(name) for name in ("batch_augments", "type"))
    if mixes and kind == "ClsDataPreprocessor" and (config.get("head") or {}).get("age"):
        raise InputError(
            "data.teacher, batch_augments and head.age together need FacePreprocessor as "
            "model.data_preprocessor.type; got ClsDataPreprocessor, which does not mix ages"
        )


def _check_scope(scope: str | None) -> None:
    """Refuse a scope without registries; modules that were imported may have made some."""
    known = ["mmengine", *MODELS.children]
    if scope is not None and scope not in known:
        raise InputError(
            f"default_scope must be one of {', '.join(known)}; got {scope!r}{nearest(scope, known)}"
        )


def _check_finite(value: Any, where: str = "") -> None:
    """Refuse numbers that are none, or infinite, at any depth."""
    if isinstance(value, float) and not is_number(value):
        raise InputError(f"{where} must be a finite number; got {value}")
    items: Any = value.items() if isinstance(value, Mapping) else ()
    if isinstance(value, list | tuple):
        items = enumerate(value)
    for name, item in items:
        _check_finite(item, f"{where}.{name}".lstrip("."))


def _import(imports: Part) -> None:
    """Import what ``custom_imports`` names: it may have been changed after it was read."""
    try:
        import_modules_from_strings(**imports)
    except (ImportError, TypeError, ValueError) as error:
        reason = first_line(error.__cause__ or error)
        raise InputError(f"custom_imports.imports: {reason}") from error


@cache
def _top_level() -> Options:
    """Return the top-level names that are used, with their kinds; others are the user's own."""
    native = options_of(Runner).without("cfg").kinds
    more = {
        "custom_imports": dict | None,
        "default_hooks": dict[str, dict | None] | None,  # None turns one off
        "env_cfg": dict,
        "log_level": int | one_of(logging.getLevelNamesMapping()),
        "randomness": dict,
        "runner_type": str,
    }
    return Options({**_OURS, **native, **more}, any_name=True, own=True)


def _untyped(
    config: Part, known: Mapping[str, tuple[str, Options]]
) -> Iterator[tuple[str, str, Part, Options]]:
    """Yield the dicts without a type: dotted name, owner of the options, the dict, the options."""
    for where, (owner, options) in known.items():
        part = _part(config, where)
        if part is not None:
            yield where, owner, part, options


def _part(config: Part, where: str) -> Part | None:
    """Return the dict at a dotted name; None if there is none."""
    part: Any = config
    for word in where.split("."):
        part = part.get(word) if isinstance(part, Mapping) else None
    return part if isinstance(part, Mapping) else None


def _wrapper_options(wrapper: Part) -> dict[str, tuple[str, Options]]:
    """Return as :func:`_untyped_options` what follows from an optimizer wrapper's own options."""
    return {
        "optim_wrapper.clip_grad": ("clip_grad", clipping_options(wrapper)),
        "optim_wrapper.paramwise_cfg": (
            "paramwise_cfg",
            paramwise_options("optim_wrapper", wrapper),
        ),
    }


@cache
def _untyped_options() -> dict[str, tuple[str, Options]]:
    """Return dotted name -> owner and options; what is imported first can be looked up after."""
    photo = options_of(FacePreprocessor).kinds
    preprocessing = {
        **options_of(Geometry).kinds,
        **{name: photo[name] for name in ("mean", "std")},
    }
    semi = {
        "annealing": str | None,
        "consistency": dict,
        "num_workers": int,
        "photos": str,
        "ratio": int,
        "strong": list[dict],
        "weak": list[dict],
    }
    # These are named by their documentation alone.
    environment = {
        "cudnn_benchmark": bool,
        "dist_cfg": dict,
        "mp_cfg": dict,
        "resource_limit": int,
    }
    processes: dict[str, Any] = {
        "mp_start_method": one_of(get_all_start_methods()),
        "opencv_num_threads": int,
    }
    group = options_of(init_process_group).plus(backend=one_of(Backend.backend_list))
    may_have = {"faces": dict | None, "reduced_decode": bool | None}
    data = options_of(MaskFaceDataset).without("split", "pipeline", "test_mode")
    data = data.plus(data_root=str | None)  # None until it is composed
    return {
        "custom_imports": (
            "custom_imports",
            Options({"imports": str | list[str], "allow_failed_imports": bool}, own=True),
        ),
        "data": ("MaskFaceDataset", data),
        "preprocessing": ("preprocessing", _all_needed(preprocessing).plus(**may_have)),
        "preprocessing.faces": ("CropFace", options_of(CropFace).without("aspect", "data_root")),
        "tta": ("tta", _all_needed({"enabled": bool, "views": list[str]})),
        "semi": ("semi", _all_needed(semi)),
        "device_augment": ("DeviceAugment", options_of(DeviceAugment)),
        "batch_augments": ("RandomBatchAugment", options_of(RandomBatchAugment)),
        "randomness": ("randomness", options_of(Runner.set_randomness)),
        "env_cfg": ("env_cfg", Options(environment, own=True)),
        "env_cfg.dist_cfg": ("dist_cfg", group.plus(init_backend=str)),
        "env_cfg.mp_cfg": ("mp_cfg", Options(processes, own=True)),
        "auto_scale_lr": ("auto_scale_lr", _read_by(Runner.scale_lr, "auto_scale_lr")),
        **{
            f"{name}_dataloader": (
                "DataLoader",
                replace(_dataloader_options(), required=frozenset({"sampler"})),
            )
            for name in ("train", "val", "test")
        },
        "train_cfg.unlabelled_dataloader": ("DataLoader", _dataloader_options()),
    }


def _all_needed(kinds: Mapping[str, Any]) -> Options:
    return Options(kinds, required=frozenset(kinds), own=True)


def _read_by(function: Callable, variable: str) -> Options:
    return Options(dict.fromkeys(keys_read(function, variable), Any))


@cache
def _hparams() -> Options:
    """Return what RandAugment and AutoAugment of MMPretrain pass to all their transforms."""
    return Options(
        {"pad_val": Any, "interpolation": one_of(cv2_interp_codes)}, any_name=True, own=True
    )


@cache
def _dataloader_options() -> Options:
    """Return the options of torch's DataLoader, and those that MMEngine takes out before."""
    read = _read_by(Runner.build_dataloader, "dataloader_cfg")
    built = {"dataset": dict, "sampler": dict, "batch_sampler": dict | None, "collate_fn": dict}
    kinds = {**read.kinds, **options_of(DataLoader).kinds, **built}
    return Options(kinds, own=True)
