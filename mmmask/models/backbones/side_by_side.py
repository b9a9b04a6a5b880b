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
    """Cut windows out of photos, resize them, and normalise their pixels.

    Shape:
        (N, 3, H, W) -> as many (N, 3, height, width) as there are shifts.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        window: Sequence[float] = (0.0, 1.0, 0.0, 1.0),
        size: Sequence[int] | None = None,
        shifts: Sequence[float] = (0.0,),
    ) -> None:
        super().__init__()
        top, bottom, left, right = window
        if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
            raise InputError(
                "backbone.networks: window must be (top, bottom, left, right), shares of height "
                f"and width from 0 to 1, ascending; got {tuple(window)}"
            )
        if not shifts or not all(-1 < shift < 1 for shift in shifts):
            raise InputError(
                "backbone.networks: shifts must be at least one share of the height between -1 and "
                f"1; got {tuple(shifts)}"
            )
        self.window, self.size, self.shifts = tuple(window), size and tuple(size), tuple(shifts)
        for name, values in (("mean", mean), ("std", std)):
            value = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)
            self.register_buffer(name, value, persistent=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        height, width = x.shape[-2:]
        rows = [round(share * height) for share in self.window[:2]]
        left, right = (round(share * width) for share in self.window[2:])
        moves = [round(shift * height) for shift in self.shifts]
        # Where a window leaves the photo, the nearest row is repeated.
        over = max(0, -min(moves) - rows[0]), max(0, max(moves) + rows[1] - height)
        x = functional.pad(x, (0, 0, *over), mode="replicate")
        windows = []
        for move in moves:
            first, last = (row + move + over[0] for row in rows)
            window = x[..., first:last, left:right]
            if self.size is not None:
                window = functional.interpolate(window, self.size, mode="bilinear", antialias=True)
            windows.append((window - self.mean) / self.std)
        return windows


@MODELS.register_module()
class SideBySide(BaseModule):
    """Networks that were trained apart, each with its own preprocessing; their maps together.

    The config's own ``preprocessing`` leaves pixels as they are: mean 0, std 1.

    Args:
        networks: Name -> ``backbone``, the config of one; ``mean`` and ``std`` in RGB, of pixels
            from 0 to 255; and perhaps ``window``, (top, bottom, left, right) in shares of the
            photo, which is cut out; ``shifts``, by which shares of the height it is moved down, to
            take the mean of what the network gives of each; and ``size``, (height, width) to which
            a window is resized.
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
                    f"backbone.networks.{name} must have backbone, mean and std, and may have "
                    f"window, shifts and size; got {', '.join(options)}"
                ) from error

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps: list[Tensor] = []
        for name, network in self.networks.items():
            windows = self.views[name](x)
            seen = network(torch.cat(windows))
            maps += [one.unflatten(0, (len(windows), -1)).mean(0) for one in seen]
        return tuple(maps)
