"""Augment the additional draws of a photo, and leave the first as it is."""

from collections.abc import Sequence

from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RepeatedOnly(BaseTransform):
    """Apply transforms where a photo has been drawn before in the same epoch.

    For samplers that draw rare photos several times, such as ``MinoritySampler``: the additional
    ones then differ from the first.

    Args:
        transforms: Configs of any registered transforms.
    """

    def __init__(self, transforms: Sequence[dict]) -> None:
        self.transforms = [TRANSFORMS.build(config) for config in transforms]

    def transform(self, results: dict) -> dict:
        """Apply them where ``results['repeat']``, the number of earlier draws, is above 0."""
        if results.get("repeat", 0):
            for transform in self.transforms:
                results = transform(results)
        return results
