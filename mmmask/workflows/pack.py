"""Pack a data root's photos for a config, where they are not packed already."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmmask.config import load_config, parse_options, pipeline
from mmmask.datasets.packed import (
    PackedPhotos,
    StalePackError,
    packed_steps,
    photos_of_root,
    write_pack,
)
from mmmask.errors import InputError
from mmmask.tables import SAMPLES, read_table

if TYPE_CHECKING:
    from mmengine.config import Config

logger = logging.getLogger("mmmask")


def pack(
    config: str | Path, *, data_root: str | None, out: str | Path, options: Sequence[str] = ()
) -> int:
    """Pack the photos of a data root as a config preprocesses them; return how many."""
    return ensure_pack(
        load_config(config, parse_options(options), data_root=data_root, pack=str(out))
    )


def ensure_pack(cfg: "Config") -> int:
    """Make the pack that ``data.pack`` names, unless it is still right; return how many photos."""
    import mmmask.register  # noqa: F401 - the transforms

    path, root = Path(cfg.data.pack), cfg.data.data_root
    if path.suffix != ".arrow":
        raise InputError(f"{path}: a pack of photos ends in .arrow, got {path.suffix or 'none'}")
    steps = pipeline(cfg, training=False)
    steps = steps[: packed_steps(steps)]
    images = list(photos_of_root(root))
    for table in cfg.data.samples:
        images += read_table(table, SAMPLES)["image"].tolist()
    images = list(dict.fromkeys(images))
    if path.is_file():
        try:
            PackedPhotos(path, images, data_root=root, steps=steps)
        except StalePackError as error:
            logger.warning(f"{error}; packing anew")
        else:
            return len(images)
    write_pack(path, images, data_root=root, steps=steps)
    return len(images)
