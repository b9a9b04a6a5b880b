"""The tests that draw their cases by hypothesis, with other cases in each trial."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.torture.bench import ROOT, Bench
from tests.torture.trials import Promise, Trial

#: Seconds after which the tests of one file count as hanging.
PATIENCE = 300


def drawn_by_hypothesis() -> list[Path]:
    """Return the test files that draw cases by hypothesis."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [path for path in files if "from hypothesis import" in path.read_text()]


def promises(bench: Bench) -> list[Promise]:
    """Return the promise of each of these test files."""
    return [
        Promise(
            "tables",
            path.stem,
            f"drawn cases of `{path.relative_to(ROOT).as_posix()}`, each trial other ones",
            _tested(path),
        )
        for path in drawn_by_hypothesis()
    ]


def _tested(path: Path) -> Trial:
    def trial(random: np.random.Generator, folder: Path) -> str | None:
        seed = int(random.integers(2**31))
        command = [*(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")]
        command += [str(path), f"--hypothesis-seed={seed}", f"--basetemp={folder / 'tmp'}"]
        command += ["--hypothesis-profile", "torture"]
        command += ["-m", "hypothesis", "-p", "no:xdist"]  # a test that draws nothing says nothing
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
        return None if done.returncode == 0 else f"seed {seed}: {done.stdout.strip()[-3000:]}"

    return trial
