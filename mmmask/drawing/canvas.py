"""A small anti-aliased drawing board: smooth shapes in units of the picture, not in pixels."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]
Colour = tuple[float, float, float]
Stencil = NDArray[np.uint8]

#: Pictures are drawn this many times larger, then averaged down.
OVERSAMPLE = 2
_SHIFT = 4  # OpenCV takes corners as integers of 1/16 pixel

_ANGLES = np.linspace(0, 2 * np.pi, 28, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])

# Catmull-Rom: weights of the four knots around a piece, at six steps along it.
_STEPS = np.linspace(0, 1, 6, endpoint=False)[:, None] ** np.arange(4)  # powers 0 to 3
_BLEND = _STEPS @ (0.5 * np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]))


def rgb(text: str) -> tuple[Colour, ...]:
    """Return colours from their hexadecimal names: ``"ff0000 00ff00"`` -> red and green."""
    return tuple((*bytes.fromhex(name),) for name in text.split())


def curve(points: ArrayLike, *, closed: bool = True) -> Points:
    """Return a smooth (Catmull-Rom) curve through points (N, 2)."""
    knots = np.asarray(points, dtype=float)
    if closed:
        knots = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        knots = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    pieces = np.stack([knots[:-3], knots[1:-2], knots[2:-1], knots[3:]])  # (4, N or N - 1, 2)
    path = np.einsum("sk,kpc->psc", _BLEND, pieces).reshape(-1, 2)
    return path if closed else np.concatenate([path, knots[-2:-1]])


def oval(x: float, y: float, width: float, height: float, turn: float = 0.0) -> Points:
    """Return an ellipse of half axes ``width`` and ``height``, turned by ``turn`` radians."""
    across, down = width * _CIRCLE[0], height * _CIRCLE[1]
    cos, sin = np.cos(turn), np.sin(turn)
    return np.stack([x + cos * across - sin * down, y + sin * across + cos * down], axis=1)


def brushstroke(points: ArrayLike, width: float, *, tip: float = 0.0) -> Points:
    """Return the outline of a stroke that is ``width`` in its middle and thins out to its ends.

    Args:
        points: Corners (N, 2) of the stroke's middle line.
        width: Greatest width.
        tip: Share of the width that is left at both ends, 0 to 1.
    """
    path = curve(points, closed=False)
    along = np.empty_like(path)
    along[1:-1] = path[2:] - path[:-2]
    along[[0, -1]] = path[1] - path[0], path[-1] - path[-2]
    swell = tip + (1 - tip) * np.sin(np.arange(len(path)) * (np.pi / (len(path) - 1)))
    reach = 0.5 * width * swell / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    side = np.stack([-along[:, 1], along[:, 0]], axis=1) * reach[:, None]
    return np.concatenate([path + side, (path - side)[::-1]])


def both_sides(right_half: ArrayLike) -> Points:
    """Return a closed outline from its right half, which runs from top to bottom."""
    right = np.asarray(right_half, dtype=float)
    left = right[::-1] * (-1, 1)
    inner = slice(1 if left[0, 0] == 0 else 0, -1 if left[-1, 0] == 0 else None)
    return np.concatenate([right, left[inner]])


def mix(colour: ArrayLike, other: ArrayLike, share: float) -> Colour:
    """Return ``colour`` with ``share`` (0 to 1) of ``other`` mixed in."""
    r, g, b = ((1 - share) * np.asarray(colour) + share * np.asarray(other)).clip(0, 255)
    return float(r), float(g), float(b)


class Canvas:
    """RGB picture of ``width`` x ``height`` pixels. ``place`` sets the units of what follows."""

    def __init__(self, width: int, height: int) -> None:
        self._pixels = np.zeros((height * OVERSAMPLE, width * OVERSAMPLE, 3), np.uint8)
        self._size = (width, height)
        self.place(0, 0)

    def place(self, x: float, y: float, *, unit: float = 1.0, turn: float = 0.0) -> None:
        """Put the origin at pixel (x, y), a unit at ``unit`` pixels, turned by ``turn`` radians."""
        self._unit = unit * OVERSAMPLE
        cos, sin = np.cos(turn) * self._unit, np.sin(turn) * self._unit
        self._matrix = np.array([[cos, -sin], [sin, cos]])
        self._origin = np.array([x, y]) * OVERSAMPLE

    def fill(
        self,
        points: Points,
        colour: Sequence[float],
        alpha: float = 1.0,
        *,
        at: ArrayLike = (0.0, 0.0),
        side: int = 1,
        inside: Stencil | None = None,
        blur: float = 0.0,
    ) -> None:
        """Paint the inside of a closed outline.

        Args:
            points: Corners (N, 2) in units.
            colour: RGB, 0 to 255.
            alpha: Opacity, 0 to 1.
            at: Where the outline's origin goes, in units.
            side: -1 mirrors the outline left to right before it goes there.
            inside: Stencil to stay within, see :meth:`stencil`.
            blur: Softness of the border in units (standard deviation).
        """
        if alpha <= 0:
            return
        corners = self._corners(points, at, side)
        if alpha >= 1 and inside is None and blur == 0:
            self._polygon(self._pixels, corners, tuple(colour))
            return
        box = 1 + 2 * round(1.2 * blur * self._unit)  # two box filters are close to a Gaussian
        margin = 1 + box
        height, width = self._pixels.shape[:2]
        low, high = corners.min(axis=0) >> _SHIFT, corners.max(axis=0) >> _SHIFT
        x0, y0 = np.maximum(low - margin, 0)
        x1, y1 = np.minimum(high + margin + 1, (width, height))
        if x0 >= x1 or y0 >= y1:
            return
        cover = np.zeros((y1 - y0, x1 - x0), np.uint8)
        self._polygon(cover, corners - np.array([x0, y0]) * (1 << _SHIFT), 255)
        if box > 1:
            cover = cv2.blur(cv2.blur(cover, (box, box)), (box, box))
        opacity = cover[..., None].astype(np.float32) * (alpha / 255)
        if inside is not None:
            opacity *= inside[y0:y1, x0:x1, None].astype(np.float32) / 255
        region = self._pixels[y0:y1, x0:x1]
        region[:] = region + (np.asarray(colour, np.float32) - region) * opacity + 0.5

    def stencil(self, *outlines: Points, at: ArrayLike = (0.0, 0.0), side: int = 1) -> Stencil:
        """Return the area within any of the outlines, for ``fill(..., inside=...)``."""
        cover = np.zeros(self._pixels.shape[:2], np.uint8)
        for points in outlines:
            self._polygon(cover, self._corners(points, at, side), 255)
        return cover

    def picture(self) -> NDArray[np.uint8]:
        """Return the finished picture (height, width, 3)."""
        return np.asarray(cv2.resize(self._pixels, self._size, interpolation=cv2.INTER_AREA))

    def _corners(self, points: Points, at: ArrayLike, side: int) -> NDArray[np.int32]:
        pixels = (points * (side, 1) + np.asarray(at)) @ self._matrix.T + self._origin
        return np.rint(pixels * (1 << _SHIFT)).astype(np.int32)

    @staticmethod
    def _polygon(image: NDArray[np.uint8], corners: NDArray[np.int32], colour: Any) -> None:
        cv2.fillPoly(image, [corners], colour, cv2.LINE_AA, _SHIFT)
