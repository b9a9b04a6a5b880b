"""MobileNetV1 as TensorFlow builds it, its batch norms folded into the convolutions."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from mmmask.errors import InputError

#: Channels after the first convolution, and (channels, stride) of each depthwise separable block:
#: Howard et al. 2017, "MobileNets", table 1.
STEM_CHANNELS = 32
BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
    (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip

#: Weights to start from scratch: a depthwise convolution sums over one channel.
KAIMING = {"type": "Kaiming", "layer": "Conv2d", "mode": "fan_in"}


class IdentityNorm(nn.BatchNorm2d):
    """A batch norm that changes nothing at first, in training either.

    An ordinary one would divide by the statistics of each batch, which is far from what weights
    that never had it were trained for. So the first training batch, of all processes together,
    sets statistics, scale and shift to its own mean and standard deviation.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        nn.init.constant_(self.weight, (1 + self.eps) ** 0.5)
        self._may_be_new = True  # spares the GPU a question in each step

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self._may_be_new:
            self._may_be_new = False
            if self.num_batches_tracked == 0:
                self._fit(x.detach().float())
        return super().forward(x)

    @torch.no_grad()
    def _fit(self, x: Tensor) -> None:
        mean, square = moments = torch.stack([x.mean((0, 2, 3)), x.square().mean((0, 2, 3))])
        all_reduce(moments, op="mean")
        variance = (square - mean.square()).clamp_min(0)
        self.running_mean.copy_(mean)
        self.running_var.copy_(variance)
        self.weight.copy_((variance + self.eps).sqrt())
        self.bias.copy_(mean)


class ConvReLU6(nn.Conv2d):
    """A convolution with TensorFlow's padding "SAME", perhaps a batch norm, and ReLU6.

    Shape:
        (N, in, H, W) -> (N, out, H / stride, W / stride), rounded up.
    """

    def __init__(
        self,
        channels: tuple[int, int],
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        batch_norm: bool = False,
    ) -> None:
        super().__init__(*channels, kernel, stride, padding=kernel // 2, groups=groups)
        self.norm = IdentityNorm(channels[1]) if batch_norm else None

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == (2, 2):  # an even side is padded at its far end alone
            height, width = x.shape[2:]
            x = functional.pad(x, (width % 2, 1, height % 2, 1))
            x = functional.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)
        else:
            x = super().forward(x)
        if self.norm is not None:
            x = self.norm(x)
        return functional.relu6(x, inplace=True)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Fold the batch norm of the file, or add the identity, where only one side has one."""
        own = f"{prefix}norm."
        given = {name: state[name] for name in state if name.startswith(own)}
        if self.norm is not None and not given:
            state.update(IdentityNorm(self.out_channels).state_dict(prefix=own))
        elif self.norm is None and given:
            norm = IdentityNorm(self.out_channels)
            norm.load_state_dict({name.removeprefix(own): state.pop(name) for name in given})
            names = [prefix + part for part in ("weight", "bias")]
            folded = fuse_conv_bn_weights(
                *(state[name] for name in names),
                norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias,
            )  # fmt: skip
            state.update(zip(names, folded, strict=True))
        super()._load_from_state_dict(state, prefix, *rest)


class SeparableBlock(nn.Module):
    """A depthwise convolution, then a pointwise one."""

    def __init__(self, into: int, out: int, stride: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.depthwise = ConvReLU6(
            (into, into), 3, stride=stride, groups=into, batch_norm=batch_norm
        )
        self.pointwise = ConvReLU6((into, out), 1, batch_norm=batch_norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


@MODELS.register_module()
class FoldedMobileNetV1(BaseBackbone):
    """MobileNetV1 (Howard et al. 2017, "MobileNets") with TensorFlow's padding, of full width.

    It has no batch norms, as weights published for inference have them folded into the
    convolutions. Files of such weights name the convolutions by their place in a plain sequence
    of convolutions and activations, ``0.weight``, ``2.weight``, ``4.weight``, and expect photos in
    BGR. They are read as well as checkpoints of ours, and turned to RGB by that.

    Args:
        out_indices: The blocks whose maps are given, in ascending order: from 1 to 13. Blocks after
            the last of them are left out.
        first_block: The block to begin with; above 1, the network takes the map of the block
            before instead of photos, and ``out_indices`` may name that too. So the last blocks
            are a part of the neck that learns from stored maps of a frozen backbone.
        frozen_stages: 0 keeps the first convolution as it is, n that and the first n blocks;
            -1 trains all.
        batch_norm: Whether each convolution has a batch norm again, for fine-tuning; filled with
            folded weights, the network computes the same at first.
        init_cfg: Of MMEngine.

    Shape:
        (N, 3, H, W), or with ``first_block`` a map or a tuple whose last entry it is -> a tuple of
        maps; that of block 13 is (N, 1024, H / 32, W / 32), rounded up.

    Raises:
        InputError: An option is out of its range.
    """

    def __init__(
        self,
        *,
        out_indices: Sequence[int] = (len(BLOCKS),),
        first_block: int = 1,
        frozen_stages: int = -1,
        batch_norm: bool = False,
        init_cfg: Any = KAIMING,
    ) -> None:
        super().__init__(init_cfg)
        if first_block not in range(1, len(BLOCKS) + 1):
            raise InputError(
                f"backbone.first_block must be a whole number from 1 to {len(BLOCKS)}; got "
                f"{first_block}"
            )
        known = range(max(first_block - 1, 1), len(BLOCKS) + 1)
        rising = list(out_indices) == sorted(set(out_indices) & set(known))
        if not out_indices or not rising or out_indices[-1] < first_block:
            raise InputError(
                f"backbone.out_indices must be ascending numbers of blocks from {known[0]} to "
                f"{known[-1]}, the last at least {first_block}; got {out_indices}"
            )
        if frozen_stages not in range(-1, len(BLOCKS) + 1):
            raise InputError(
                f"backbone.frozen_stages must be a whole number from -1 to {len(BLOCKS)}; got "
                f"{frozen_stages}"
            )
        self.out_indices, self.frozen_stages = tuple(out_indices), frozen_stages
        self.first_block = first_block
        self.stem: nn.Module = nn.Identity()
        if first_block == 1:
            self.stem = ConvReLU6((3, STEM_CHANNELS), 3, stride=2, batch_norm=batch_norm)
        self.blocks = nn.ModuleList()
        into = STEM_CHANNELS
        for number, (out, stride) in enumerate(BLOCKS[: out_indices[-1]], start=1):
            if number >= first_block:
                self.blocks.append(SeparableBlock(into, out, stride, batch_norm=batch_norm))
            into = out
        self._freeze()

    def forward(self, x: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x = self.stem(x[-1] if isinstance(x, tuple) else x)
        before = self.first_block - 1
        maps = [x] if before in self.out_indices else []
        for number, block in enumerate(self.blocks, start=self.first_block):
            x = block(x)
            if number in self.out_indices:
                maps.append(x)
        return tuple(maps)

    def train(self, mode: bool = True) -> "FoldedMobileNetV1":
        """Set the mode of all parts but the frozen ones, which stay in evaluation mode."""
        super().train(mode)
        self._freeze()
        return self

    def _freeze(self) -> None:
        parts = dict(enumerate(self.blocks, start=self.first_block))
        for number, part in {0: self.stem, **parts}.items():
            if number <= self.frozen_stages:
                part.eval()
                part.requires_grad_(False)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take files of folded weights too: their names, and their order of colours."""
        if self.first_block == 1 and f"{prefix}0.weight" in state:
            state[f"{prefix}0.weight"] = state[f"{prefix}0.weight"].flip(1)  # BGR -> RGB
        convolutions = [name for name, part in self.named_modules() if isinstance(part, ConvReLU6)]
        # The stem is the first of them, and each block has two.
        first = 0 if self.first_block == 1 else 2 * self.first_block - 1
        for place, name in enumerate(convolutions, start=first):
            for part in ("weight", "bias"):
                given = f"{prefix}{2 * place}.{part}"
                if given in state:
                    state[f"{prefix}{name}.{part}"] = state.pop(given)
        # Those of blocks that are left out, by which MMEngine would warn of a wrong file.
        for place in range(1 + 2 * len(BLOCKS)):
            for part in ("weight", "bias"):
                state.pop(f"{prefix}{2 * place}.{part}", None)
        super()._load_from_state_dict(state, prefix, *rest)
