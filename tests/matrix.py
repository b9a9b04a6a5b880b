"""Run tests in each environment that setup.py allows: `make matrix`.

Each row is an environment of its own in work_dirs/matrix, made by uv and removed when its tests
have run; a row costs 7 GB of disk meanwhile. `python -m tests.matrix ROW ...` runs some rows,
`--tests "tests/models -k focal"` other tests than those that are not slow. The results stand in
docs/results/matrix.csv, where a row stays until it is run again.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from mmmask.files import write_csv

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs/results/matrix.csv"
#: Packages whose versions tell one environment from another.
NAMED = (
    *("numpy", "pandas", "pyarrow", "torch", "torchvision", "mmengine", "onedl-mmengine"),
    *("mmpretrain", "onedl-mmpretrain", "mmcv-lite", "mmcv", "onnxruntime"),
)
_LIST = """
import json
from importlib.metadata import distributions
print(json.dumps({found.name: found.version for found in distributions()}))
"""


@dataclass(frozen=True)
class Row:
    """An environment: its Python, which versions of what setup.py asks for, what replaces some."""

    python: str
    resolution: str = "highest"
    replaced: tuple[str, ...] = ()
    by: tuple[str, ...] = ()


#: The fork of OpenMMLab is tried by tests/test_wheel.py.
ROWS = {
    "oldest": Row("3.11", "lowest-direct"),
    "python3.12": Row("3.12"),
    "python3.13": Row("3.13"),
    # Compiled for each version of torch, of which it names none.
    "full-mmcv": Row("3.11", "lowest-direct", replaced=("mmcv-lite",), by=("mmcv",)),
}


def make(row: Row, folder: Path) -> Path:
    """Make the environment of a row in a folder; return its Python."""
    python = folder / "bin/python"
    uv("venv", "--seed", "--clear", "--python", row.python, folder)  # with pip, for wheels
    pip = ("pip", "install", "--python", python)
    uv(*pip, "--resolution", row.resolution, "-e", ".[train,openmmlab,test]")
    uv(*pip, "--no-deps", "-r", "requirements/albumentations.txt")
    if row.by:
        uv("pip", "uninstall", "--python", python, *row.replaced)
        uv(*pip, "setuptools<81", "wheel")  # what these are built by
        uv(*pip, "--no-deps", "--no-build-isolation", *row.by)
    return python


def uv(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "uv", *map(str, arguments)], cwd=ROOT, check=True)


def tested(python: Path, tests: list[str], folder: Path) -> dict[str, object]:
    """Run tests by an environment's Python; return its versions and how many tests did what."""
    listed = subprocess.run([python, "-c", _LIST], capture_output=True, text=True, check=True)
    versions = json.loads(listed.stdout)
    report = folder / "tests.xml"
    command = [python, "-m", "pytest", "-q", f"--junit-xml={report}", *tests]
    start = time.monotonic()
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    suite = ElementTree.parse(report).getroot()[0]
    count = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"]
    return {
        **{name: versions.get(name) for name in NAMED},
        "passed": count["tests"] - failed - count["skipped"],
        "failed": failed,
        "skipped": count["skipped"],
        "minutes": round((time.monotonic() - start) / 60, 1),
        "tests": shlex.join(tests),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], default=[*ROWS])
    parser.add_argument("--tests", type=shlex.split, default=["-n", "2", "-m", "not slow"])
    args = parser.parse_args()
    failed = 0
    for name in args.rows:
        folder = ROOT / "work_dirs/matrix" / name
        try:
            found = tested(make(ROWS[name], folder), args.tests, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        keep(name, {"row": name, "python": ROWS[name].python, **found})
        failed += found["failed"]
    return 1 if failed else 0


def keep(name: str, found: dict[str, object]) -> None:
    """Write the result of a row over its former one."""
    former = pd.DataFrame({"row": []}, dtype=object)
    if RESULTS.exists():
        former = pd.read_csv(RESULTS, dtype=object)
    new = pd.DataFrame([found], dtype=object)  # whole numbers stay whole beside missing ones
    table = pd.concat([former[former["row"] != name], new])
    write_csv(RESULTS, table)
    print(table.to_string(index=False))


if __name__ == "__main__":
    raise SystemExit(main())
