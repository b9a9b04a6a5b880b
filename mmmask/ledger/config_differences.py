"""What one config changes against another, and how many things that is."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmmask.blocks import stated
from mmmask.config import load_config

#: Top-level names that go together: a change of the first brings the others along.
_WITH_BACKBONE = {"neck", "features", "pretrained", "preprocessing"}
_SCHEDULE = {"auto_scale_lr", "optim_wrapper", "param_scheduler", "train_cfg"}
#: Options that name files whose content decides a run as well as their names.
DATA_FILES = (
    "data.corrections", "data.drop", "data.eval_table", "data.samples", "data.table",
    "data.teacher",
)  # fmt: skip
#: Where a run was, how it was watched and tested: no weight depends on these.
_CIRCUMSTANCES = (
    "compile", "custom_imports", "data.data_root", "data.eval_table", "data.pack",
    "default_hooks.checkpoint.interval", "default_hooks.checkpoint.max_keep_ckpts",
    "default_hooks.finite", "default_hooks.logger", "default_hooks.progress",
    "default_hooks.run_card", "default_hooks.runtime_info", "default_hooks.timer",
    "default_scope", "env_cfg",
    "experiment_name", "launcher", "load_from", "log_level", "log_processor",
    "model_wrapper_cfg", "resume", "runner_type", "test_cfg", "test_dataloader",
    "test_evaluator", "tracking", "train_dataloader.prefetch_factor", "tta", "tta_model",
    "tta_pipeline", "val_dataloader", "vis_backends", "work_dir",
)  # fmt: skip


def files_of(stated: Any) -> list[str]:
    """Return the files that an option of :data:`DATA_FILES` names: a path, or a list of them."""
    listed = [stated] if isinstance(stated, str) else stated or []
    return [item if isinstance(item, str) else item["table"] for item in listed]


def flat_config(
    path: str | Path, options: Mapping[str, Any], *, data_root: str | None = None
) -> dict[str, Any]:
    """Return dotted name -> value of a config with options; a list counts as one value."""
    return flat(load_config(path, options, data_root=data_root).to_dict())


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted name -> value of what a config states, without what composing made of it."""
    tree = stated(values)
    scaling = tree.get("auto_scale_lr")
    if isinstance(scaling, dict) and not scaling.get("enable"):
        del tree["auto_scale_lr"]
    return dict(_flat(tree))


def flat_text(text: str) -> dict[str, Any]:
    """Return :func:`flat` of the text of a config, which is read and never executed.

    Values that are neither numbers, text, lists nor dicts stay the text that they are.
    """
    return flat(
        {
            target.id: _literal(node.value)
            for node in ast.parse(text).body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
    )


def changes(baseline: Mapping[str, Any], variant: Mapping[str, Any]) -> dict[str, tuple]:
    """Return dotted name -> (value of the baseline, of the variant), None where it has none."""
    return {
        key: (baseline.get(key), variant.get(key))
        for key in sorted({*baseline, *variant})
        if baseline.get(key) != variant.get(key)
    }


def decides_weights(name: str) -> bool:
    """Say whether what a run learns may depend on a dotted name of its config."""
    if name.rsplit(".", 1)[-1] in ("num_workers", "persistent_workers", "pin_memory"):
        return False
    return not f"{name}.".startswith(tuple(f"{place}." for place in _CIRCUMSTANCES))


def blocks(changed: Mapping[str, Any]) -> list[str]:
    """Return the things that a set of changed names stands for.

    A backbone brings its input size, normalisation and weights, and counts as one; so do
    optimizer, learning rates and epochs as ``schedule``.
    """
    names = {key.split(".")[0] for key in changed}
    if "backbone" in names:
        names -= _WITH_BACKBONE
    if names & _SCHEDULE:
        names = (names - _SCHEDULE) | {"schedule"}
    return sorted(names)


def _flat(value: Any, name: str = "") -> list[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        return [(name, value)]
    return [
        pair
        for key, item in value.items()
        for pair in _flat(item, f"{name}.{key}" if name else str(key))
    ]


def _literal(node: ast.expr) -> Any:
    """Return the value of an expression of literals and calls of ``dict``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        given = [_literal(argument) for argument in node.args]
        named = {keyword.arg: _literal(keyword.value) for keyword in node.keywords}
        return {**(given[0] if given else {}), **named}
    if isinstance(node, ast.Dict) and None not in node.keys:
        keys = [ast.literal_eval(key) for key in node.keys if key is not None]
        return dict(zip(keys, map(_literal, node.values), strict=True))
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_literal(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)
