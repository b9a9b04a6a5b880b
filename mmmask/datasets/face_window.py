"""Which part of a photo stays when it is cropped to a face."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

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


@dataclass(frozen=True)
class FaceCrop:
    """Keep the window around the face, or what stands in for it where none was found.

    The fallback for a photo without a face is ``center``, the largest central window;
    ``typical``, the window around the typical box; or ``whole``, the photo.

    Raises:
        InputError: A value is not allowed.
    """

    aspect: float  # height / width of the window
    margin: float = 0.3  # share of the box added on each side, at least 0
    fallback: str = "center"
    #: Edges x0, y0, x1, y1 of the typical box as shares of width and height.
    typical: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.margin < np.inf:
            raise InputError(f"preprocessing.faces.margin must be at least 0; got {self.margin}")
        if self.fallback not in FALLBACKS:
            raise InputError(
                f"preprocessing.faces.fallback must be one of {', '.join(FALLBACKS)}; "
                f"got {self.fallback!r}"
            )

    def window(self, box: ArrayLike, shape: tuple[int, int]) -> tuple[slice, slice]:
        """Return rows and columns to keep of a photo of (height, width) pixels.

        Args:
            box: x0, y0, x1, y1 in pixels; NaN where no face was found.
            shape: Of the photo.
        """
        whole = (0, 0, shape[1], shape[0])
        if np.isnan(box).any():
            if self.fallback == "whole":
                return slice(0, shape[0]), slice(0, shape[1])
            if self.fallback == "center":
                return face_window(whole, shape, margin=0, aspect=self.aspect)
            box = np.asarray(self.typical) * np.tile(shape[::-1], 2)
        return face_window(box, shape, margin=self.margin, aspect=self.aspect)
