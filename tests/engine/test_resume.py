"""A run that was killed and resumed equals one that was not, bit for bit."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_engine import (
    KilledError,
    KillHook,
    differences,
    state,
    tiny_config,
    train,
    without_validation,
)

from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.engine.hooks.checkpoint_hook import ResumableCheckpointHook

HERE = Path(__file__).parent


LOADERS = {
    "no workers": {"workers": 0, "persistent": False},
    "two workers": {"workers": 2, "persistent": False},
    "two persistent workers": {"workers": 2, "persistent": True},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp("whole")
    train(tiny_config(work_dir))
    return work_dir


@pytest.mark.parametrize("point", ["inside the epoch", "inside the validation"])
@pytest.mark.parametrize("loader", LOADERS)
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(whole, tmp_path, loader, point):
    config = tiny_config(tmp_path, **LOADERS[loader])
    train(config, kill={"point": point, "epoch": 3})
    assert sorted(path.name for path in tmp_path.glob("epoch_*.pth")) == [
        "epoch_1.pth",
        "epoch_2.pth",
    ]
    train(config, resume=True)
    _assert_same_files(whole, tmp_path)


@pytest.mark.parametrize("point", ["before the epoch's checkpoint", "before the old are removed"])
def test_a_run_killed_while_it_writes_resumes_to_the_same_files(
    whole, tmp_path, monkeypatch, point
):
    config = tiny_config(tmp_path)
    with monkeypatch.context() as patch:
        if point == "before the epoch's checkpoint":
            patch.setattr(KillHook, "before_save_checkpoint", _kill_at_epoch_file)
        else:
            patch.setattr(ResumableCheckpointHook, "_remove_outdated", _kill_at_removal)
        train(config, kill={"point": "", "epoch": 3})
    left = {path.name for path in tmp_path.glob("*.pth")}
    assert "best_macro_f1_epoch_3.pth" in left, "the test needs an epoch that is a new best"
    assert len(left) == (4 if point == "before the epoch's checkpoint" else 5)
    train(config, resume=True)
    _assert_same_files(whole, tmp_path)


def _kill_at_epoch_file(hook, runner, checkpoint):
    if "optimizer" in checkpoint and runner.epoch == hook.epoch:
        raise KilledError


def _kill_at_removal(hook, runner, remove=ResumableCheckpointHook._remove_outdated):
    if runner.epoch == 3:
        raise KilledError
    remove(hook, runner)


def test_a_process_that_dies_in_the_middle_of_a_file_leaves_the_former_one(whole, tmp_path):
    script = f"""
import os
from pathlib import Path
import torch
from tiny_engine import tiny_config, train

def die_halfway(path, data):
    with open(path, "wb") as file:
        file.write(data[: len(data) // 2])
    os._exit(9)

write = Path.write_bytes
Path.write_bytes = lambda path, data: (
    die_halfway if path.name.startswith(".epoch_3") else write
)(path, data)
torch.set_num_threads(1)  # as here; another number adds up in another order
train(tiny_config({str(tmp_path)!r}, workers=2, persistent=True))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}
    done = subprocess.run([sys.executable, "-c", script], env=environment)
    assert done.returncode == 9
    assert list(tmp_path.glob(".epoch_3-*.pth")), "the test needs half a file"
    train(tiny_config(tmp_path), resume=True)
    _assert_same_files(whole, tmp_path)
    assert not list(tmp_path.glob(".*.pth"))


def test_a_copied_work_directory_never_touches_the_original(whole, tmp_path):
    original, copy = tmp_path / "original", tmp_path / "copy"
    train(tiny_config(original), kill={"point": "inside the epoch", "epoch": 3})
    shutil.copytree(original, copy)
    before = _bytes(original)
    train(tiny_config(copy), resume=True)
    assert _bytes(original) == before
    _assert_same_files(whole, copy)
    assert (copy / "last_checkpoint").read_text() == str(copy / "epoch_4.pth")
    info = load_checkpoint_file(copy / "epoch_4.pth")["message_hub"]["runtime_info"]
    assert Path(info["best_ckpt"]).parent == copy
    assert Path(info["last_ckpt"]).parent == copy


def test_a_moved_work_directory_resumes_from_its_own_files(whole, tmp_path):
    train(tiny_config(tmp_path / "here"), kill={"point": "inside the epoch", "epoch": 3})
    (tmp_path / "here").rename(tmp_path / "there")
    train(tiny_config(tmp_path / "there"), resume=True)
    assert not (tmp_path / "here").exists()
    _assert_same_files(whole, tmp_path / "there")


def test_a_run_without_validation_resumes_the_same(tmp_path):
    configs = [without_validation(tiny_config(tmp_path / name)) for name in ("whole", "killed")]
    train(configs[0])
    train(configs[1], kill={"point": "inside the epoch", "epoch": 3})
    assert (tmp_path / "killed" / "epoch_2.pth").exists()
    train(configs[1], resume=True)
    _assert_same_files(tmp_path / "whole", tmp_path / "killed")
    assert not list((tmp_path / "whole").glob("best*"))


def test_a_run_that_validates_every_second_epoch_resumes_the_same(tmp_path):
    train_cfg = {"by_epoch": True, "max_epochs": 4, "val_interval": 2}
    configs = [tiny_config(tmp_path / name, train_cfg=train_cfg) for name in ("whole", "killed")]
    train(configs[0])
    train(configs[1], kill={"point": "inside the validation", "epoch": 4})
    assert (tmp_path / "killed" / "epoch_3.pth").exists()
    train(configs[1], resume=True)
    _assert_same_files(tmp_path / "whole", tmp_path / "killed")


def _assert_same_files(one: Path, other: Path) -> None:
    names = sorted(path.name for path in one.glob("*.pth"))
    assert names == sorted(path.name for path in other.glob("*.pth"))
    for name in names:
        assert not differences(state(one / name), state(other / name)), name


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
