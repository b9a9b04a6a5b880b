"""A photo with the places that speak for an answer coloured."""

import cv2
import numpy as np
from numpy.typing import NDArray

#: Of the warmest place, BGR, and how much of the photo it hides there.
COLOUR, OPACITY = (20, 70, 240), 0.72


def heated(photo: NDArray[np.uint8], heat: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return a photo in which places are the redder, the warmer they are.

    Args:
        photo: BGR, the part of a photo that the network has seen, of any size.
        heat: From 0 to 1, as of :func:`mmmask.models.hires_cam.hires_cam`.

    Shape:
        ``photo``: (H, W, 3); ``heat``: (h, w) -> (H, W, 3) BGR.
    """
    height, width = photo.shape[:2]
    heat = cv2.resize(heat.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    heat = np.clip(heat, 0, 1)[..., None]
    opacity = OPACITY * heat
    return np.rint(photo * (1 - opacity) + np.array(COLOUR) * opacity).astype(np.uint8)
