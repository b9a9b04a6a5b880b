"""Photos made small enough that thousands of them fit into one page."""

import base64
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from mmmask.datasets.photos import load_photo
from mmmask.errors import InputError

#: Characters that the photos of a page may take together; with words a page stays below 20 MB.
BUDGET = 15_000_000
#: Heights of thumbnails in pixels, best first.
HEIGHTS = (192, 160, 128, 112, 96, 80, 64, 48, 32)
QUALITY, JPEG_QUALITY = 60, 88  # of WebP and JPEG, 0 to 100
_SAMPLE = 48  # photos that are tried to learn how large thumbnails get


@dataclass(frozen=True)
class Thumbnails:
    """Small photos, by number.

    Attributes:
        data: Of each, a WebP file in base64.
        number: Image -> place in ``data``.
        height: In pixels.
        unreadable: Images that could not be read; a crossed square stands for them.
    """

    data: tuple[str, ...] = ()
    number: Mapping[str, int] = field(default_factory=dict)
    height: int = 0
    unreadable: tuple[str, ...] = ()

    def numbers(self, images: Sequence[str]) -> list[int]:
        """Return the number of each image, -1 where it has none."""
        return [self.number.get(image, -1) for image in images]


NO_THUMBNAILS = Thumbnails()


def make_thumbnails(
    root: str | Path,
    images: Sequence[str],
    *,
    budget: int = BUDGET,
    tallest: int = HEIGHTS[0],
) -> Thumbnails:
    """Make thumbnails of photos, in parallel, with a progress bar.

    They are as large as the budget allows: a few photos are tried at each of ``HEIGHTS``.

    Args:
        root: Folder that the images are relative to.
        images: Paths; one that appears twice is made once.
        budget: Characters that all may take together; the smallest size is not refused.
        tallest: Height in pixels that is enough.
    """
    root, images = Path(root), list(dict.fromkeys(images))
    step = max(1, len(images) // _SAMPLE)
    sample = [
        photo for image in images[::step][:_SAMPLE] if (photo := _read(root / image)) is not None
    ]
    height = _fitting(sample, len(images), budget, tallest)

    def made(image: str) -> str | None:
        photo = _read(root / image, (height, height))
        return None if photo is None else encoded(photo, height)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        bar = partial(track, console=Console(stderr=True), transient=True)
        done = list(bar(pool.map(made, images), "thumbnails", total=len(images)))
    cross = placeholder(height)
    return Thumbnails(
        data=tuple(cross if one is None else one for one in done),
        number={image: number for number, image in enumerate(images)},
        height=height,
        unreadable=tuple(image for image, one in zip(images, done, strict=True) if one is None),
    )


def encoded(photo: NDArray[np.uint8], height: int) -> str:
    """Return a photo, (H, W, 3) BGR, as WebP of at most this height, in base64."""
    return _base64(_shrunk(photo, height / photo.shape[0]))


def small_jpeg(photo: NDArray[np.uint8], scale: float) -> bytes:
    """Return a photo, (H, W, 3) BGR, as a JPEG file, shrunk where the scale is below 1."""
    _, file = cv2.imencode(".jpg", _shrunk(photo, scale), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return file.tobytes()


def _shrunk(photo: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale >= 1:
        return photo
    height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
    return cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)


def placeholder(height: int) -> str:
    """Return a crossed grey square, for a photo that cannot be read."""
    square = np.full((height, height, 3), 128, dtype=np.uint8)
    for start, stop in (((0, 0), (height, height)), ((height, 0), (0, height))):
        cv2.line(square, start, stop, (190, 190, 190), max(1, height // 32), cv2.LINE_AA)
    return _base64(square)


def _base64(photo: NDArray[np.uint8]) -> str:
    _, file = cv2.imencode(".webp", photo, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    return base64.b64encode(file.tobytes()).decode()


def _read(path: Path, at_least: tuple[int, int] | None = None) -> NDArray[np.uint8] | None:
    """Return a photo, of at least these sides, or None where it cannot be read."""
    try:
        return load_photo(path, at_least)
    except InputError:
        return None


def _fitting(sample: Sequence[NDArray[np.uint8]], photos: int, budget: int, tallest: int) -> int:
    """Return the largest height that fits the budget."""
    heights = [height for height in HEIGHTS if height <= tallest]
    if not sample:
        return heights[-1]
    for height in heights:
        characters = np.mean([len(encoded(photo, height)) for photo in sample]) * photos
        if characters <= 0.95 * budget:  # the sample may have been an easy one
            break
    return height
