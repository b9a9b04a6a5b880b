"""From a uint8 batch to the network's input, on the device."""

from typing import Any

import torch
from mmpretrain.models import ClsDataPreprocessor
from mmpretrain.registry import MODELS
from torch import Tensor

from mmmask.labels import NUM_CLASSES
from mmmask.structures import SampleBatch, stack_ages


@MODELS.register_module()
class FacePreprocessor(ClsDataPreprocessor):
    """Move, normalise and, in training, mix a stacked batch.

    Batches without a :class:`SampleBatch` (MMPretrain's inferencer, lists of photos) take
    MMPretrain's own path, with the same numbers.

    Args:
        mean: Per channel, RGB, on the scale 0 to 255.
        std: Likewise.
        batch_augments: MMPretrain's ``RandomBatchAugment`` options, e.g. for Mixup and CutMix.
    """

    def __init__(
        self,
        *,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        batch_augments: dict | None = None,
    ) -> None:
        super().__init__(
            mean=mean,
            std=std,
            to_rgb=True,
            to_onehot=batch_augments is not None,
            num_classes=NUM_CLASSES,
            batch_augments=batch_augments,
        )

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Return ``inputs``, (N, 3, H, W) float32 RGB and channels last, and ``data_samples``."""
        samples = data.get("data_samples")
        if not (samples and isinstance(samples[0], SampleBatch)):
            return super().forward(data, training)
        data = self.cast_data(data)
        inputs = normalized(data["inputs"], self.mean, self.std)
        batch: SampleBatch = data["data_samples"][0]
        if training and self.batch_augments is not None:
            scores = torch.nn.functional.one_hot(batch.gt_label, NUM_CLASSES).float()
            if "age" in batch:
                # Side by side, so that both are mixed by the same shares; halved, so that the
                # largest score still tells the class.
                scores = torch.cat([scores, stack_ages([batch]) / 2], dim=1)
            inputs, scores = self.batch_augments(inputs, scores)
            batch.gt_score = scores[:, :NUM_CLASSES]
            if "age" in batch:
                batch.age_score = 2 * scores[:, NUM_CLASSES:]
        return {"inputs": inputs, "data_samples": [batch]}


def normalized(photos: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Turn uint8 BGR photos into ``(RGB - mean) / std``.

    Shape:
        ``photos``: (N, 3, H, W); ``mean``, ``std``: (3, 1, 1); the memory format stays.
    """
    return photos.flip(1).float().sub_(mean).div_(std)
