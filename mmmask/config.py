"""Load a config file with the options of a command line; :mod:`mmmask.blocks` composes it."""

import ast
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmmask.blocks import (
    BLOCKS,
    COMPOSED_FROM,
    OPTIONAL_BLOCKS,
    compose,
    has_blocks,
    overrides_of,
    refuse_contradictions,
    remembered,
)
from mmmask.errors import InputError, first_line, nearest
from mmmask.files import atomic_write
from mmmask.packages import missing_packages
from mmmask.reading import is_table
from mmmask.shipped import find_config

if TYPE_CHECKING:
    from mmengine.config import Config

#: What Runner.from_cfg reads, what MMEngine itself puts at the top level, and what MMPretrain's
#: command lines read there.
RUNNER_KEYS = (
    "model", "work_dir", "train_dataloader", "val_dataloader", "test_dataloader",
    "train_cfg", "val_cfg", "test_cfg", "auto_scale_lr", "optim_wrapper", "param_scheduler",
    "val_evaluator", "test_evaluator", "default_hooks", "custom_hooks", "data_preprocessor",
    "load_from", "resume", "launcher", "env_cfg", "log_processor", "log_level", "visualizer",
    "default_scope", "randomness", "experiment_name", "custom_imports", "runner_type",
    "model_wrapper_cfg", "vis_backends", "compile", "find_unused_parameters",
    "tta_model", "tta_pipeline",
)  # fmt: skip
_KNOWN = (*BLOCKS, *OPTIONAL_BLOCKS, *RUNNER_KEYS, COMPOSED_FROM)


def load_config(
    path: str | Path, options: Mapping[str, Any] | None = None, **data: Any
) -> "Config":
    """Read a config file, apply ``options`` (dotted name -> value) and compose it.

    ``data`` has options of the ``data`` block; None keeps the config's. A config without blocks,
    such as one of MMPretrain, is returned as it is, with the options. ``path`` may be the name of a
    shipped config, as for :func:`mmmask.shipped.find_config`.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no config; a top-level name is unknown; a block and MMEngine's own name
            for the same thing are set to different values.
    """
    path = find_config(path)
    cfg = _read(path)
    rootless = has_blocks(cfg) and "data_root" in cfg.data and cfg.data.data_root is None
    try:
        _compose_file(cfg, path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    options = with_flags(options or {}, _data_options(cfg, path, data))
    if options:
        before = remembered(cfg)
        _check_names(options, {*_KNOWN, *cfg}, "--cfg-options")
        blocks = [] if has_blocks(cfg) else [name.split(".")[0] for name in options]
        for name in blocks:
            if name in (*BLOCKS, *OPTIONAL_BLOCKS) and name not in cfg:
                raise InputError(
                    f"{path}: the block {name} has no effect on a config of MMPretrain's own kind; "
                    "set model, dataloaders and hooks by their own names"
                )
        try:
            cfg.merge_from_dict(options)
        except (KeyError, TypeError, IndexError, AssertionError) as error:
            raise InputError(f"--cfg-options: {first_line(error)}") from error
        if rootless and "data.data_root" not in options and "data" not in options:
            cfg.data.data_root = None  # a table may have brought another folder
        if before is not None:
            refuse_contradictions(cfg, before, "--cfg-options")
        compose(cfg)
    return cfg


def compose_for_runner(cfg: "Config") -> None:
    """Compose a config that a program of MMPretrain has read and changed, in place.

    Raises:
        InputError: As for :func:`load_config`.
    """
    if not has_blocks(cfg):
        return
    before, where = remembered(cfg), str(cfg.filename or "config")
    _check_names(cfg, _KNOWN, where)
    if before is None and cfg.filename is not None:
        # The file alone, to know what the program's options changed.
        file = load_config(cfg.filename)
        before = remembered(file)
        if cfg.get("auto_scale_lr") is not None:
            cfg.auto_scale_lr = {**file.get("auto_scale_lr", {}), **cfg.auto_scale_lr}
    if before is not None:
        refuse_contradictions(cfg, before, where)
    compose(cfg)


def _compose_file(cfg: "Config", path: Path) -> None:
    """Compose what a file says; refuse a file that says one thing twice, and differently."""
    from mmengine.config import Config

    if not has_blocks(cfg):
        return
    _check_names(cfg, _KNOWN, "config")
    for name, value in cfg.items():
        _check_plain(name, value)
    parents, before = _parents(path), remembered(cfg)
    if before is not None:  # of this file, or of a complete one that it inherits
        refuse_contradictions(cfg, before, "this file")
    elif parents and overrides_of(cfg):
        inherited = Config.fromstring(f"_base_ = {parents!r}", ".py")
        if all(name in inherited for name in BLOCKS):
            compose(inherited)
            refuse_contradictions(cfg, remembered(inherited) or {}, "this file")
    if cfg.get("auto_scale_lr") is not None and cfg.get("train_dataloader") is not None:
        cfg.auto_scale_lr.setdefault("base_batch_size", cfg.train_dataloader.batch_size)
    compose(cfg)


def _parents(path: Path) -> list[str]:
    """Return the paths of the files that a config inherits."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_base_":
            stated = ast.literal_eval(node.value)
            names = [stated] if isinstance(stated, str) else stated
            return [name if "::" in name else str(path.parent.resolve() / name) for name in names]
    return []


def with_flags(options: Mapping[str, Any], flags: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
    """Return options (dotted name -> value) with those that a command line has a flag for.

    ``flags`` has the flag and the value of each dotted name.

    Raises:
        InputError: An option and the flag of the same name say different things.
    """
    for name, (flag, value) in flags.items():
        if name in options and options[name] != value:
            raise InputError(
                f"--cfg-options {name}={options[name]} contradicts {flag}; leave one of them out"
            )
    return {**options, **{name: value for name, (_, value) in flags.items()}}


def _data_options(cfg: "Config", path: Path, data: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """Return flag and value of the given options of the ``data`` block by their dotted names."""
    if data.get("data_root") is not None and is_table(data["data_root"]):
        data = {**data, "data_root": None, "table": str(data["data_root"])}
    # A config states no Path.
    data = {name: str(one) if isinstance(one, Path) else one for name, one in data.items()}
    given = {
        f"data.{name}": (f"--{name.replace('_', '-')} {value}", value)
        for name, value in data.items()
        if value is not None
    }
    if given and not has_blocks(cfg):
        flag = next(iter(given.values()))[0].split()[0]
        raise InputError(
            f"{path}: {flag} needs a config with a block `data`; in a config of MMPretrain's "
            "own kind set the dataset's options by --cfg-options "
            "train_dataloader.dataset.NAME=VALUE"
        )
    return given


def _check_names(stated: Iterable[str], known: Collection[str], where: str) -> None:
    """Refuse a top-level name that nothing reads."""
    for name in dict.fromkeys(option.split(".")[0] for option in stated):
        if name not in known:
            raise InputError(
                f"{where}: unknown top-level name {name}; known are the blocks "
                f"{', '.join((*BLOCKS, *OPTIONAL_BLOCKS))} and the keys of MMEngine's Runner"
                f"{nearest(name, known)}"
            )


def _check_plain(where: str, value: Any) -> None:
    """Refuse what the saved config could not state, such as numpy's numbers."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            _check_plain(f"{where}.{name}", item)
    elif isinstance(value, (list, tuple)):
        for row, item in enumerate(value):
            _check_plain(f"{where}.{row}", item)
    elif type(value) not in (bool, int, float, str, type(None)):
        raise InputError(
            f"{where} must be made of numbers, text, True, False, None, lists, tuples and dicts; "
            f"got {value!r}"
        )


def _read(path: Path) -> "Config":
    from mmengine.config import Config

    if path.suffix != ".py":
        raise InputError(f"{path}: a config must end in .py; got {path.suffix or 'no suffix'}")
    try:
        return Config.fromfile(path)
    except ImportError as error:
        raise InputError(f"{path}: {_why_not_imported(error)}") from error
    except RecursionError as error:
        raise InputError(f"{path}: not a readable config: _base_ leads back to it") from error
    except Exception as error:  # a config is a program, and may fail as any other
        raise InputError(f"{path}: not a readable config: {first_line(error)}") from error


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
    given: dict[str, str] = {}
    for option in options:
        name, value = option.split("=", 1)
        # Of others the last one counts; these have a flag too, whose place may be anywhere.
        if name in ("data.table", "data.eval_table") and given.setdefault(name, value) != value:
            raise InputError(f"{name} is stated twice, as {given[name]} and {value}; state one")
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={})
    try:
        return parser.parse_args(["--cfg-options", *options] if options else []).cfg_options
    except (AssertionError, RecursionError) as error:
        raise InputError(
            f"--cfg-options: values must be numbers, text, lists or tuples; got "
            f"{' '.join(options)}; "
            "write a config file for more"
        ) from error


def write_config(cfg: "Config", path: str | Path) -> None:
    """Write a composed config to a file; one that was written so before is replaced.

    Raises:
        InputError: ``path`` does not end in .py, or holds something else.
    """
    path = Path(path)
    if path.suffix != ".py":
        raise InputError(f"{path}: a config must end in .py; got {path.suffix or 'no suffix'}")
    if path.exists() and not _is_complete(path):
        raise InputError(
            f"{path}: is there already and not a complete config, so it is not replaced; "
            "name another file"
        )
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
