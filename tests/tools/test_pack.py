import re

import torch

from mmmask.engine.checkpoints import load_checkpoint_file

from .conftest import CONFIG, tool, train


def pack(data, out, *arguments):
    return tool("pack.py", data, "--out", out, "--config", CONFIG, *arguments)


def test_training_from_a_pack_gives_the_weights_of_training_without(run, drawn, tmp_path) -> None:
    path = tmp_path / "photos.arrow"
    done = tool(*train(tmp_path / "packed", drawn, "--pack", path))
    assert done.returncode == 0, done.stderr
    assert path.is_file()
    ours = load_checkpoint_file(str(tmp_path / "packed" / "epoch_2.pth"))["state_dict"]
    theirs = load_checkpoint_file(str(run.work_dir / "epoch_2.pth"))["state_dict"]
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


def test_a_pack_is_made_once_and_anew_when_the_config_asks_for_another_size(
    drawn, tmp_path
) -> None:
    path = tmp_path / "photos.arrow"
    size = ("--cfg-options", "preprocessing.size=(32,24)")
    done = pack(drawn, path, *size)
    assert done.returncode == 0, done.stderr
    assert re.search(r"photos\.arrow: 210 photos, 1 MB", done.stdout)
    made = path.stat().st_mtime_ns
    assert pack(drawn, path, *size).returncode == 0
    assert path.stat().st_mtime_ns == made
    done = pack(drawn, path, "--cfg-options", "preprocessing.size=(16,12)")
    assert "stale, its steps were" in done.stderr
    assert "packing again" in done.stderr
    assert path.stat().st_mtime_ns > made


def test_a_wrong_suffix_and_a_missing_root_are_refused(drawn, tmp_path, refused) -> None:
    line = refused("pack.py", drawn, "--out", tmp_path / "photos.npy", "--config", CONFIG)
    assert "a pack of photos must end in .arrow; got .npy" in line
    line = refused("pack.py", tmp_path, "--out", tmp_path / "p.arrow", "--config", CONFIG)
    assert "train.csv: no such file" in line
