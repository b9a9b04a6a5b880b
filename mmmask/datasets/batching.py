"""Stack photos into a batch inside the data worker."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.registry import FUNCTIONS

from mmmask.structures import SampleBatch


@FUNCTIONS.register_module()
def stack_photos(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Collate packed photos into one uint8 tensor and one :class:`SampleBatch`.

    Only a few tensors cross to the main process, however large the batch.

    Shape:
        ``inputs``: (N, 3, H, W) uint8, channels last in memory.
    """
    samples = [item["data_samples"] for item in items]
    photos = torch.stack([item["inputs"].permute(1, 2, 0) for item in items])  # (N, H, W, 3)
    batch = SampleBatch()
    batch.sample_idx = torch.tensor([sample.sample_idx for sample in samples])
    if "gt_label" in samples[0]:
        batch.gt_label = torch.cat([sample.gt_label for sample in samples])
    if "age" in samples[0]:
        batch.age = torch.cat([sample.age for sample in samples])
    if "weight" in samples[0]:
        batch.weight = torch.cat([sample.weight for sample in samples])
    return {"inputs": photos.permute(0, 3, 1, 2), "data_samples": [batch]}
