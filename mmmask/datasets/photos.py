"""A photo from its file to the network's size, in OpenCV.

The registered transforms of training and test and ``mmmask.Predictor`` all take these steps.
"""

import io
import logging
import mmap
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mmmask.datasets.c_messages import c_messages
from mmmask.datasets.photo_headers import FORMATS, Header, header_of
from mmmask.errors import InputError, MissingFileError, UnreadablePhotoError
from mmmask.packages import require
from mmmask.reading import read_bytes

Photo = NDArray[np.uint8]

#: The largest photo that is decoded, in pixels: a small file can hold a huge one.
MOST_PIXELS = 100_000_000
#: Times the pixels of the largest photo: what all scans of a JPEG may go through together.
_MOST_SCANS = 20

logger = logging.getLogger("mmmask")


def load_photo(path: str | Path, at_least: tuple[int, int] | None = None) -> Photo:
    """Return a photo as (H, W, 3) uint8 in BGR, as people see it; see :func:`decoded`.

    Args:
        path: A file.
        at_least: (height, width) in pixels; see :func:`decoded`.

    Raises:
        MissingFileError: There is no such file.
        UnreadablePhotoError: The file is no photo that can be decoded.
    """
    try:
        data = read_bytes(path)
    except MissingFileError as error:
        raise MissingFileError(f"{path}: no such photo") from error
    except InputError as error:
        raise UnreadablePhotoError(str(error)) from error
    return decoded(data, str(path), at_least)


def decoded(data: bytes, where: str, at_least: tuple[int, int] | None = None) -> Photo:
    """Return the photo in a file's bytes as (H, W, 3) uint8 in BGR, as people see it.

    EXIF rotation is applied, and what is transparent lies over white. Damage inside of a JPEG, as
    far as libjpeg notices it, and a missing end marker are warned of, once for each ``where``.

    Args:
        data: Of a jpg, png, webp or bmp file.
        where: What a message calls it.
        at_least: (height, width) in pixels. A JPEG is then decoded at 1/2, 1/4 or 1/8 of its
            size, the smallest that is not below this in either direction: faster, and nearly
            the same once resized. None decodes at full size.

    Raises:
        UnreadablePhotoError: It is no photo that can be decoded, or one of too many pixels.
    """
    header, image = header_of(data), None
    if header is not None:
        _check_size(header, where)
        mode = cv2.IMREAD_COLOR if at_least is None else _reduced(header, at_least)
        if header.transparent:
            image = _over_white(data)
        elif header.format == "jpg":
            image = _jpg(data, where, mode)
        else:
            image, _ = _imdecode(data, mode)
    if image is None:
        raise UnreadablePhotoError(
            f"{where}: not a photo that can be decoded ({FORMATS}), {len(data)} bytes"
        )
    return image


def _check_size(header: Header, where: str) -> None:
    """Refuse a photo that would take memory or time without end."""
    pixels = header.width * header.height
    if pixels > MOST_PIXELS or pixels * header.scans > _MOST_SCANS * MOST_PIXELS:
        scans = f" in {header.scans} scans" if pixels <= MOST_PIXELS else ""
        raise UnreadablePhotoError(
            f"{where}: a photo must have at most {MOST_PIXELS // 1_000_000} million pixels; got "
            f"{header.width} x {header.height}{scans}; save it smaller"
        )


def _jpg(data: bytes, where: str, mode: int) -> Photo | None:
    image, said = _imdecode(data, mode)
    if image is None:
        # OpenCV takes none without its end marker; with one, libjpeg tells where pixels are missing
        image, said = _imdecode(data + b"\xff\xd9", mode)
        if said != "":
            return None
        _warn_once(where, "lacks its end marker; it is read, as all of its pixels are there")
    elif said:
        _warn_once(where, f"damaged inside, and read as far as it can be; libjpeg says: {said}")
    return image


def _imdecode(data: bytes, mode: int) -> tuple[Photo | None, str | None]:
    """Return what OpenCV decodes, if it can, and what C code said; None: nobody knows."""
    with c_messages() as said:
        try:
            image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), mode)
        except cv2.error:
            image = None
    return image, None if said is None else " ".join("".join(said).split())


def _over_white(data: bytes) -> Photo | None:
    """Return a photo with transparent parts over white; OpenCV would show their hidden colours."""
    require("a photo with transparent parts", "PIL")
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "WEBP"]) as file:
            seen = ImageOps.exif_transpose(file).convert("RGBA")
    except (OSError, ValueError, SyntaxError):  # each of them where something is broken
        return None
    white = Image.new("RGBA", seen.size, "white")
    return np.array(Image.alpha_composite(white, seen).convert("RGB"))[..., ::-1].copy()


_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}


def _reduced(header: Header, at_least: tuple[int, int]) -> int:
    """Return OpenCV's mode for the smallest scale of a JPEG that is not below ``at_least``."""
    short, long = sorted((header.width, header.height))
    # Whether EXIF turns the photo does not matter: both of its sides are compared sorted.
    for scale, mode in _REDUCED.items() if header.format == "jpg" else ():
        if short >= scale * min(at_least) and long >= scale * max(at_least):
            return mode
    return cv2.IMREAD_COLOR


_TOLD = mmap.mmap(-1, 1 << 20)  # a byte per name; data workers that fork share it


def _warn_once(where: str, problem: str) -> None:
    """Warn of a photo, once in this process and those that fork from it."""
    place = zlib.crc32(where.encode(errors="surrogateescape")) % len(_TOLD)
    if not _TOLD[place]:
        _TOLD[place] = 1
        logger.warning(f"{where}: {problem}")


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
