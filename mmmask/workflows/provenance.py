"""Where a table comes from: hashes of files and photos, versions, time."""

import hashlib
import importlib.metadata
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mmmask import __version__


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fingerprint(samples: pd.DataFrame) -> str:
    """Return a hash of which photos with which labels a table holds."""
    known = [name for name in ("image", "person", "label") if name in samples]
    return hashlib.sha256(samples[known].to_csv(index=False).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of the packages that a result depends on."""
    names = ("torch", "mmengine", "mmpretrain", "numpy", "opencv-python")
    return {"mmmask": __version__, **{name: importlib.metadata.version(name) for name in names}}


def made_now() -> dict[str, Any]:
    """Return what every table says of its making: the versions of packages, and the time."""
    return {"versions": versions(), "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")}


#: What a checkpoint says of photos that it learned without true labels -> how it learned them.
WITHOUT_TRUTH = {"pseudo_labels": "with labels that a model gave them", "unlabelled": "unlabelled"}


def learned_from_test_set(provenance: Mapping[str, Any]) -> str | None:
    """Return a sentence about models that learned from photos of the test set; None: none did.

    Args:
        provenance: Of a table; that of the tables it was made from may stand inside.
    """
    used = {
        f"{record['from_test_set']:,} {words}"
        for name, words in WITHOUT_TRUTH.items()
        for record in _records(provenance, name)
        if record.get("from_test_set")
    }
    if not used:
        return None
    return (
        f"trained on photos of the test set ({', '.join(sorted(used))}), which some hold to be "
        "leakage: say so beside the score"
    )


def _records(content: Any, name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the mappings that stand under a name, at any depth."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            if key == name and isinstance(value, Mapping):
                yield value
            else:
                yield from _records(value, name)
    elif isinstance(content, list):
        for value in content:
            yield from _records(value, name)
