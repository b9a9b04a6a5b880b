"""A photo from its file to the network's size, in OpenCV alone.

The registered transforms of training and test and ``mmmask.Predictor`` all take these steps.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mmmask.errors import InputError, MissingFileError
from mmmask.packages import require

Photo = NDArray[np.uint8]


def load_photo(path: str | Path, at_least: tuple[int, int] | None = None) -> Photo:
    """Return a photo as (H, W, 3) uint8 in BGR, EXIF rotation applied.

    Args:
        path: A jpg or png file.
        at_least: (height, width) in pixels; see :func:`decoded`.

    Raises:
        MissingFileError: There is no such file.
        InputError: The file is no photo that can be decoded.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise MissingFileError(f"{path}: no such photo") from error
    except OSError as error:
        raise InputError(f"{path}: not a readable file: {error.strerror}") from error
    return decoded(data, str(path), at_least)


def decoded(data: bytes, where: str, at_least: tuple[int, int] | None = None) -> Photo:
    """Return the photo in a file's bytes as (H, W, 3) uint8 in BGR, EXIF rotation applied.

    Args:
        data: Of a jpg or png file.
        where: What a message calls it.
        at_least: (height, width) in pixels. A JPEG is then decoded at 1/2, 1/4 or 1/8 of its
            size, the smallest that is not below this in either direction: faster, and nearly
            the same once resized. None decodes at full size.

    Raises:
        InputError: It is no photo that can be decoded.
    """
    mode = cv2.IMREAD_COLOR if at_least is None else _reduced(data, at_least)
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), mode) if data else None
    except cv2.error:  # of more pixels than OpenCV takes
        image = None
    if image is None:
        raise InputError(
            f"{where}: not a photo that can be decoded (jpg or png), {len(data)} bytes"
        )
    return image


_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}


def _reduced(data: bytes, at_least: tuple[int, int]) -> int:
    """Return OpenCV's mode for the smallest scale of a JPEG that is not below ``at_least``."""
    require("preprocessing.reduced_decode", "PIL")
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as header:  # pixels are not decoded
            short, long = sorted(header.size)
    except OSError:
        return cv2.IMREAD_COLOR  # another format, or broken, which decoding will tell
    # Whether EXIF turns the photo does not matter: both of its sides are compared sorted.
    for scale, mode in _REDUCED.items():
        if short >= scale * min(at_least) and long >= scale * max(at_least):
            return mode
    return cv2.IMREAD_COLOR


def center_crop(image: NDArray, fraction: tuple[float, float]) -> NDArray:
    """Return the central fractions (of the height, of the width) of an (H, W, 3) image."""
    height, width = image.shape[:2]
    new_height, new_width = max(1, round(height * fraction[0])), max(1, round(width * fraction[1]))
    top, left = (height - new_height) // 2, (width - new_width) // 2
    return image[top : top + new_height, left : left + new_width]


def resized(image: NDArray, size: tuple[int, int]) -> NDArray:
    """Return an image at (height, width): halved while twice too large, then bilinear.

    Halving averages blocks of 2x2, so that no pixel is skipped, at a seventh of the time of
    OpenCV's area interpolation at any other factor.
    """
    height, width = size
    while image.shape[0] >= 2 * height and image.shape[1] >= 2 * width:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
    if image.shape[:2] == size:
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


@dataclass(frozen=True)
class Geometry:
    """Crop and resize: what training, validation, test and an exported model share.

    Raises:
        InputError: A value is not allowed.
    """

    size: tuple[int, int]  # (height, width) of the result in pixels
    #: Central fractions (of the height, of the width) kept before resizing, 0 to 1.
    crop: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        size, crop = self.size, self.crop
        if len(size) != 2 or min(size) < 1:
            raise InputError(f"preprocessing.size must be (height, width) in pixels; got {size!r}")
        if len(crop) != 2 or not all(0 < part <= 1 for part in crop):
            raise InputError(
                f"preprocessing.crop must be two fractions, above 0 and at most 1; got {crop!r}"
            )
        object.__setattr__(self, "size", (int(size[0]), int(size[1])))
        object.__setattr__(self, "crop", (float(crop[0]), float(crop[1])))

    def __call__(self, image: Photo) -> Photo:
        """Return an (H, W, 3) photo cropped and resized."""
        return resized(center_crop(image, self.crop), self.size)
