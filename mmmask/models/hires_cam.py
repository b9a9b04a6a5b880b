"""HiResCAM: where in a photo the evidence for an answer lies."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES, NUM_CLASSES, decode
from mmmask.models.layers import blocks


def hires_cam(
    classifier: nn.Module,
    inputs: Tensor,
    values: Sequence[int] | NDArray[np.integer] | None = None,
    *,
    attribute: str | None = None,
) -> Tensor:
    """Return how much each place of a photo speaks for an answer, from 0 to 1.

    Draelos and Carin 2020, "Use HiResCAM instead of Grad-CAM for faithful explanations of
    convolutional neural networks": slope times feature, summed over channels, so that it is, to
    first order, what the score would lose without the features of that place. It differs from the
    paper in three things. The map is the last one of more places than the final map, which on
    photos of 160 x 120 has only 5 x 4. The score is not the logit of the answer but its log-odds,
    ``log p - log(1 - p)``: what speaks for all answers alike then counts for none, and a sure
    answer still has a slope. And each map is cut at 0 and divided by its maximum.

    Args:
        classifier: In evaluation mode; its weights are not touched.
        inputs: Preprocessed photos.
        values: The answer to explain for each photo: a class, or a value of ``attribute``; None
            is the most probable one.
        attribute: ``mask``, ``gender`` or ``age``, where one part of the answer is to be
            explained; None explains the class, or of a model of one attribute its value.

    Shape:
        ``inputs``: (N, 3, H, W) -> (N, H, W). A photo in which nothing speaks for the answer has
        zeros.

    Raises:
        InputError: The backbone has no feature map that is known here, or the model does not
            know the attribute.
    """
    with torch.no_grad(), _kept_map(classifier.backbone, inputs[:1]) as kept:
        logits = classifier.head(classifier.extract_feat(inputs)).float()
        groups = _groups(classifier.head, logits.shape[1], attribute).to(logits.device)  # (V, C)
        by_value = _log_sums(logits, groups)  # (N, V)
        if values is None:
            chosen = by_value.argmax(dim=1)
        else:
            chosen = torch.as_tensor(np.asarray(values), device=logits.device).long()
        rows = torch.arange(len(logits), device=logits.device)
        score = by_value[rows, chosen] - _log_sums(logits, ~groups)[rows, chosen]
        (slope,) = torch.autograd.grad(score.sum(), kept.output)
    features, slope = (_as_map(part, kept) for part in (kept.output.detach(), slope))
    heat = functional.relu((slope * features).sum(dim=1, keepdim=True))  # (N, 1, h, w)
    heat = functional.interpolate(heat, inputs.shape[2:], mode="bilinear", align_corners=False)
    return (
        heat[:, 0] / heat.amax(dim=(1, 2, 3)).clamp_min(torch.finfo(heat.dtype).tiny)[:, None, None]
    )


def _groups(head: nn.Module, classes: int, attribute: str | None) -> Tensor:
    """Return which logits belong to each value that can be explained: (V, C)."""
    own = getattr(head, "attribute", None)
    if attribute is None or attribute == own:
        return torch.eye(classes, dtype=torch.bool)
    if own is not None or attribute not in ATTRIBUTES:
        known = own or ", ".join(ATTRIBUTES)
        raise InputError(
            f"attribute must be one that the model predicts: {known}; got {attribute!r}"
        )
    part = torch.from_numpy(decode(np.arange(NUM_CLASSES))[attribute])
    return part == torch.arange(len(ATTRIBUTES[attribute]))[:, None]


def _log_sums(logits: Tensor, groups: Tensor) -> Tensor:
    """Return ``log sum exp`` over each group of logits: (N, C), (V, C) -> (N, V)."""
    return logits[:, None].masked_fill(~groups, -torch.inf).logsumexp(dim=2)


@contextmanager
def _kept_map(backbone: nn.Module, one: Tensor) -> Iterator[SimpleNamespace]:
    """Keep, as ``output``, a feature map of a pass, as the start of its gradient.

    Feature maps are (N, D, h, w), or of a vision transformer (N, extra + h w, D): there what
    enters its last attention, since only the class token goes on from there. ``one`` is a photo to
    choose the map by: (1, 3, H, W).
    """
    kept = SimpleNamespace(output=None, shape=None, extra=getattr(backbone, "num_extra_tokens", 0))
    transformer = kept.extra > 0  # with a class token
    layer = backbone.layers[-1].ln1 if transformer else _layer_of_map(backbone, one)

    def keep_shape(_module: nn.Module, _inputs: tuple, output: tuple) -> None:
        kept.shape = tuple(output[1])

    def keep(_module: nn.Module, _inputs: tuple, output: Tensor | tuple) -> Tensor | tuple:
        *others, last = output if isinstance(output, tuple) else (output,)
        if last.ndim != 4 and kept.shape is None:
            raise InputError(
                f"HiResCAM needs a feature map, and the backbone {type(backbone).__name__} gives "
                f"an output of shape {tuple(last.shape)}"
            )
        torch.set_grad_enabled(True)  # from here on; the backbone's own pass needs no memory
        kept.output = last.detach().requires_grad_()
        used = kept.output.clone()  # what follows may write into it
        return (*others, used) if isinstance(output, tuple) else used

    hooks = [layer.register_forward_hook(keep)]
    if transformer:
        hooks.append(backbone.patch_embed.register_forward_hook(keep_shape))
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def _layer_of_map(backbone: nn.Module, one: Tensor) -> nn.Module:
    """Return the last block whose map has more places than the final one, else the backbone."""
    maps: list[tuple[nn.Module, int]] = []

    def note(module: nn.Module, _inputs: tuple, output: Tensor | tuple) -> None:
        last = output[-1] if isinstance(output, tuple) else output
        if isinstance(last, Tensor) and last.ndim == 4:
            maps.append((module, last.shape[2] * last.shape[3]))

    hooks = [module.register_forward_hook(note) for module in (*blocks(backbone), backbone)]
    try:
        backbone(one)
    finally:
        for hook in hooks:
            hook.remove()
    finer = [module for module, places in maps if places > maps[-1][1]]
    return finer[-1] if finer else backbone


def _as_map(features: Tensor, kept: SimpleNamespace) -> Tensor:
    """Return features, or their slopes, as (N, D, h, w)."""
    if kept.shape is None:
        return features
    return features[:, kept.extra :].transpose(1, 2).unflatten(2, kept.shape)
