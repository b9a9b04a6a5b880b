"""Where a table comes from: hashes of files and photos, versions, time."""

import hashlib
import importlib.metadata
import time
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
    """Return the versions of the packages that a result depends on, as far as installed."""
    found = {"mmmask": __version__}
    for name in ("torch", "mmengine", "mmpretrain", "onnxruntime", "numpy", "opencv-python"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # an exported model needs few of them
            continue
    return found


def made_now() -> dict[str, Any]:
    """Return what every table says of its making: the versions of packages, and the time."""
    return {"versions": versions(), "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
