"""A neck that sees several depths of a backbone at once."""

import torch
from mmpretrain.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class PooledLayers(nn.Module):
    """The means of all maps of a backbone over their places, side by side.

    Early layers know what late ones have learned to ignore, such as masks in a network for faces.
    The backbone's ``out_indices`` choose the layers; ``features`` of a config is their sum.

    Shape:
        a tuple of (N, C_k, H_k, W_k), or one of them -> a tuple of one (N, sum of C_k).
    """

    def forward(self, maps: tuple[Tensor, ...] | Tensor) -> tuple[Tensor]:
        maps = (maps,) if isinstance(maps, Tensor) else maps
        return (torch.cat([one.mean(dim=(2, 3)) for one in maps], dim=1),)
