import os
import subprocess
import sys
from pathlib import Path

import mmpretrain
import pytest

from mmmask.config import load_config
from mmmask.shipped import CONFIGS, scripts, summary

from .conftest import SMALL, tool


@pytest.mark.parametrize(
    "name", ["effnet_b3_arcface_uda", "mobilenet_v2_arcface_facecrop", "mobilenet_v2_linear_swa"]
)
def test_the_file_is_the_complete_config_and_can_be_built_on(tmp_path, name) -> None:
    out = tmp_path / "full.py"
    options = {"train_cfg.max_epochs": 3, "preprocessing.size": (32, 24)}
    given = [f"{key}={value}".replace(" ", "") for key, value in options.items()]
    done = tool("config.py", name, "--out", out, "--cfg-options", *given)
    assert done.returncode == 0, done.stderr
    expected = load_config(name, options)
    assert load_config(out).to_dict() == expected.to_dict()
    mine = tmp_path / "mine.py"
    mine.write_text("_base_ = ['full.py']\npreprocessing = dict(size=(64, 48))\n")
    built_on = load_config(mine).to_dict()
    assert built_on == load_config(name, {**options, "preprocessing.size": (64, 48)}).to_dict()


def test_only_a_complete_config_is_replaced(tmp_path, refused) -> None:
    out = tmp_path / "full.py"
    for name in ("mobilenet_v2_linear", "mobilenet_v2_arcface"):
        assert tool("config.py", name, "--out", out).returncode == 0
    text = out.read_text()
    inheriting, running = f"_base_ = 'x.py'\n{text}", f"{text}print(1)\n"
    for other in ("import os\n", "model = 1\n", inheriting, running, "("):
        out.write_text(other)
        line = refused("config.py", "mobilenet_v2_linear", "--out", out)
        assert "full.py: is there already and not a complete config" in line
        assert out.read_text() == other
    line = refused("config.py", "mobilenet_v2_linear", "--out", tmp_path / "full.yaml")
    assert "a config must end in .py; got .yaml" in line
    assert [path.name for path in tmp_path.iterdir()] == ["full.py"]


@pytest.mark.slow
def test_the_training_of_mmpretrain_itself_takes_it(drawn, tmp_path) -> None:
    out = tmp_path / "full.py"
    options = [*SMALL, "train_cfg.max_epochs=1", f"data.data_root={drawn}", "pretrained=None"]
    done = tool("config.py", "mobilenet_v2_arcface", "--out", out, "--cfg-options", *options)
    assert done.returncode == 0, done.stderr
    upstream = Path(mmpretrain.__file__).parent / ".mim/tools/train.py"
    done = subprocess.run(
        [sys.executable, upstream, out, "--work-dir", tmp_path / "run"],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/epoch_1.pth").is_file()


def test_configs_are_listed_with_what_they_ask() -> None:
    lines = tool("configs.py").stdout.splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [
        [name, summary(path)] for name, path in scripts(CONFIGS).items()
    ]
