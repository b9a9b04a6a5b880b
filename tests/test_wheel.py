"""A wheel works from an empty folder, without the checkout; also on the fork of OpenMMLab."""

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import pandas as pd
import pytest

from mmmask.shipped import CONFIGS, TOOLS, scripts

ROOT = Path(__file__).parents[1]
#: Folders and files that a wheel is built of.
SOURCES = ("mmmask", "configs", "tools", "setup.py", "README.md", "LICENSE")
#: Files that may lie about, and are none of these.
LEFT = ("configs/__pycache__/a.pyc", "tools/.b.swp", "build/lib/mmmask/.mim/configs/removed.py")
#: The fork's packages have the import names of MMEngine and MMPretrain.
FORK = {"onedl-mmengine": "0.10.12", "onedl-mmpretrain": "1.3.6"}


def run(
    command: list[object], folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with nothing of this checkout around it."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", **environment},
    )


def pip(python: str | Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "pip", "--quiet", *arguments]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of a copy of this checkout, which was in use and has been built before."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, source / name)
    for name in LEFT:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    done = pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "-w", out, source)
    assert done.returncode == 0, done.stderr
    return next(out.glob("mmmask-*.whl"))


def test_it_carries_the_package_and_all_of_configs_and_tools(wheel) -> None:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *SOURCES[:3]]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = {path for path in listed.stdout.splitlines() if (ROOT / path).is_file()}
    expected = {path if path.startswith("mmmask/") else f"mmmask/.mim/{path}" for path in paths}
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if ".dist-info/" not in name} == expected


def test_the_packages_of_openmmlab_come_by_an_extra_of_their_own(wheel) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        lines = message_from_string(archive.read(name).decode()).get_all("Requires-Dist")
    asked = [line for line in lines if line.startswith(("mmengine", "mmpretrain", "mmcv"))]
    assert len(asked) == 3
    assert {line.partition("; ")[2] for line in asked} == {'extra == "openmmlab"'}


def test_from_an_empty_folder_it_lists_its_tools_and_configs(wheel, tmp_path) -> None:
    packages, empty = tmp_path / "packages", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    command = [sys.executable, "-m", "mmmask"]
    shown = run([*command, "--help"], empty, PYTHONPATH=str(packages))
    listed = run([*command, "configs"], empty, PYTHONPATH=str(packages))
    assert all(f"\n  {name} " in shown.stdout for name in scripts(TOOLS)), shown.stderr
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert names == list(scripts(CONFIGS)), listed.stderr


@pytest.fixture(scope="module")
def fork(wheel, tmp_path_factory) -> Path:
    """The Python of an environment with the fork's packages in the place of OpenMMLab's.

    All others are links to those of this environment, so that none is installed again.
    """
    folder = tmp_path_factory.mktemp("fork")
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    others = ("mmengine", "mmpretrain", "mmmask", "__editable__", "__pycache__")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(others):
            (packages / path.name).symlink_to(path)
    # What is linked must not be replaced: the fork comes without the packages that it asks for,
    # and the wheel only if all that it asks for is there.
    python = folder / "bin/python"
    pinned = [f"{name}=={version}" for name, version in FORK.items()]
    done = pip(python, "install", "--no-deps", "--no-build-isolation", *pinned)
    if done.returncode != 0:
        pytest.skip(f"the fork cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    done = pip(python, "install", "--no-index", f"{wheel}[train]")
    assert done.returncode == 0, done.stderr
    return python


@pytest.mark.slow
def test_on_the_fork_it_trains_resumes_and_tests_from_an_empty_folder(fork, tmp_path) -> None:
    def mmmask(*arguments: object) -> None:
        done = run([fork.with_name("mmmask"), *arguments], tmp_path)
        assert done.returncode == 0, done.stderr

    def train(*arguments: str) -> None:
        small = ["preprocessing.size=(32,24)", "train_dataloader.batch_size=16"]
        small += ["train_cfg.max_epochs=2", "default_hooks.checkpoint.max_keep_ckpts=2"]
        more = ["--pretrained", "none", "--cfg-options", *small]
        mmmask("train", "mobilenet_v2_arcface", *arguments, *more)

    mmmask("make_faces", "--out", "data", "--people", 24, "--eval-people", 6, "--size", 48, 64)
    train()
    work_dir = tmp_path / "work_dirs/mobilenet_v2_arcface"
    train("--resume", str(work_dir / "epoch_1.pth"))
    (best,) = work_dir.glob("best_*.pth")
    mmmask("test", work_dir / "mobilenet_v2_arcface.py", best, "--tta", "--submission", "a.csv")
    assert len(pd.read_csv(tmp_path / "a.csv")) == 42
    card = (work_dir / "card.json").read_text()
    assert all(f'"{name}": "{version}"' in card for name, version in FORK.items())
    assert not {'"mmengine"', '"mmpretrain"'} & set(card.split())
