"""Hide the mouth, where a mask is."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS
from numpy.typing import NDArray

from mmmask.errors import InputError

Box = tuple[float, float, float, float]


def cut_out(image: NDArray, box: Box, value: int) -> NDArray:
    """Return the image with a box filled.

    Args:
        image: (H, W, 3).
        box: Top, left, bottom, right as fractions of the height and the width.
        value: Of each channel there.
    """
    height, width = image.shape[:2]
    top, left, bottom, right = box
    filled = image.copy()
    rows = slice(round(top * height), round(bottom * height))
    filled[rows, round(left * width) : round(right * width)] = value
    return filled


@TRANSFORMS.register_module()
class MouthCutout(BaseTransform):
    """Fill the region of the mouth in some photos: Cutout (DeVries and Taylor 2017), but there.

    It takes away what tells the mask, so that eyes and hair must tell gender and age. The authors
    of source E found that it hurts.

    Args:
        prob: Share of the photos, 0 to 1.
        box: (top, left, bottom, right) as fractions of the photo that the network sees. The
            default holds mouth and chin of a whole portrait; a central crop moves it.
        value: Of each channel, 0 to 255; near the mean it normalises to about 0.
    """

    def __init__(
        self, *, prob: float = 0.5, box: Box = (0.6, 0.25, 0.9, 0.75), value: int = 124
    ) -> None:
        if not 0 <= prob <= 1:
            raise InputError(f"MouthCutout.prob must be from 0 to 1; got {prob}")
        if len(box) != 4 or not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
            raise InputError(
                "MouthCutout.box must be (top, left, bottom, right) with 0 <= top < bottom <= 1 "
                f"and 0 <= left < right <= 1; got {box!r}"
            )
        self.prob, self.box, self.value = prob, box, value

    def transform(self, results: dict) -> dict:
        """Fill the region, or leave the photo as it is."""
        if np.random.random() < self.prob:  # noqa: NPY002 - seeded for each photo
            results["img"] = cut_out(results["img"], self.box, self.value)
        return results
