"""Test-time augmentation: all views of a batch pass the network at once."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.model import BaseTTAModel
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmmask.errors import InputError
from mmmask.models.device_augment import affine
from mmmask.structures import SampleBatch, put, put_metainfo, stacked


def turned(photos: Tensor, *, degrees: float = 0.0, zoom: float = 1.0) -> Tensor:
    """Return photos rotated counter-clockwise and magnified about their centre."""
    same = photos.new_ones(len(photos), dtype=torch.float32)
    return affine(
        photos,
        angle=same * math.radians(degrees),
        scale=same * zoom,
        shift=same.new_zeros(len(photos), 2),
        mirrored=same,
    )


#: View by name: (N, 3, H, W) -> (N, 3, H, W).
VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda photos: photos,
    "hflip": lambda photos: photos.flip(-1),
    "rotate_left": lambda photos: turned(photos, degrees=10.0),
    "rotate_right": lambda photos: turned(photos, degrees=-10.0),
    "zoom": lambda photos: turned(photos, zoom=1.15),
}


@MODELS.register_module()
class MeanProbabilityTTA(BaseTTAModel):
    """Average the probabilities, of years too, over views of a photo.

    Views are made on the device from the preprocessed batch, so a photo is decoded once.

    Args:
        module: The classifier or its config.
        views: Names from :data:`VIEWS`.
    """

    def __init__(self, module: dict | nn.Module, *, views: Sequence[str]) -> None:
        super().__init__(module)
        unknown = [name for name in views if name not in VIEWS]
        if unknown or not views:
            raise InputError(
                f"tta.views must be among {', '.join(VIEWS)}; got {', '.join(unknown) or 'none'}"
            )
        self.views = tuple(views)

    def test_step(self, data: dict[str, Any]) -> Sequence[DataSample]:
        """Return the photos with ``pred_score``, (N, 18), and ``pred_years`` where modelled."""
        if isinstance(data["inputs"], list) and getattr(data["inputs"][0], "ndim", 0) != 3:
            raise InputError(
                "MeanProbabilityTTA makes its views itself: leave TestTimeAug out of the pipeline"
            )
        data = self.module.data_preprocessor(data, False)
        photos = torch.cat([VIEWS[name](data["inputs"]) for name in self.views])  # (V * N, 3, H, W)
        merged = self.module(photos, mode="predict")
        samples = SampleBatch() if data["data_samples"] is None else data["data_samples"]
        if isinstance(merged, SampleBatch):
            put_metainfo(samples, **merged.metainfo)
        for name in ("pred_score", "pred_years"):
            if (scores := stacked(merged, name)) is not None:  # (V * N, 18)
                views = scores.view(len(self.views), -1, scores.size(1))
                put(samples, name, views.mean(dim=0))
        return samples

    def merge_preds(self, data_samples_list: Any) -> Any:
        """Not used: the views are merged in :meth:`test_step`."""
        raise NotImplementedError
