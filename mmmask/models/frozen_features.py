"""What a frozen backbone sees in photos, from edges to objects."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmmask.models.layers import blocks

#: Most numbers that one depth gives for a photo: maps are pooled to fewer places.
MOST = 3000


@contextmanager
def tapped(backbone: nn.Module, depths: int) -> Iterator[list[Tensor]]:
    """Yield a list that a forward pass fills with the outputs of blocks at evenly spaced depths.

    The list is emptied by each pass; the last block is among those tapped.
    """
    found: list[Tensor] = []
    order = list(blocks(backbone))
    chosen = sorted({round(len(order) * (k + 1) / depths) - 1 for k in range(depths)} - {-1})

    def keep(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        found.append(output[0] if isinstance(output, (tuple, list)) else output)

    def clear(module: nn.Module, inputs: tuple) -> None:
        found.clear()

    handles = [order[index].register_forward_hook(keep) for index in chosen]
    handles.append(backbone.register_forward_pre_hook(clear))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def pooled(output: Tensor, most: int = MOST) -> Tensor:
    """Return the output of a block as one row per photo, averaged over places to at most ``most``.

    Shape:
        ``output``: (N, C, H, W), or (N, L, C) of a transformer -> (N, C * places).
    """
    if output.dim() == 3:
        return output.mean(dim=1)
    side = max(1, int((most / output.shape[1]) ** 0.5))
    size = [min(side, length) for length in output.shape[2:]]
    return functional.adaptive_avg_pool2d(output.float(), size).flatten(1)


@torch.no_grad()
def features(backbone: nn.Module, photos: Tensor, depths: int) -> list[Tensor]:
    """Return the features of photos at several depths, averaged over each photo and its mirror.

    Shape:
        ``photos``: (N, 3, H, W) -> at most ``depths`` times (N, D).
    """
    views = []
    with tapped(backbone, depths) as outputs:
        for view in (photos, photos.flip(-1)):
            backbone(view)
            views.append([pooled(output) for output in outputs])
    return [(one + mirrored) / 2 for one, mirrored in zip(*views, strict=True)]
