"""A reader of faces around a network that has learned nothing, and an app that is served."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mmmask.predictor import Predictor
from mmmask.workflows.face_finder import FaceFinder
from mmmask.workflows.read_faces import FaceReader

ROOT = Path(__file__).parents[1]
SIZE = (64, 48)


def tiny_checkpoint(
    folder: Path, config: str = "mobilenet_v2_decomposed_dldl"
) -> tuple[Path, Path]:
    """Write a config and a checkpoint of random weights whose answers differ between photos."""
    import torch
    from mmengine.registry import MODELS, init_default_scope

    from mmmask.config import compose, load_config, plain

    cfg = load_config(ROOT / "configs" / f"{config}.py", {"preprocessing.size": SIZE})
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
    paths = folder / "tiny.py", folder / "tiny.pth"
    cfg.dump(paths[0])
    torch.save({"state_dict": model.state_dict(), "meta": meta}, paths[1])
    return paths


def cells(photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find a face in the middle of each 3:4 part of a photo, side by side; none in the dark."""
    height, width = photo.shape[:2]
    count = 0 if photo.mean() < 20 else max(1, round(width / (0.75 * height)))
    lefts = width / max(1, count) * np.arange(count)
    part = width / max(1, count)
    edges = [lefts + 0.2 * part, lefts * 0 + 0.2 * height, lefts + 0.8 * part]
    return np.stack([*edges, lefts * 0 + 0.9 * height], axis=1), np.linspace(0.95, 0.99, count)


def tiny_reader(folder: Path) -> FaceReader:
    """Return a reader of a network in torch, with faces found by a rule."""
    from mmmask.workflows.torch_network import TorchNetwork

    network = TorchNetwork(*tiny_checkpoint(folder))
    return FaceReader(Predictor(network), FaceFinder("a rule", cells))


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an app while the block runs; yield its address."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
