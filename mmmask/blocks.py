"""Compose MMEngine's keys from the blocks of a config.

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
``tta``                 ``tta_model``, which a test uses where ``tta.enabled``
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

What a user writes under MMEngine's own names is merged over what the blocks give, as MMEngine
merges a child config: such a value is an *override*. So that a block can change later and the
overrides stay, a composed config remembers what it was composed from (``composed_from``): whatever
differs from what those blocks gave is an override.
"""

import copy
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmmask.errors import InputError

if TYPE_CHECKING:
    from mmengine.config import Config

#: Block -> its kind.
BLOCKS: Mapping[str, Any] = {
    "augmentations": list[dict],
    "backbone": dict,
    "batch_augments": dict | None,
    "data": dict,
    "device_augment": dict | None,
    "features": int,
    "head": dict,
    "neck": dict | list | None,
    "preprocessing": dict,
    "pretrained": str | None,
    "tta": dict,
}
#: Blocks of one hook each; a config may have them.
HOOK_BLOCKS = ("averaging", "early_stopping", "freezing")
OPTIONAL_BLOCKS: Mapping[str, Any] = dict.fromkeys((*HOOK_BLOCKS, "semi", "tracking"), dict | None)
#: Where a composed config keeps what it was composed from, as JSON.
COMPOSED_FROM = "composed_from"
#: Dataloader -> the split of its dataset, unless the config names another.
SPLITS = {"train": "train", "val": "val", "test": "eval"}
#: Options of the dataset that belong to training alone.
TRAIN_ONLY = ("old_from", "drop_ages", "drop", "samples", "teacher", "teacher_share")

#: Block that must be a dict -> what it needs to be composed.
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "data": ("data_root",),
    "preprocessing": ("size", "crop", "mean", "std"),
    "backbone": ("type",),
    "head": ("type",),
    "tta": ("enabled", "views"),
    "semi": ("ratio", "num_workers", "photos", "weak", "strong", "consistency", "annealing"),
    **dict.fromkeys((*HOOK_BLOCKS, "tracking"), ("type",)),
}

KeyPath = tuple[str, ...]
_ABSENT = object()
#: What a user states of these stands alone; merged with ours it would be neither.
_NOT_MERGED = (("tta_model",), ("tta_pipeline",))


def has_blocks(cfg: Mapping[str, Any]) -> bool:
    """Say whether a config is made of blocks; a plain one of MMPretrain has none of them."""
    return "data" in cfg or ("model" not in cfg and any(name in cfg for name in BLOCKS))


def compose(cfg: "Config") -> None:
    """Fill in MMEngine's keys from the blocks, in place; a config without blocks stays as it is.

    Raises:
        InputError: A block is missing, or blocks do not fit together.
    """
    if not has_blocks(cfg):
        return
    facts, overrides = facts_of(cfg), overrides_of(cfg)
    composed = _composed(facts)
    if ("train_cfg", "type") in overrides:
        del composed["train_cfg"]["by_epoch"]  # MMEngine takes one of the two
    for path in _composed_paths(cfg):
        value = _value(composed, path)
        if path in overrides:
            value = merged({} if path in _NOT_MERGED else value, overrides[path])
            if value is _ABSENT and path[-1] in ("model", "dataset"):
                raise InputError(f"{'.'.join(path)} was removed, and a run needs it")
        _set(cfg, path, value)
    cfg.data.data_root = facts["data"]["data_root"]
    cfg[COMPOSED_FROM] = json.dumps(plain(facts), sort_keys=True)


def overrides_of(cfg: Mapping[str, Any]) -> dict[KeyPath, Any]:
    """Return what a user wrote under MMEngine's names where blocks are composed to.

    In a config that was never composed that is all that stands there; in one that was, it is what
    differs from what the blocks gave then.

    Returns:
        Path -> what to merge over the composed value, see :func:`merged`.
    """
    memory = remembered(cfg)
    before = _composed(facts_of(cfg) if memory is None else memory)
    overrides = {}
    for path in _composed_paths(cfg):
        stated, expected = _value(cfg, path), _value(before, path)
        if memory is None and stated is _ABSENT:
            continue
        if path == ("train_cfg", "by_epoch") and stated is True:
            continue  # every loop that is composed is one, and MMEngine allows no word of it there
        difference = _difference(stated, expected, partial=memory is None)
        if difference is not None:
            whole = path in _NOT_MERGED and stated is not _ABSENT
            overrides[path] = stated if whole else difference[0]
    return overrides


def remembered(cfg: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a config was composed from; None: it was never composed.

    Raises:
        InputError: Somebody has changed it to something else.
    """
    memory = cfg.get(COMPOSED_FROM)
    if memory is None:
        return None
    try:
        facts = json.loads(memory)
        whole = {*BLOCKS} <= {*facts}
    except (TypeError, ValueError):
        whole = False
    if not whole:
        raise InputError(
            f"{COMPOSED_FROM} must be as mmmask wrote it into the config; got {memory!r}"
        )
    return facts


def refuse_contradictions(cfg: "Config", before: Mapping[str, Any], where: str) -> None:
    """Refuse a block that was changed where MMEngine's own name says something else.

    Args:
        cfg: The config with the changes, not yet composed.
        before: The facts from before the changes, see :func:`facts_of`.
        where: Names the file or the command line that changed the block.

    Raises:
        InputError: Names both values.
    """
    facts = plain(facts_of(cfg))
    moved = [name for name in facts if not _same(before.get(name), facts[name])]
    overrides = overrides_of(cfg) if moved else {}
    if not overrides:
        return
    inherited, given = _composed(before), _composed(facts)
    for path, override in overrides.items():
        for rest, stated in _leaves(override):
            values = [plain(_value(tree, (*path, *rest))) for tree in (inherited, given)]
            if not (_same(*values) or _same(values[1], plain(stated))):
                got = "absent" if values[1] is _ABSENT else repr(values[1])
                alone = {name: _composed({**before, name: facts[name]}) for name in moved}
                makers = [
                    name
                    for name, tree in alone.items()
                    if _same(plain(_value(tree, (*path, *rest))), values[1])
                ]
                raise InputError(
                    f"{where}: {'.'.join((*path, *rest))} is {plain(stated)!r}, and the block "
                    f"{' or '.join(makers or moved)} makes it {got}; state one of them"
                )


def facts_of(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is composed from: the blocks, and the batch size of the training."""
    missing = [name for name in BLOCKS if name not in cfg]
    if missing:
        raise InputError(f"block {', '.join(missing)} is missing; inherit it by _base_")
    blocks = {name: cfg[name] for name in (*BLOCKS, *OPTIONAL_BLOCKS) if name in cfg}
    _check_shapes(blocks)
    if blocks["data"]["data_root"] is None:
        blocks["data"] = {**blocks["data"], "data_root": default_root(blocks["data"].get("table"))}
    batch_size = (cfg.get("train_dataloader") or {}).get("batch_size")
    return {**blocks, "batch_size": batch_size}


def default_root(table: Any) -> str:
    """Return the data root where none is stated: ``data``, or the folder of the first table."""
    first = table[0] if isinstance(table, (list, tuple)) and table else table
    path = first.get("table") if isinstance(first, Mapping) else first
    return str(Path(path).parent) if isinstance(path, str) else "data"


def preprocessing_of(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a photo goes through before the network: what checkpoints and tables state.

    That is the block ``preprocessing`` and, only where a user set such a thing, ``overrides``: the
    values under MMEngine's names for the test pipeline and the data preprocessor.
    """
    overrides = overrides_of(cfg) if has_blocks(cfg) else {}
    of_model = overrides.get(("model",), {}).get("data_preprocessor", {})
    of_data = overrides.get(("test_dataloader", "dataset"), {})
    found = {name: of_model[name] for name in ("mean", "std", "type") if name in of_model}
    if "pipeline" in of_data:
        found["pipeline"] = of_data["pipeline"]
    return plain({**cfg["preprocessing"], **({"overrides": found} if found else {})})


def test_steps(cfg: Mapping[str, Any]) -> list[Any]:
    """Return the transforms of the test pipeline, an override of the user's included."""
    loader = cfg.get("test_dataloader")
    return list(loader["dataset"]["pipeline"]) if loader else _pipeline(cfg, training=False)


def stated(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a config says without what composing made of it: blocks, other keys, overrides.

    Where a part of a composed value was removed, the override has ``_delete_``.
    """
    tree = plain(cfg)
    if all(name in tree for name in BLOCKS):
        overrides = overrides_of(tree)
        for path in _composed_paths(tree):
            _set(tree, path, overrides.get(path, _ABSENT))
        tree.pop(COMPOSED_FROM, None)
    return tree


def _check_shapes(blocks: Mapping[str, Any]) -> None:
    """Refuse blocks that cannot be composed; what the values mean is checked later."""
    for name, needed in _NEEDED.items():
        block = blocks.get(name)
        if block is None and name in OPTIONAL_BLOCKS:
            continue
        if not isinstance(block, Mapping):
            raise InputError(f"block {name} must be a dict; got {block!r}")
        for key in needed:
            if key not in block:
                raise InputError(f"{name}.{key} is missing; {name} has {', '.join(block)}")
    for name in ("size", "crop"):
        pair = blocks["preprocessing"][name]
        numbers = isinstance(pair, (list, tuple)) and [one for one in pair if _is_positive(one)]
        if not numbers or len(pair) != 2 or len(numbers) != 2:
            raise InputError(
                f"preprocessing.{name} must be two numbers above 0, of height and width; got "
                f"{pair!r}"
            )
    if not isinstance(blocks["augmentations"], (list, tuple)):
        raise InputError(
            f"block augmentations must be a list of transforms; got {blocks['augmentations']!r}"
        )


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def merged(base: Any, override: Any) -> Any:
    """Return a value with another merged over it, as MMEngine merges a child config.

    Dicts are merged key by key, unless the override has ``_delete_``; a dict whose keys are
    numbers replaces items of a list.
    """
    if not isinstance(override, Mapping):
        return override if override is _ABSENT else copy.deepcopy(override)
    keys = [key for key in override if key != "_delete_"]
    if isinstance(base, list) and keys and all(key.isdigit() for key in keys):
        if any(int(key) >= len(base) for key in keys):
            raise InputError(
                f"there is no item {max(map(int, keys))} in a list of {len(base)}, whose first is 0"
            )
        return [merged(item, override.get(str(row), item)) for row, item in enumerate(base)]
    kept = {} if override.get("_delete_") or not isinstance(base, Mapping) else base
    return {**kept, **{key: merged(kept.get(key), override[key]) for key in keys}}


def plain(value: Any) -> Any:
    """Return a config value as plain dicts and lists, fit for comparison and JSON."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _difference(stated: Any, expected: Any, *, partial: bool) -> tuple[Any] | None:
    """Return, in a tuple, what to merge over ``expected`` to get ``stated``; None: they agree.

    Args:
        stated: What a config says.
        expected: What blocks give.
        partial: Keys that are not stated are as expected; else they were removed.
    """
    if _are_steps(stated) and _are_steps(expected) and len(stated) == len(expected):
        # As a dict of items: the others follow the blocks.
        stated, expected = ({str(n): item for n, item in enumerate(x)} for x in (stated, expected))
    if not (isinstance(stated, Mapping) and isinstance(expected, Mapping)):
        return None if _same(plain(stated), plain(expected)) else (stated,)
    if stated.get("_delete_") or (set(expected) - set(stated) and not partial):
        return ({**stated, "_delete_": True},)
    parts = {
        key: _difference(value, expected.get(key, _ABSENT), partial=partial)
        for key, value in stated.items()
    }
    found = {key: part[0] for key, part in parts.items() if part is not None}
    return (found,) if found else None


def _same(one: Any, other: Any) -> bool:
    """Say whether two plain values are the same, where nan is nan."""
    return one == other or repr(one) == repr(other)


def _are_steps(value: Any) -> bool:
    """Say whether a value is a list of dicts, such as a pipeline."""
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


def _leaves(value: Any) -> Iterator[tuple[KeyPath, Any]]:
    """Yield path and value of each single value of nested dicts."""
    if not isinstance(value, Mapping):
        yield (), value
        return
    for key, item in value.items():
        if key != "_delete_":
            yield from (((key, *rest), leaf) for rest, leaf in _leaves(item))


def _value(tree: Any, path: KeyPath) -> Any:
    """Return what stands at a path of nested dicts and lists, or that it is absent."""
    for key in path:
        if hasattr(tree, "keys") and key in tree:  # a Config of MMEngine is no Mapping
            tree = tree[key]
        elif isinstance(tree, list) and key.isdigit() and int(key) < len(tree):
            tree = tree[int(key)]
        else:
            return _ABSENT
    return tree


def _set(cfg: Any, path: KeyPath, value: Any) -> None:
    """Set or, where it is absent, remove a value at a path whose owner exists."""
    *owners, name = path
    owner: Any = cfg
    for key in owners:
        owner = owner[key]
    if value is not _ABSENT:
        owner[name] = value
    elif name in owner:
        del owner[name]


def _composed_paths(cfg: Mapping[str, Any]) -> list[KeyPath]:
    """Return where blocks are composed to, as far as the owners of these places exist."""
    paths: list[KeyPath] = [("model",), ("tta_model",), ("tta_pipeline",), ("visualizer",)]
    paths += [(f"{name}_dataloader", "dataset") for name in SPLITS]
    paths += [("train_cfg", key) for key in ("by_epoch", "type", "unlabelled_dataloader")]
    paths += [("default_hooks", name) for name in (*HOOK_BLOCKS, "unlabelled", "pseudo_labels")]
    return [path for path in paths if len(path) == 1 or cfg.get(path[0]) is not None]


def _composed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return MMEngine's keys as the blocks give them, as nested dicts of their own."""
    facts = copy.deepcopy(facts)
    hooks = {name: facts[name] for name in HOOK_BLOCKS if facts.get(name) is not None}
    if facts["data"].get("samples"):
        hooks["pseudo_labels"] = {"type": "PseudoLabelHook"}
    keys: dict[str, Any] = {
        "model": _model(facts),
        "tta_model": {"type": "MeanProbabilityTTA", "views": facts["tta"]["views"]},
        "tta_pipeline": _pipeline(facts, training=False),
        "default_hooks": hooks,
        "train_cfg": {"by_epoch": True},
        "visualizer": _visualizer(facts.get("tracking")),
        **{f"{name}_dataloader": {"dataset": _dataset(facts, name)} for name in SPLITS},
    }
    if facts.get("semi") is not None and facts["batch_size"] is not None:
        unlabelled = _unlabelled_dataloader(facts)
        keys["train_cfg"] = {"type": "SemiTrainLoop", "unlabelled_dataloader": unlabelled}
        hooks["unlabelled"] = {"type": "UnlabelledHook"}
    return keys


def _pipeline(cfg: Mapping[str, Any], *, training: bool) -> list[dict]:
    """Return the transforms: load, crop the face (if asked), preprocess, augment, pack."""
    preprocessing = cfg["preprocessing"]
    geometry = {key: preprocessing[key] for key in ("size", "crop")}
    faces = []
    if preprocessing.get("faces") is not None:
        if preprocessing.get("reduced_decode"):
            raise InputError("preprocessing.reduced_decode must be off where faces are cropped")
        # The window has the shape that the central crop and the resizing then keep.
        height, width = (side / part for side, part in zip(*geometry.values(), strict=True))
        options = copy.deepcopy(dict(preprocessing["faces"]))
        root = cfg["data"]["data_root"]
        faces = [{"type": "CropFace", **options, "aspect": height / width, "data_root": root}]
    augmentations = copy.deepcopy(list(cfg["augmentations"])) if training else []
    load: dict[str, Any] = {"type": "LoadPhoto"}
    if preprocessing.get("reduced_decode"):
        parts = zip(geometry["size"], geometry["crop"], strict=True)
        load["at_least"] = tuple(math.ceil(size / kept) for size, kept in parts)
    return [
        load,
        *faces,
        {"type": "Preprocess", **geometry},
        *augmentations,
        {"type": "PackPhoto"},
    ]


def _dataset(facts: Mapping[str, Any], name: str) -> dict:
    """Return the dataset of a dataloader."""
    training = name == "train"
    data = facts["data"].items()
    return {
        "type": "MaskFaceDataset",
        "split": SPLITS[name],
        **{key: value for key, value in data if training or key not in TRAIN_ONLY},
        "pipeline": _pipeline(facts, training=training),
        "test_mode": not training,
    }


def _unlabelled_dataloader(facts: Mapping[str, Any]) -> dict:
    """Return the dataloader of the unlabelled photos, each in a weak and a strong view."""
    semi = facts["semi"]
    views = {name: list(semi[name]) for name in ("weak", "strong")}
    steps = _pipeline(facts, training=False)[:-1]
    if not semi["ratio"] >= 1 or semi["ratio"] % 1:
        raise InputError(f"semi.ratio must be a whole number from 1; got {semi['ratio']}")
    return {
        "batch_size": semi["ratio"] * facts["batch_size"],
        "num_workers": semi["num_workers"],
        "collate_fn": {"type": "stack_views"},
        "dataset": {
            "type": "UnlabelledFaces",
            "data_root": facts["data"]["data_root"],
            "photos": semi["photos"],
            "pipeline": [*steps, {"type": "TwoViews", **views}],
        },
    }


def _visualizer(tracking: Mapping[str, Any] | None) -> dict:
    """Return what records a run: MMEngine's own log, and what ``tracking`` names."""
    backends = [{"type": "LocalVisBackend"}, *([] if tracking is None else [dict(tracking)])]
    return {"type": "Visualizer", "vis_backends": backends}


def _model(facts: Mapping[str, Any]) -> dict:
    """Return the classifier of backbone, neck and head: MMPretrain's, or the semi-supervised."""
    backbone, neck = dict(facts["backbone"]), facts["neck"]
    if facts["pretrained"] is not None:
        weights = {
            "type": "Pretrained",
            "checkpoint": facts["pretrained"],
            "prefix": "backbone",
        }
        backbone["init_cfg"] = weights
        if isinstance(neck, (list, tuple)):  # its parts may be the last blocks of the network
            same = backbone["type"]
            neck = [
                {**part, "init_cfg": weights} if part["type"] == same else part for part in neck
            ]
    semi = facts.get("semi")
    kind: dict[str, Any] = {"type": "ImageClassifier"}
    if semi is not None:
        kind = {
            "type": "SemiSupervisedClassifier",
            "consistency": semi["consistency"],
            "annealing": semi["annealing"],
        }
    return {
        **kind,
        "data_preprocessor": {
            "type": "FacePreprocessor" if semi is None else "SemiPreprocessor",
            "mean": facts["preprocessing"]["mean"],
            "std": facts["preprocessing"]["std"],
            "device_augment": facts["device_augment"],
            "batch_augments": facts["batch_augments"],
        },
        "backbone": backbone,
        "neck": neck,
        "head": {**facts["head"], "in_channels": facts["features"]},
    }
