"""Half a face of one person, half of another, of the same class."""

import torch
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor


def partners(labels: Tensor, keys: Tensor) -> Tensor:
    """Return for each photo the index of another photo of its class, or its own if it has none.

    The photos of a class stand in a circle in the order of their random keys; the partner of each
    is the next. So every photo is the partner of exactly one.

    Shape:
        ``labels``: (N,) integers; ``keys``: (N,) floats; result: (N,).
    """
    shuffled = torch.argsort(keys)
    circle = shuffled[torch.argsort(labels[shuffled], stable=True)]  # classes lie together
    ranked = labels[circle]
    first = torch.searchsorted(ranked, ranked)
    last = torch.searchsorted(ranked, ranked, right=True) - 1
    place = torch.arange(len(labels), device=labels.device)
    partner = torch.empty_like(circle)
    partner[circle] = circle[torch.where(place == last, first, place + 1)]
    return partner


@BATCH_AUGMENTS.register_module()
class HalfFaceCutMix:
    """Join the left half of each photo and the right half of another of the same class.

    A vertical cut of CutMix (Yun et al. 2019) that keeps labels hard: two people share the class,
    so no label is mixed, and the halves of two centred portraits meet at the nose. Of a class that
    the batch holds once, the photo stays whole. To be named in ``batch_augments``, whose
    ``probs`` give the share of batches.
    """

    def __call__(self, photos: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return joined photos and the mean of the two photos' scores.

        Shape:
            ``photos``: (N, C, H, W); ``scores``: (N, 18), the largest tells the class.
        """
        # Drawn on the CPU: the same partners on any device.
        keys = torch.rand(len(photos)).to(scores.device)
        partner = partners(scores.argmax(dim=1), keys)
        middle = photos.shape[3] // 2
        joined = photos.clone()
        joined[..., middle:] = photos[..., middle:][partner]
        return joined, (scores.float() + scores[partner].float()) / 2
