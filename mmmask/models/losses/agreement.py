"""How far a model's answers to photos of one person lie apart."""

import torch
from torch import Tensor


def divergences_from_mean(
    probabilities: Tensor, people: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Return ``KL(p_i || m)`` of each photo, m the mean over the photos of its person.

    The mean of these over one person is the generalised Jensen-Shannon divergence of the photos'
    distributions (Lin 1991, "Divergence Measures Based on the Shannon Entropy"), with which
    Hendrycks et al. 2020, "AugMix", teach a network to answer views of a photo alike. It treats
    all photos alike, and n photos differ by at most log n nats, however sure the network is.

    The mean is taken as given: the sum over a person is least there, so that the gradient through
    it is 0 anyway.

    A photo whose person is unknown (-1), or has no other photo here, has exactly 0.

    Args:
        probabilities: Of each photo, (N, C).
        people: Code of each photo's person, (N,) integers.
        weight: Of each photo in the mean of its person, (N,); None is 1.
    """
    least = torch.finfo(probabilities.dtype).tiny
    same = (people[:, None] == people) & (people >= 0)  # (N, N)
    shares = same.to(probabilities)
    if weight is not None:
        shares = shares * weight.to(probabilities)
    with torch.no_grad():
        mean = shares @ probabilities / shares.sum(dim=1, keepdim=True).clamp_min(least)
    # Clamped: the gradient of p log p has no limit at 0.
    logs = probabilities.clamp_min(least).log() - mean.clamp_min(least).log()
    divergences = (probabilities * logs).sum(dim=1)
    return divergences * (same.sum(dim=1) > 1)
