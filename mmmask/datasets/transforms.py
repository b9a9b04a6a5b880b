"""The pipeline's own steps: load a photo, crop and resize it, hand it over as a tensor."""

import io
from pathlib import Path

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS
from mmpretrain.structures import DataSample
from numpy.typing import NDArray
from PIL import Image

from mmmask.errors import InputError, MissingFileError


@TRANSFORMS.register_module()
class LoadPhoto(BaseTransform):
    """Decode ``img_path`` into ``img``, an (H, W, 3) uint8 array in BGR; EXIF rotation applied.

    Args:
        at_least: (height, width) in pixels. A JPEG is then decoded at 1/2, 1/4 or 1/8 of its
            size, the smallest that is not below this in either direction: faster, and nearly
            the same after :class:`Preprocess`. None decodes at full size.
    """

    def __init__(self, *, at_least: tuple[int, int] | None = None) -> None:
        self.at_least = at_least

    def transform(self, results: dict) -> dict:
        """Load the photo.

        Raises:
            MissingFileError: There is no such file.
            InputError: The file is no photo that can be decoded.
        """
        path = Path(results["img_path"])
        try:
            data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
        except FileNotFoundError as error:
            raise MissingFileError(f"{path}: no such photo") from error
        mode = cv2.IMREAD_COLOR if self.at_least is None else _reduced(data, self.at_least)
        image = cv2.imdecode(data, mode) if len(data) else None
        if image is None:
            raise InputError(
                f"{path}: not a photo that can be decoded (jpg or png), {len(data)} bytes"
            )
        results["img"] = image
        results["ori_shape"] = results["img_shape"] = image.shape[:2]
        return results


_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}


def _reduced(data: NDArray[np.uint8], at_least: tuple[int, int]) -> int:
    """Return OpenCV's mode for the smallest scale of a JPEG that is not below ``at_least``."""
    try:
        with Image.open(
            io.BytesIO(data.tobytes()), formats=["JPEG"]
        ) as header:  # pixels are not decoded
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


@TRANSFORMS.register_module()
class Preprocess(BaseTransform):
    """Crop and resize: the geometry shared by training, validation and test.

    A config states it once, in its ``preprocessing`` block.

    Args:
        size: (height, width) of the result in pixels.
        crop: Central fractions (of the height, of the width) kept before resizing; 0 to 1.
    """

    def __init__(self, *, size: tuple[int, int], crop: tuple[float, float] = (1.0, 1.0)) -> None:
        if len(size) != 2 or min(size) < 1:
            raise InputError(f"preprocessing.size must be (height, width) in pixels; got {size!r}")
        if len(crop) != 2 or not all(0 < part <= 1 for part in crop):
            raise InputError(
                f"preprocessing.crop must be two fractions, above 0 and at most 1; got {crop!r}"
            )
        self.size = (int(size[0]), int(size[1]))
        self.crop = (float(crop[0]), float(crop[1]))

    def transform(self, results: dict) -> dict:
        """Crop and resize ``img``."""
        image = resized(center_crop(results["img"], self.crop), self.size)
        results["img"] = image
        results["img_shape"] = image.shape[:2]
        return results


@TRANSFORMS.register_module()
class PackPhoto(BaseTransform):
    """Turn the results into ``inputs``, a (3, H, W) uint8 tensor, and ``data_samples``.

    The tensor is a view of the (H, W, 3) array: in memory it is channels-last already.
    """

    def transform(self, results: dict) -> dict:
        """Pack one photo; labels, ages, weights and the row number go along where known."""
        image = results["img"]
        if image.strides[1] < 0:  # mirrored as a view: OpenCV copies it 5 times as fast as numpy
            image = cv2.flip(image[:, ::-1], 1)
        image = np.ascontiguousarray(image)
        sample = DataSample(metainfo={"img_path": results.get("img_path")})
        sample.sample_idx = results.get("sample_idx", 0)
        if results.get("gt_label") is not None:
            sample.set_gt_label(results["gt_label"])
        if "age" in results:
            sample.age = torch.tensor([results["age"]])
        if "weight" in results:
            sample.weight = torch.tensor([results["weight"]], dtype=torch.float32)
        return {"inputs": torch.from_numpy(image).permute(2, 0, 1), "data_samples": sample}
