"""Test-time augmentation: all views of a batch pass the network at once."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.model import BaseTTAModel
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from mmmask.errors import InputError
from mmmask.models.device_augment import affine
from mmmask.structures import SampleBatch


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
                f"tta.views must be some of {', '.join(VIEWS)}; got {', '.join(unknown) or 'none'}"
            )
        self.views = tuple(views)

    def test_step(self, data: dict[str, Any]) -> list[SampleBatch]:
        """Return the data samples with ``pred_score``, and ``pred_years`` where modelled.

        They are one batch, whose scores are (N, 18), or N single photos.
        """
        data = self.module.data_preprocessor(data, False)
        photos = torch.cat([VIEWS[name](data["inputs"]) for name in self.views])  # (V * N, 3, H, W)
        (merged,) = self.module(photos, [SampleBatch()], mode="predict")
        samples = data["data_samples"]
        for name in {"pred_score", "pred_years"} & set(merged.keys()):
            scores = merged.get(name)  # (V * N, 18)
            means = scores.view(len(self.views), -1, scores.size(1)).mean(dim=0)
            parts = [means] if isinstance(samples[0], SampleBatch) else means
            for sample, part in zip(samples, parts, strict=True):
                sample.set_data({name: part})
        for sample in samples:
            sample.set_metainfo(merged.metainfo)
            if not isinstance(sample, SampleBatch):
                sample.set_pred_label(int(sample.pred_score.argmax()))
        return samples

    def merge_preds(self, data_samples_list: Any) -> Any:
        """Not used: the views are merged in :meth:`test_step`."""
        raise NotImplementedError
