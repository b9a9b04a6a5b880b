"""Photos of a list, as a config prepares them for a test."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from mmmask.blocks import test_steps
from mmmask.datasets.packed import open_pack, packed_steps
from mmmask.datasets.photo_dataset import PhotoDataset

if TYPE_CHECKING:
    from mmengine.config import Config


class ListedPhotos(PhotoDataset):
    """The photos of a list, relative to the data root, decoded or from the pack of a config."""

    def __init__(self, cfg: "Config", images: Sequence[str]) -> None:
        steps, root, pack = test_steps(cfg), cfg.data.data_root, cfg.data.pack
        done = 0 if pack is None else packed_steps(steps)
        super().__init__(root, pipeline=steps[done:], test_mode=True)
        self.samples = pd.DataFrame({"image": images})
        made = steps[:done]
        self._packed = pack and open_pack(pack, images, data_root=root, steps=made)

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return what the pipeline starts from for photo ``idx``."""
        info = {"img_path": self.path_of(self.samples["image"].iat[idx])}
        return info if self._packed is None else {**info, "img": self._packed[idx]}
