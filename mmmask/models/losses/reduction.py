"""From losses of single classes to one number: targets, class weights and the mean over ranks."""

from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional


def at_least_float32(values: Tensor) -> Tensor:
    """Return half precision as float32; float32 and float64 stay."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def as_distribution(target: Tensor, *, num_classes: int, dtype: torch.dtype) -> Tensor:
    """Return targets as shares: labels (N,) as one-hot rows, soft ones (N, C) unchanged.

    Of a set of classes, a row of booleans, each class has 1.
    """
    if target.ndim == 1:
        target = functional.one_hot(target.long(), num_classes)
    return target.to(dtype)


def smooth(target: Tensor, label_smoothing: float) -> Tensor:
    """Return the target (N, C) with a share in [0, 1] of it moved evenly onto all C classes."""
    return (1 - label_smoothing) * target + label_smoothing / target.shape[1]


def weigh_classes(
    class_losses: Tensor,
    target: Tensor,
    *,
    class_weight: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return ``sum_c w_c q_c l_c`` of every photo, q the smoothed target.

    As in :func:`torch.nn.functional.cross_entropy`, smoothing moves ``label_smoothing`` of the
    target evenly onto all C classes, and each class keeps its own weight there.

    Args:
        class_losses: Loss l_c that a photo would have if c were its class, (N, C).
        target: Labels (N,), or probabilities of the classes, (N, C).
        class_weight: w_c, (C,); None means 1 for all.
        label_smoothing: In [0, 1].
    """
    target = as_distribution(target, num_classes=class_losses.shape[1], dtype=class_losses.dtype)
    smoothed = smooth(target, label_smoothing)  # (N, C)
    weighted = smoothed if class_weight is None else smoothed * class_weight
    return (weighted * class_losses).sum(dim=1)


def responsibilities(logits: Tensor, fits: Tensor) -> Tensor:
    """Return the probabilities of the classes given that one of those that fit is right.

    They have no gradient. (N, C), (N, C) bool -> (N, C).
    """
    return logits.detach().masked_fill(~fits, -torch.inf).softmax(dim=1)


def log_probability_of(log_p: Tensor, fits: Tensor) -> Tensor:
    """Return ``log sum_(c fits) p_c``, (N, C), (N, C) bool -> (N, 1)."""
    return log_p.masked_fill(~fits, -torch.inf).logsumexp(dim=1, keepdim=True)


def weigh_sets(
    loss_of: Callable[[Tensor], Tensor],
    logits: Tensor,
    fits: Tensor,
    own_weight: Tensor,
    *,
    class_weight: Tensor,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return ``(1 - s) w l(P) + s / C sum_c w_c l(p_c)`` of every photo, P the sum over its set.

    With one class in the set this is :func:`weigh_classes`.

    Args:
        loss_of: l, of log-probabilities of any shape (N, K).
        logits: (N, C).
        fits: Which classes agree with what is known of the photo, (N, C) bool.
        own_weight: w, the class weight of the photo, (N,).
        class_weight: w_c, (C,).
        label_smoothing: s.
    """
    log_p = functional.log_softmax(logits, dim=1)
    own = own_weight * loss_of(log_probability_of(log_p, fits)).squeeze(1)
    if not label_smoothing:
        return own
    spread = (class_weight * loss_of(log_p)).mean(dim=1)
    return (1 - label_smoothing) * own + label_smoothing * spread


def mean_over_ranks(total: Tensor, denominator: Tensor) -> Tensor:
    """Return ``total / denominator``, both summed over all processes as far as gradients go.

    DDP averages the gradients of its W processes. Each process therefore returns
    ``W * its total / sum of all denominators``: the average of these is the quotient that a
    single process would compute from the whole batch, however unequal the shares are. The
    value on one process is its share times W, so a log of rank 0 alone is only near the mean.

    Without gradients (a validation loss) the mean is local: there is nothing to average, and
    processes that hold different numbers of batches would wait for each other forever.

    Args:
        total: Weighted sum of the losses in this process, a scalar.
        denominator: Sum of the weights in this process. If it is 0 everywhere the result is 0.
    """
    denominator = denominator.detach()
    world_size = ranks()
    if world_size > 1 and total.requires_grad:
        denominator = denominator.clone()
        dist.all_reduce(denominator)
        total = total * world_size
    return total / denominator.clamp_min(torch.finfo(denominator.dtype).tiny)


def sum_over_ranks(values: Tensor) -> Tensor:
    """Return values of any shape summed over all processes, for a loss that is no sum over photos.

    All of W processes get the same sum, and so the same loss. The gradient passes into the
    process's own values, times W: DDP's mean over the processes is then the gradient that a
    single process would have. Without gradients (a validation loss) the values stay local, as
    in :func:`mean_over_ranks`.
    """
    world_size = ranks()
    if world_size == 1 or not values.requires_grad:
        return values
    total = values.detach().clone()
    dist.all_reduce(total)
    return total + world_size * (values - values.detach())


def ranks() -> int:
    """Return the number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
