"""How deep each weight of a backbone lies, for what treats layers by their depth."""

from collections.abc import Iterator
from contextlib import suppress

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

_CONTAINERS = (nn.Sequential, nn.ModuleList)
_NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm)


def depths(backbone: nn.Module) -> tuple[dict[str, int], int]:
    """Return the depth of each weight by name, from 0 at the input, and the depth of a head.

    MMPretrain's ``get_layer_depth`` where the backbone has one (ResNet, ViT, Swin, ConvNeXt). Of
    others, blocks count in the order in which they are defined; a lone norm belongs to the block
    before it, and a weight that stands outside of all blocks to the first.
    """
    if hasattr(backbone, "get_layer_depth"):
        prefix = "backbone."  # ResNet's method knows no other
        with suppress(NotImplementedError):  # of ResNet-18 and -34
            found = {
                name: backbone.get_layer_depth(prefix + name, prefix)
                for name, _ in backbone.named_parameters()
            }
            _, count = next(iter(found.values()))
            return {name: depth for name, (depth, _) in found.items()}, count - 1
    by_weight: dict[nn.Parameter, int] = {}
    depth = -1
    for block in blocks(backbone):
        depth += not (isinstance(block, _NORMS) and depth >= 0)
        by_weight.update(dict.fromkeys(block.parameters(), depth))
    named = backbone.named_parameters()
    return {name: by_weight.get(weight, 0) for name, weight in named}, depth + 1


def blocks(backbone: nn.Module) -> Iterator[nn.Module]:
    """Yield what the outermost lists and sequences hold, and what stands beside them."""
    children = _with_weights(backbone)
    while len(children) == 1:  # a wrapper, as around timm's networks
        children = _with_weights(children[0])
    for child in children:
        yield from _unpacked(child)


def _unpacked(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, _CONTAINERS):
        for child in _with_weights(module):
            yield from _unpacked(child)
    else:
        yield module


def _with_weights(module: nn.Module) -> list[nn.Module]:
    return [child for child in module.children() if next(child.parameters(), None) is not None]
