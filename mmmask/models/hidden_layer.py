"""A neck that learns: one hidden layer between pooled features and the classifiers."""

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

    Shape:
        a tuple whose last entry is (N, D), or that entry -> a tuple of one (N, width).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, in_channels: int, *, width: int, dropout: float = 0.0) -> None:
        if not 0 <= dropout < 1:
            raise InputError(f"HiddenLayer.dropout must be in [0, 1), got {dropout}")
        super().__init__()
        self.register_buffer("mean", torch.zeros(in_channels))
        self.register_buffer("deviation", torch.ones(in_channels))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(in_channels, width)

    @torch.no_grad()
    def standardize(self, features: Tensor) -> None:
        """Take mean and deviation of the training photos, (N, D); before the first step."""
        self.mean.copy_(features.mean(dim=0))
        spread = features.std(dim=0)
        constant = spread < 1e-6 * (1 + self.mean.abs())  # says nothing
        self.deviation.copy_(torch.where(constant, 1e30, spread))  # not inf, which looks diverged

    def forward(self, feats: tuple[Tensor, ...] | Tensor) -> tuple[Tensor]:
        feature = feats[-1] if isinstance(feats, tuple) else feats
        scaled = (feature - self.mean) / self.deviation
        return (self.fc(self.dropout(scaled)).relu(),)
