"""A neck that learns: one hidden layer between pooled features and the classifiers."""

from collections.abc import Sequence

import torch
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from mmmask.errors import InputError


@MODELS.register_module()
class HiddenLayer(nn.Module):
    """Standardise, drop, transform linearly, cut off below 0.

    Args:
        in_channels: Length D of the feature.
        width: Length of the result.
        dropout: Probability in [0, 1) that an entry of the standardised feature is dropped in
            training, that is, replaced by its mean.
        columns: (first, end) of the entries that it looks at, such as those of one of several
            networks; None: all.

    Shape:
        a tuple whose last entry is (N, D), or that entry -> a tuple of one (N, width).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        in_channels: int,
        *,
        width: int,
        dropout: float = 0.0,
        columns: Sequence[int] | None = None,
    ) -> None:
        if not 0 <= dropout < 1:
            raise InputError(f"HiddenLayer.dropout must be at least 0 and below 1; got {dropout}")
        if columns is not None and (
            len(columns) != 2 or not 0 <= columns[0] < columns[1] <= in_channels
        ):
            raise InputError(
                f"HiddenLayer.columns must be (first, end), ascending from 0 to {in_channels}; got "
                f"{tuple(columns)}"
            )
        super().__init__()
        self.seen = slice(*(columns or (0, in_channels)))
        length = self.seen.stop - self.seen.start
        self.register_buffer("mean", torch.zeros(length))
        self.register_buffer("deviation", torch.ones(length))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(length, width)

    @torch.no_grad()
    def standardize(self, features: Tensor) -> None:
        """Take mean and deviation of the training photos, (N, D); before the first step."""
        features = features[:, self.seen]
        self.mean.copy_(features.mean(dim=0))
        spread = features.std(dim=0)
        constant = spread < 1e-6 * (1 + self.mean.abs())  # says nothing
        self.deviation.copy_(torch.where(constant, 1e30, spread))  # not inf, which looks diverged

    def forward(self, feats: tuple[Tensor, ...] | Tensor) -> tuple[Tensor]:
        feature = feats[-1] if isinstance(feats, tuple) else feats
        scaled = (feature[:, self.seen] - self.mean) / self.deviation
        return (self.fc(self.dropout(scaled)).relu(),)
