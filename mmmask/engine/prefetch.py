"""Copy the next batch to the device while the step on this one runs."""

from collections.abc import Iterator
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor
from torch.utils.data import DataLoader


def moved(data: Any, device: torch.device) -> Any:
    """Return a batch with every tensor on a device; copies from pinned memory do not block."""
    if isinstance(data, (Tensor, BaseDataElement)):
        return data.to(device, non_blocking=True)
    if isinstance(data, dict):
        return {key: moved(value, device) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return type(data)(moved(value, device) for value in data)
    return data


def tensors_of(data: Any) -> Iterator[Tensor]:
    """Yield every tensor of a batch."""
    if isinstance(data, Tensor):
        yield data
    elif isinstance(data, (dict, BaseDataElement)):
        yield from tensors_of(list(data.values()))
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from tensors_of(value)


class DevicePrefetcher:
    """A dataloader whose batches are on the device, always one ahead of the batch in use.

    On a GPU the copy runs on a stream of its own beside the step. Everything but iteration is
    the dataloader's, so a Runner takes one for the other.

    Args:
        loader: The dataloader; with ``pin_memory`` its copies do not wait for the host.
        device: Where the batches go.
    """

    def __init__(self, loader: DataLoader, device: torch.device) -> None:
        self.loader = loader
        self.device = device

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        on_gpu = self.device.type == "cuda"
        copying = torch.cuda.Stream(self.device) if on_gpu else None
        ahead: list[Any] = []
        for batch in self.loader:
            with torch.cuda.stream(copying):  # a stream of None changes nothing
                ahead.append(moved(batch, self.device))
            if len(ahead) == 2:
                yield self._ready(ahead.pop(0), copying)
        if ahead:
            yield self._ready(ahead.pop(0), copying)

    def _ready(self, batch: Any, copying: "torch.cuda.Stream | None") -> Any:
        """Let the step wait for the copy, and the allocator for the step."""
        if copying is not None:
            computing = torch.cuda.current_stream(self.device)
            computing.wait_stream(copying)
            for tensor in tensors_of(batch):
                tensor.record_stream(computing)
        return batch
