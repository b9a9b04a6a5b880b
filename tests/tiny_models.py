"""Tiny models, and readers of faces around them: one tells colours, one has learned nothing."""

from pathlib import Path

import numpy as np

from mmmask.datasets.photos import Geometry
from mmmask.datasets.preparation import Preparation
from mmmask.deploy.facts import ModelFacts
from mmmask.deploy.networks import Answer
from mmmask.deploy.predictor import Predictor
from mmmask.labels import CLASSES
from mmmask.workflows.demo.face_finder import FaceFinder
from mmmask.workflows.demo.read_faces import FaceReader

ROOT = Path(__file__).parents[1]
#: What the tiny checkpoint is of: a model of years.
TINY, SIZE = ROOT / "configs" / "mobilenet_v2_decomposed_dldl.py", (64, 48)


def tiny_checkpoint(folder: Path) -> tuple[Path, Path]:
    """Write a config and a checkpoint of random weights whose answers differ between photos."""
    import torch
    from mmengine.registry import MODELS, init_default_scope

    from mmmask.blocks import compose, plain
    from mmmask.config import load_config

    cfg = load_config(TINY, {"preprocessing.size": SIZE})
    cfg.pretrained = None
    compose(cfg)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    for parameter in model.head.parameters():
        parameter.data.add_(0.08 * torch.randn_like(parameter))
    for module in model.modules():
        if hasattr(module, "running_mean"):
            module.momentum = 1.0
    model.train()
    blots = 2 * torch.randn(32, 3, 4, 3)
    with torch.no_grad():
        model.backbone(torch.nn.functional.interpolate(blots, SIZE, mode="bicubic"))
    meta = {name: plain(cfg[name]) for name in ("preprocessing", "data")}
    meta["dataset_meta"] = {"classes": CLASSES}
    paths = folder / "tiny.py", folder / "tiny.pth"
    cfg.dump(paths[0])
    torch.save({"state_dict": model.state_dict(), "meta": meta}, paths[1])
    return paths


class Colours:
    """A network that tells blue, green and red, and looks at the left half of each photo."""

    name = "colours"
    facts = ModelFacts(
        preparation=Preparation(Geometry((8, 6))),
        preprocessing={},
        attribute=None,
        years=False,
        old_from=60,
        views=(),
    )

    def __call__(self, photos):
        weights = np.zeros((3, 18))
        weights[[0, 1, 2], [2, 9, 16]] = 5
        odds = np.exp(photos.mean(axis=(1, 2)) / 255 @ weights)  # (N, 18)
        return Answer((odds / odds.sum(axis=1, keepdims=True)).astype(np.float32), None)

    def heat(self, photos, values, *, attribute=None):
        heat = np.zeros(photos.shape[:3], dtype=np.float32)
        heat[:, :, : photos.shape[2] // 2] = 1
        return heat


def colours(*names) -> np.ndarray:
    """Return a BGR photo of colours side by side, each in the shape of a portrait."""
    bgr = {"blue": (255, 0, 0), "green": (0, 255, 0), "red": (0, 0, 255)}
    return np.concatenate([np.full((80, 60, 3), bgr[name], dtype=np.uint8) for name in names], 1)


def cells(photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find a face in the middle of each 3:4 part of a photo, side by side; none in the dark."""
    height, width = photo.shape[:2]
    count = 0 if photo.mean() < 20 else max(1, round(width / (0.75 * height)))
    part = width / max(1, count)
    boxes = [
        (left + 0.2 * part, 0.2 * height, left + 0.8 * part, 0.9 * height)
        for left in part * np.arange(count)
    ]
    return np.reshape(boxes, (count, 4)), np.linspace(0.95, 0.99, count)


def colour_reader() -> FaceReader:
    """Return a reader that calls blue class 2, green 9 and red 16, with faces found by a rule."""
    return FaceReader(Predictor(Colours()), FaceFinder("a rule", cells))


def tiny_reader(folder: Path) -> FaceReader:
    """Return a reader of a network in torch, with faces found by a rule."""
    from mmmask.workflows.torch_network import TorchNetwork

    network = TorchNetwork(*tiny_checkpoint(folder))
    return FaceReader(Predictor(network), FaceFinder("a rule", cells))
