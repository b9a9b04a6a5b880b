"""What the consistency losses share: their weight, its ramp, and who is confident."""

from typing import ClassVar

from torch import Tensor, nn

from mmmask.errors import InputError
from mmmask.models.consistency.schedules import ramp_up


class ConsistencyLoss(nn.Module):
    """Mean over the unlabelled photos of how far two views of one photo disagree.

    The weakly augmented view is the teacher and gets no gradient. Photos of which it is not
    confident count 0 in the sum and 1 in the denominator, as in both papers' code. The mean is
    that of the process; all have the same number of unlabelled photos, so that DDP's mean over
    them is the mean over the whole batch.

    Args:
        weight: Of the loss beside the supervised one, at least 0. UDA (CIFAR-10) and FixMatch: 1.
        threshold: In [0, 1): the teacher's largest probability must be above it (FixMatch: at
            least as large); None: that of the paper on CIFAR-10.
        ramp: Share of the training, in [0, 1], over which the weight rises, see :func:`ramp_up`.

    Shape:
        ``weak``, ``strong``: (U, C) logits; result: scalar loss, and the confident share.
    """

    paper_threshold: ClassVar[float]

    def __init__(
        self, *, weight: float = 1.0, threshold: float | None = None, ramp: float = 0.0
    ) -> None:
        super().__init__()
        threshold = self.paper_threshold if threshold is None else threshold
        if weight < 0:
            raise InputError(f"semi.consistency.weight must be at least 0, got {weight}")
        if not 0 <= threshold < 1:
            raise InputError(f"semi.consistency.threshold must be in [0, 1), got {threshold}")
        if not 0 <= ramp <= 1:
            raise InputError(
                f"semi.consistency.ramp must be a share of the training from 0 to 1, got {ramp}"
            )
        self.weight, self.threshold, self.ramp = weight, threshold, ramp

    def forward(self, weak: Tensor, strong: Tensor, progress: float) -> tuple[Tensor, Tensor]:
        """Return the weighted loss and the share of the photos that took part.

        ``progress`` is the share of the training that is over, in [0, 1].
        """
        losses, confident = self.photo_losses(weak.detach().float(), strong.float())
        factor = self.weight * ramp_up(progress, self.ramp)
        return factor * losses.mean(), confident.float().mean()

    def photo_losses(self, weak: Tensor, strong: Tensor) -> tuple[Tensor, Tensor]:
        """Return each photo's loss, 0 without confidence, and who is confident: (U,) and (U,)."""
        raise NotImplementedError
