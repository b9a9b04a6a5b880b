"""Stack photos into a batch inside the data worker."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.registry import FUNCTIONS
from torch import Tensor
from torch.utils.data import get_worker_info

from mmmask.errors import InputError, first_line
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
    _share([photos, *(value for value in batch.values() if isinstance(value, Tensor))])
    return {"inputs": photos.permute(0, 3, 1, 2), "data_samples": batch}


def _share(tensors: Sequence[Tensor]) -> None:
    """Put what leaves a data worker where the main process reads it.

    torch would do so later, in a thread whose errors are only printed: the main process would wait
    for the batch for ever.

    Raises:
        InputError: The system has no shared memory for it.
    """
    if get_worker_info() is None:
        return
    try:
        for tensor in tensors:
            tensor.share_memory_()
    except RuntimeError as error:
        size = sum(tensor.nbytes for tensor in tensors)
        raise InputError(
            f"a data worker needs {size} bytes of shared memory for each batch, and the system "
            f"refuses them ({first_line(error)}); allow more (ulimit -f, a larger /dev/shm), "
            "ask for smaller batches (train_dataloader.batch_size=16), or do without data workers "
            "(train_dataloader.num_workers=0 val_dataloader.num_workers=0 "
            "test_dataloader.num_workers=0)"
        ) from error


def _view(item: dict[str, Any], view: int) -> dict[str, Any]:
    return {name: views[view] for name, views in item.items()}


@FUNCTIONS.register_module()
def stack_views(items: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
    """Collate what ``TwoViews`` packed: view -> (U, 3, H, W) uint8, channels last in memory."""
    return {
        view: stack_photos([item[view] for item in items])["inputs"] for view in ("weak", "strong")
    }
