"""A run on cropped faces: tested with the same boxes wherever they are, and with no others."""

import pandas as pd
import pytest

from mmmask.datasets.layout import find_photos
from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.tables import BOXES, write_table

from .conftest import tool, train

CONFIG = "configs/mobilenet_v2_arcface_facecrop.py"


def boxes(data, path, x0=10.0):
    """One box for all drawn photos of 48 x 64; none for the first."""
    table = pd.DataFrame({"image": find_photos(data)["image"], "width": 48, "height": 64})
    table = table.assign(x0=x0, y0=10.0, x1=38.0, y1=50.0, score=1.0)
    table.loc[0, ["x0", "y0", "x1", "y1", "score"]] = None
    write_table(path, table, BOXES)
    return path


@pytest.fixture
def folder(tmp_path_factory):
    """A folder with a short name: of a long one, deep in a config, formatting takes seconds."""
    return tmp_path_factory.mktemp("boxes")


def test_boxes_may_move_but_not_change(drawn, refused, folder, tmp_path) -> None:
    options = ("train_cfg.max_epochs=1", "preprocessing.faces.boxes={}")
    made = boxes(drawn, folder / "made.csv")
    chosen = (options[0], options[1].format(made))
    done = tool(*train(tmp_path / "run", drawn, config=CONFIG, options=chosen))
    assert done.returncode == 0, done.stderr
    checkpoint = tmp_path / "run" / "epoch_1.pth"
    stored = load_checkpoint_file(str(checkpoint))["meta"]["preprocessing"]["faces"]
    assert stored["boxes"].startswith("sha256 ")

    moved = made.rename(folder / "moved.csv")
    test = ["test.py", tmp_path / "run" / CONFIG.split("/")[1], checkpoint, "--split", "val"]
    done = tool(*test, "--cfg-options", options[1].format(moved))
    assert done.returncode == 0, done.stderr
    other = boxes(drawn, folder / "other.csv", x0=11.0)
    line = refused(*test, "--cfg-options", options[1].format(other))
    assert "trained with another preprocessing" in line
