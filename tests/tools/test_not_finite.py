"""A checkpoint with one weight of NaN: no tool answers by it, and each names it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mmmask.errors import InputError
from mmmask.workflows.torch_network import TorchNetwork
from tests.tiny_models import SIZE, tiny_checkpoint

#: Commands; CONFIG, NAN (the checkpoint), SOUND (another), DATA and EVAL (its photos) are paths.
COMMANDS = (
    "test.py CONFIG NAN --data-root DATA --split val --out out.parquet",
    "test.py CONFIG NAN --data-root DATA --tta --out out.parquet --submission out.csv",
    "export.py CONFIG NAN --data-root DATA --out out.onnx",
    "demo.py CONFIG NAN --photos EVAL --out out.csv",
    "label_external.py CONFIG NAN EVAL --data-root DATA --out out.csv",
    "ensemble.py SOUND NAN --soup CONFIG --data-root DATA --out out.pth",
)


@pytest.fixture(scope="module")
def paths(drawn, tmp_path_factory) -> dict[str, Path]:
    """Return what the words in capitals stand for."""
    config, sound = tiny_checkpoint(tmp_path_factory.mktemp("model"))
    content, spoilt = torch.load(sound, weights_only=False), sound.with_name("nan.pth")
    content["state_dict"]["backbone.conv1.conv.weight"].view(-1)[0] = torch.nan
    torch.save(content, spoilt)
    model = {"CONFIG": config, "NAN": spoilt, "SOUND": sound}
    return {**model, "DATA": drawn, "EVAL": drawn / "eval" / "images"}


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_written_and_the_checkpoint_is_named(paths, refused, tmp_path, command) -> None:
    tool, *words = command.split()
    arguments = [tmp_path / word if word.startswith("out") else word for word in words]
    line = refused(tool, *(paths.get(str(word), word) for word in arguments))
    assert line.startswith(f"error: {paths['NAN']}: the ")
    assert "not finite numbers" in line
    assert not list(tmp_path.glob("out*"))


def test_it_cannot_say_where_it_looked(paths) -> None:
    network = TorchNetwork(paths["CONFIG"], paths["NAN"])
    with pytest.raises(InputError, match=r"nan\.pth: the model's outputs are not finite numbers"):
        network.heat(np.zeros((2, *SIZE, 3), dtype=np.uint8))
