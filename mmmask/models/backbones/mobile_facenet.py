"""MobileFaceNet, which tells people apart by their faces, its batch norms folded in."""

from typing import Any

from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor, nn

#: (channels, channels between, stride, how often), Chen et al. 2018, "MobileFaceNets", table 1, of
#: twice the channels between in the stages of one block, as published weights have them.
STAGES = (
    (64, 128, 2, 1), (64, 128, 1, 4), (128, 256, 2, 1), (128, 256, 1, 6), (128, 512, 2, 1),
    (128, 256, 1, 2),
)  # fmt: skip
#: Channels of the first map, and of the embedding.
STEM_CHANNELS, EMBEDDING = 64, 512
#: Height and width in pixels of the photos that it takes: its last kernel has the size of the map.
SIDE = 112


class ConvPReLU(nn.Sequential):
    """A convolution that keeps the size, or divides it by ``stride``, and PReLU."""

    def __init__(self, into: int, out: int, kernel: int, *, stride: int = 1, groups: int = 1):
        super().__init__(
            nn.Conv2d(into, out, kernel, stride, padding=kernel // 2, groups=groups), nn.PReLU(out)
        )


class Bottleneck(nn.Module):
    """Widen, look at 3x3 places of each channel, narrow; add the input where it has that shape."""

    def __init__(self, into: int, out: int, between: int, *, stride: int, residual: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ConvPReLU(into, between, 1),
            ConvPReLU(between, between, 3, stride=stride, groups=between),
            nn.Conv2d(between, out, 1),
        )
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


@MODELS.register_module()
class MobileFaceNet(BaseModule):
    """MobileFaceNet (Chen et al. 2018) for photos of 112x112, without batch norms.

    Published weights for inference have these folded into the convolutions. It expects RGB, less
    127, over 128, and eyes 36 pixels apart, 52 below the upper edge.

    Args:
        init_cfg: Of MMEngine.

    Shape:
        (N, 3, 112, 112) -> a tuple of one (N, 512, 1, 1), by whose direction faces are compared.
    """

    def __init__(self, *, init_cfg: Any = None) -> None:
        super().__init__(init_cfg)
        self.stem = nn.Sequential(
            ConvPReLU(3, STEM_CHANNELS, 3, stride=2),
            ConvPReLU(STEM_CHANNELS, STEM_CHANNELS, 3, groups=STEM_CHANNELS),
        )
        self.blocks = nn.Sequential()
        into = STEM_CHANNELS
        for out, between, stride, times in STAGES:
            for _ in range(times):
                self.blocks.append(
                    Bottleneck(into, out, between, stride=stride, residual=stride == 1)
                )
                into = out
        self.embedding = nn.Sequential(
            ConvPReLU(into, EMBEDDING, 1),
            nn.Conv2d(EMBEDDING, EMBEDDING, SIDE // 16, groups=EMBEDDING),
            nn.Conv2d(EMBEDDING, EMBEDDING, 1),
        )

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (self.embedding(self.blocks(self.stem(x))),)
