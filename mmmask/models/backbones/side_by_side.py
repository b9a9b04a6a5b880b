"""Several networks that look at the same photo, as one backbone."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from mmmask.errors import InputError


class _View(nn.Module):
    """Cut a window out of photos, resize it, and normalise its pixels."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        window: Sequence[float] = (0.0, 1.0, 0.0, 1.0),
        size: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        top, bottom, left, right = window
        if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
            raise InputError(
                "backbone.networks: window must be (top, bottom, left, right), shares of height "
                f"and width in [0, 1] and ascending; got {tuple(window)}"
            )
        self.window, self.size = tuple(window), size and tuple(size)
        for name, values in (("mean", mean), ("std", std)):
            value = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)
            self.register_buffer(name, value, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        top, bottom = (round(share * height) for share in self.window[:2])
        left, right = (round(share * width) for share in self.window[2:])
        x = x[..., top:bottom, left:right]
        if self.size is not None:
            x = functional.interpolate(x, self.size, mode="bilinear", antialias=True)
        return (x - self.mean) / self.std


@MODELS.register_module()
class SideBySide(BaseModule):
    """Networks that were trained apart, each with its own preprocessing; their maps together.

    The config's own ``preprocessing`` leaves pixels as they are: mean 0, std 1.

    Args:
        networks: Name -> ``backbone``, the config of one; ``mean`` and ``std`` in RGB, of pixels
            from 0 to 255; and perhaps ``size``, (height, width) to which photos are resized, and
            ``window``, (top, bottom, left, right) in shares of the photo, which is cut out before.
        init_cfg: Of MMEngine: a file whose names begin with ``backbone.networks.NAME.``.

    Shape:
        (N, 3, H, W) -> a tuple of the maps of all networks, in their order.

    Raises:
        InputError: An option is out of its range.
    """

    def __init__(self, networks: Mapping[str, Mapping[str, Any]], *, init_cfg: Any = None) -> None:
        super().__init__(init_cfg)
        self.networks, self.views = nn.ModuleDict(), nn.ModuleDict()
        for name, options in networks.items():
            rest = {key: value for key, value in options.items() if key != "backbone"}
            try:
                self.views[name] = _View(**rest)
                self.networks[name] = MODELS.build(dict(options["backbone"]))
            except (KeyError, TypeError) as error:
                raise InputError(
                    f"backbone.networks.{name} must have backbone, mean and std, and may have size "
                    f"and window; got {', '.join(options)}"
                ) from error

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps: list[Tensor] = []
        for name, network in self.networks.items():
            maps += network(self.views[name](x))
        return tuple(maps)
