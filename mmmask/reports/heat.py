"""A photo with the places that speak for an answer coloured."""

import cv2
import numpy as np
from numpy.typing import NDArray

#: How much of a photo the strongest place hides.
OPACITY = 0.7


def heated(photo: NDArray[np.uint8], heat: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return a photo in which warm places are coloured, from red to yellow, and cold ones are not.

    Args:
        photo: BGR, the part of a photo that the network has seen, of any size.
        heat: From 0 to 1, as of :func:`mmmask.models.grad_cam.grad_cam`.

    Shape:
        ``photo``: (H, W, 3); ``heat``: (h, w) -> (H, W, 3) BGR.
    """
    height, width = photo.shape[:2]
    heat = cv2.resize(heat.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    heat = np.clip(heat, 0, 1)[..., None]
    colours = cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_AUTUMN)
    opacity = OPACITY * heat
    return np.rint(photo * (1 - opacity) + colours * opacity).astype(np.uint8)
