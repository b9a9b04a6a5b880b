"""Fixtures that several rooms share: small folders in the competition's layout, real photos."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmmask.cli import limit_thread_spinning
from tests.config_text import format_each_config_once

# Where this runs in the background, SIGINT is ignored, by the processes that tests start and
# interrupt too, unless it has a handler here.
signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # likewise SIGHUP, by nohup
    signal.signal(signal.SIGHUP, lambda *_: None)
# Before torch and MMEngine are imported. Networks are tiny, and two tests run at a time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
limit_thread_spinning()
format_each_config_once()

import cv2
import numpy as np
import pytest
from hypothesis import settings

# Of tests that do not state how many cases they draw; --hypothesis-profile torture draws more.
settings.register_profile("few", max_examples=12, deadline=None)
settings.register_profile("torture", max_examples=100, deadline=None)
settings.load_profile("few")

ROOT = Path(__file__).parents[1]
FACES = ROOT.parent / "shared" / "faces"
WEIGHTS = ROOT.parent / "shared" / "weights"
STEMS = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")


@pytest.fixture(scope="session", autouse=True)
def no_ledger_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Log the submissions of tests, in processes of their own too, apart from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMMASK_LEDGER", str(tmp_path_factory.mktemp("ledger")))
        yield


@pytest.fixture
def faces() -> Path:
    """The folder of real photos, where it is present."""
    if not FACES.is_dir():
        pytest.skip(f"no real photos at {FACES}")
    return FACES


@pytest.fixture
def face_network() -> Path:
    """The published face network for TensorFlow.js, where it is present."""
    path = WEIGHTS / "faceres-deep.json"
    if not path.is_file():
        pytest.skip(f"no face network at {path}")
    return path


@pytest.fixture
def make_onnx(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes an exported model without torch: one layer on a mean colour.

    Its answer to a photo whose left half has the mean colour (b, g, r) is
    ``softmax(weight^T (b, g, r) / 255)``.
    """

    def make(
        *, weight: np.ndarray | None = None, metadata: dict[str, str] | None = None, **facts: Any
    ) -> Path:
        onnx = pytest.importorskip("onnx", reason="needs onnx (extra export)")
        from mmmask.datasets.photos import Geometry
        from mmmask.datasets.preparation import Preparation
        from mmmask.deploy.facts import ModelFacts

        own = {
            "preparation": Preparation(Geometry((8, 6))),
            "preprocessing": {"size": [8, 6]},
            "attribute": None,
            "years": False,
            "old_from": 60,
            "views": ("identity", "hflip"),
            "provenance": {"checkpoint_hash": "0" * 64},
            **facts,
        }
        known = ModelFacts(**own)
        sizes = {"probabilities": len(known.classes), **({"years": 121} if known.years else {})}
        noise = np.random.default_rng(0)
        half = known.preparation.geometry.size[1] // 2
        constants = {"axes": np.array([1, 2]), "from": np.array([0]), "to": np.array([half])}
        constants["across"] = np.array([2])
        node = onnx.helper.make_node
        nodes = [
            node("Slice", ["bgr", "from", "to", "across"], ["left"]),
            node("Cast", ["left"], ["float"], to=1),
            node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        ]
        for name, size in sizes.items():
            matrix = noise.normal(size=(3, size)) * 3 if weight is None else weight
            constants[f"{name}_w"] = (matrix / 255).astype(np.float32)
            nodes.append(node("MatMul", ["mean", f"{name}_w"], [f"{name}_z"]))
            nodes.append(node("Softmax", [f"{name}_z"], [name], axis=1))
        tensor, floats = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
        shape = ["photos", *known.preparation.geometry.size, 3]
        graph = onnx.helper.make_graph(
            nodes,
            "tiny",
            [tensor("bgr", onnx.TensorProto.UINT8, shape)],
            [tensor(name, floats, ["photos", size]) for name, size in sizes.items()],
            [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        opset = [onnx.helper.make_opsetid("", 18)]
        model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=10)
        onnx.helper.set_model_props(model, {**known.to_metadata(), **(metadata or {})})
        path = tmp_path / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return make


@pytest.fixture
def make_layout(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes people, as (id, gender, age), and eval photos to disk."""

    def make(people: list[tuple[str, str, int]], *, eval_photos: int = 0) -> Path:
        root = tmp_path / "data"
        rows = ["id,gender,race,age,path"]
        noise = np.random.default_rng(0)
        for person, gender, age in people:
            path = f"{person}_{gender}_Asian_{age}"
            rows.append(f"{person},{gender},Asian,{age},{path}")
            folder = root / "train" / "images" / path
            folder.mkdir(parents=True)
            for stem in STEMS:
                photo = noise.integers(0, 256, (32, 24, 3), dtype=np.uint8)
                cv2.imwrite(str(folder / f"{stem}.jpg"), photo)
        (root / "train" / "train.csv").write_text("\n".join(rows) + "\n")
        images = root / "eval" / "images"
        images.mkdir(parents=True)
        names = [f"{9 - photo:040x}.jpg" for photo in range(eval_photos)]
        for name in names:
            cv2.imwrite(str(images / name), noise.integers(0, 256, (32, 24, 3), dtype=np.uint8))
        info = ["ImageID,ans", *(f"{name},0" for name in names)]
        (root / "eval" / "info.csv").write_text("\n".join(info) + "\n")
        return root

    return make
