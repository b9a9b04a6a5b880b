"""A weak and a strong view of one unlabelled photo."""

from collections.abc import Sequence
from typing import Any

from mmcv.transforms import BaseTransform, Compose
from mmengine.registry import FUNCTIONS
from mmpretrain.registry import TRANSFORMS
from torch import Tensor

from mmmask.datasets.batching import stack_photos

VIEWS = ("weak", "strong")


@TRANSFORMS.register_module()
class TwoViews(BaseTransform):
    """Augment one loaded photo twice and pack both; it takes the place of ``PackPhoto``.

    The photo is decoded, cropped and resized once. The weak view draws its random numbers first.

    Args:
        weak: Transforms of the view that teaches.
        strong: Transforms of the view that learns.
    """

    def __init__(self, *, weak: Sequence[dict], strong: Sequence[dict]) -> None:
        pack = {"type": "PackPhoto"}
        self.views = {"weak": Compose([*weak, pack]), "strong": Compose([*strong, pack])}

    def transform(self, results: dict) -> dict[str, Any]:
        """Return view -> packed photo."""
        return {
            name: view({**results, "img": results["img"].copy()})
            for name, view in self.views.items()
        }


@FUNCTIONS.register_module()
def stack_views(items: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
    """Collate pairs of views: view -> (U, 3, H, W) uint8, channels last in memory."""
    return {name: stack_photos([item[name] for item in items])["inputs"] for name in VIEWS}
