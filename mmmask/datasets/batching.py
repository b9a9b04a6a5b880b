"""Stack photos into a batch inside the data worker."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.registry import FUNCTIONS
from torch import Tensor
from torch.utils.data import default_collate, get_worker_info

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
    batch = SampleBatch()
    batch.sample_idx = torch.tensor([sample.sample_idx for sample in samples])
    batch.img_path = [sample.get("img_path") for sample in samples]
    for name in LEARNED:
        if (column := stacked(samples, name)) is not None:
            batch.set_field(column, name)
    parts = [item["inputs"].permute(1, 2, 0) for item in items]
    with _shared_memory(sum(part.nbytes for part in parts)):
        photos = default_collate(parts)  # (N, H, W, 3), of a data worker in shared memory
        if get_worker_info() is not None:
            for column in batch.values():
                if isinstance(column, Tensor):
                    column.share_memory_()
    return {"inputs": photos.permute(0, 3, 1, 2), "data_samples": batch}


@contextmanager
def _shared_memory(size: int) -> Iterator[None]:
    """Say in a sentence that a batch, of ``size`` bytes, finds no shared memory.

    What is not yet there when it leaves a data worker, torch moves there in a thread whose errors
    are only printed: the main process would wait for the batch for ever.

    Raises:
        InputError: The system has no shared memory for it.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("unable to "):  # as torch says of what the system refuses
            raise
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
