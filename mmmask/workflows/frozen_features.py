"""Put photos through a frozen backbone, once: the file of features is made where it must be."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from mmmask.datasets.features import Features, open_features, views_of, write_features
from mmmask.datasets.packed import ensure_pack
from mmmask.datasets.photo_store import StalePackError
from mmmask.errors import MissingFileError
from mmmask.files import locked
from mmmask.tables import check_finite

if TYPE_CHECKING:
    from mmengine.config import Config

logger = logging.getLogger("mmmask")


def frozen_model(cfg: "Config") -> Any:
    """Return the classifier of a config in evaluation mode, its backbone filled with its weights.

    Raises:
        InputError: The weights are not there, or do not fit.
    """
    from mmengine.logging import MMLogger
    from mmengine.registry import init_default_scope
    from mmpretrain.registry import MODELS

    from mmmask.engine.allocator import keep_freed_memory
    from mmmask.engine.pretrained import check_pretrained, pretrained_weights

    keep_freed_memory()
    init_default_scope(cfg.default_scope)
    log = MMLogger.get_current_instance()
    level = log.level
    log.setLevel("ERROR")  # MMEngine tells each layer and each weight
    weights = pretrained_weights(cfg.model)
    assert weights is not None  # the config names some
    model = MODELS.build(cfg.model)
    check_pretrained(model, weights)
    model.init_weights()
    log.setLevel(level)
    return model.eval()


def ensure_features(cfg: "Config", model: Any, images: Sequence[str], path: Path) -> Features:
    """Return features from a file, which is made first unless it is still right."""
    with suppress(MissingFileError, StalePackError):
        return open_features(cfg, model, images, path)
    with locked(path, tidy=True):  # another process may be making it
        try:
            return open_features(cfg, model, images, path)
        except (MissingFileError, StalePackError) as error:
            if path.is_file():
                logger.warning(f"{error}; making it again")
            if cfg.data.pack is not None:
                ensure_pack(cfg)
            write_features(cfg, model, images, _seen(cfg, model, images), path)
        return open_features(cfg, model, images, path)


def _seen(cfg: "Config", model: Any, images: Sequence[str]) -> Iterator[NDArray[np.floating]]:
    """Yield what the frozen layers give for photos in their order, with a progress bar."""
    import torch
    from mmengine.device import get_device
    from mmengine.runner import Runner

    from mmmask.datasets.listed_photos import ListedPhotos
    from mmmask.engine.linear_probe_loop import frozen_output

    device = get_device()
    model = model.to(device).to(memory_format=torch.channels_last)
    options = ("batch_size", "num_workers", "collate_fn", "persistent_workers")
    loader = Runner.build_dataloader(
        {
            **{
                name: cfg.train_dataloader[name] for name in options if name in cfg.train_dataloader
            },
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "dataset": ListedPhotos(cfg, images),
        }
    )
    title = f"features of {len(images)} photos"
    for batch in track(loader, title, console=Console(stderr=True)):
        rows = frozen_output(model, batch, views_of(cfg))
        check_finite(cfg.pretrained, rows)
        yield rows
    model.to("cpu")
