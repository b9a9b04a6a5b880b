"""Crop a photo to its face, by boxes that were found beforehand."""

from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS
from numpy.typing import ArrayLike

from mmmask.datasets.face_boxes import read_boxes
from mmmask.errors import InputError

FALLBACKS = ("center", "typical", "whole")


def face_window(
    box: ArrayLike, shape: tuple[int, int], *, margin: float, aspect: float
) -> tuple[slice, slice]:
    """Return the rows and columns around a box, inside the photo and of the given shape.

    The box grows by the margin on each side, then its shorter side grows to the aspect. A window
    that sticks out of the photo is moved inside; one larger than the photo shrinks, both sides
    alike.

    Args:
        box: x0, y0, x1, y1 in pixels.
        shape: Height and width of the photo in pixels.
        margin: Share of the width (height) of the box added left and right (above and below).
        aspect: Height / width of the window.
    """
    x0, y0, x1, y1 = np.asarray(box, dtype=np.float64)
    width, height = (1 + 2 * margin) * (x1 - x0), (1 + 2 * margin) * (y1 - y0)
    width, height = max(width, height / aspect), max(height, width * aspect)
    shrink = min(1.0, shape[0] / height, shape[1] / width)
    sizes = [max(1, round(shrink * side)) for side in (height, width)]
    centres = (y0 + y1) / 2, (x0 + x1) / 2
    starts = [
        min(max(0, round(centre - size / 2)), most - size)
        for centre, size, most in zip(centres, sizes, shape, strict=True)
    ]
    rows, columns = (slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
    return rows, columns


@TRANSFORMS.register_module()
class CropFace(BaseTransform):
    """Keep the window around the face; between ``LoadPhoto`` and ``Preprocess``.

    A config asks for it once, as ``preprocessing.faces``; then it is part of training,
    validation, test and TTA alike, and of what a checkpoint says about its photos.

    Args:
        boxes: Table of boxes, from ``tools/detect_faces.py``. It must list every photo.
        data_root: What its images are relative to.
        aspect: Height / width of the window; the config's input size decides it.
        margin: Share of the box added on each side, at least 0.
        fallback: For a photo without a face: ``center``, the largest central window;
            ``typical``, the window around the median box of the table; ``whole``, the photo.
    """

    def __init__(
        self,
        *,
        boxes: str,
        data_root: str,
        aspect: float,
        margin: float = 0.3,
        fallback: str = "center",
    ) -> None:
        if not 0 <= margin < np.inf:
            raise InputError(f"preprocessing.faces.margin must be at least 0; got {margin}")
        if fallback not in FALLBACKS:
            raise InputError(
                f"preprocessing.faces.fallback must be one of {', '.join(FALLBACKS)}; "
                f"got {fallback!r}"
            )
        self.path = boxes
        self.boxes = read_boxes(boxes)
        self.typical = self.boxes.typical()
        self.prefix = f"{data_root}/"
        self.margin, self.aspect, self.fallback = margin, aspect, fallback

    def transform(self, results: dict) -> dict:
        """Crop ``img``.

        Raises:
            InputError: The table does not list the photo, or lists it with another size.
        """
        image = Path(results["img_path"]).as_posix().removeprefix(self.prefix)
        row = self.boxes.rows.get(image)
        shape = results["img"].shape[:2]
        if row is None:
            raise InputError(
                f"{self.path}: no row for {image}; run tools/detect_faces.py on the data anew"
            )
        if tuple(self.boxes.shapes[row]) != shape:
            raise InputError(
                f"{self.path}: {image} had {tuple(self.boxes.shapes[row].tolist())} pixels "
                f"(height, width) when faces were sought, now {shape}"
            )
        rows, columns = self.window(self.boxes.edges[row], shape)
        results["img"] = results["img"][rows, columns]
        results["img_shape"] = results["img"].shape[:2]
        return results

    def window(self, box: ArrayLike, shape: tuple[int, int]) -> tuple[slice, slice]:
        """Return rows and columns to keep of a photo of (height, width) pixels."""
        whole = (0, 0, shape[1], shape[0])
        if not np.isnan(box).any():
            return face_window(box, shape, margin=self.margin, aspect=self.aspect)
        if self.fallback == "typical":
            pixels = self.typical * np.tile(shape[::-1], 2)
            return face_window(pixels, shape, margin=self.margin, aspect=self.aspect)
        if self.fallback == "center":
            return face_window(whole, shape, margin=0, aspect=self.aspect)
        return slice(0, shape[0]), slice(0, shape[1])
