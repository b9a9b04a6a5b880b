"""What one config changes against another, and how many things that is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmmask.config import plain, read_config

#: Top-level names that go together: a change of the first brings the others along.
_WITH_BACKBONE = {"neck", "features", "pretrained", "preprocessing"}
_SCHEDULE = {"optim_wrapper", "param_scheduler", "train_cfg"}


def flat_config(path: str | Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted name -> value of a config with options; a list counts as one value."""
    return dict(_flat(plain(read_config(path, options).to_dict())))


def changes(baseline: Mapping[str, Any], variant: Mapping[str, Any]) -> dict[str, tuple]:
    """Return dotted name -> (value of the baseline, of the variant), None where it has none."""
    return {
        key: (baseline.get(key), variant.get(key))
        for key in sorted({*baseline, *variant})
        if baseline.get(key) != variant.get(key)
    }


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
