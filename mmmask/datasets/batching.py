"""Stack photos into a batch inside the data worker."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.registry import FUNCTIONS
from torch import Tensor

from mmmask.structures import LEARNED, SampleBatch, stacked


@FUNCTIONS.register_module()
def stack_photos(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Collate packed photos into one uint8 tensor and one :class:`SampleBatch`.

    Only a few tensors cross to the main process, however large the batch. Views of MMPretrain's
    ``TestTimeAug`` become a list of batches, as its ``AverageClsScoreTTA`` expects.

    Shape:
        ``inputs``: (N, 3, H, W) uint8, channels last in memory.
    """
    if isinstance(items[0]["inputs"], list):
        views = range(len(items[0]["inputs"]))
        batches = [stack_photos([_view(item, view) for item in items]) for view in views]
        return {name: [batch[name] for batch in batches] for name in batches[0]}
    samples = [item["data_samples"] for item in items]
    photos = torch.stack([item["inputs"].permute(1, 2, 0) for item in items])  # (N, H, W, 3)
    batch = SampleBatch()
    batch.sample_idx = torch.tensor([sample.sample_idx for sample in samples])
    batch.img_path = [sample.get("img_path") for sample in samples]
    for name in LEARNED:
        if (column := stacked(samples, name)) is not None:
            batch.set_field(column, name)
    return {"inputs": photos.permute(0, 3, 1, 2), "data_samples": batch}


def _view(item: dict[str, Any], view: int) -> dict[str, Any]:
    return {name: views[view] for name, views in item.items()}


@FUNCTIONS.register_module()
def stack_views(items: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
    """Collate what ``TwoViews`` packed: view -> (U, 3, H, W) uint8, channels last in memory."""
    return {
        view: stack_photos([item[view] for item in items])["inputs"] for view in ("weak", "strong")
    }
