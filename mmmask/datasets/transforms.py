"""The pipeline's own steps: load a photo, crop and resize it, hand it over as a tensor."""

from pathlib import Path

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS
from mmpretrain.structures import DataSample
from numpy.typing import NDArray

from mmmask.errors import InputError, MissingFileError


@TRANSFORMS.register_module()
class LoadPhoto(BaseTransform):
    """Decode ``img_path`` into ``img``, an (H, W, 3) uint8 array in BGR; EXIF rotation applied."""

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
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
        if image is None:
            raise InputError(
                f"{path}: not a photo that can be decoded (jpg or png), {len(data)} bytes"
            )
        results["img"] = image
        results["ori_shape"] = results["img_shape"] = image.shape[:2]
        return results


def center_crop(image: NDArray, fraction: tuple[float, float]) -> NDArray:
    """Return the central fractions (of the height, of the width) of an (H, W, 3) image."""
    height, width = image.shape[:2]
    new_height, new_width = max(1, round(height * fraction[0])), max(1, round(width * fraction[1]))
    top, left = (height - new_height) // 2, (width - new_width) // 2
    return image[top : top + new_height, left : left + new_width]


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
        """Crop and resize ``img``; area averaging where it shrinks, linear where it grows."""
        image = center_crop(results["img"], self.crop)
        if image.shape[:2] != self.size:
            shrinks = image.shape[0] > self.size[0] or image.shape[1] > self.size[1]
            image = cv2.resize(
                image,
                (self.size[1], self.size[0]),
                interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
            )
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
        image = np.ascontiguousarray(results["img"])
        sample = DataSample(metainfo={"img_path": results.get("img_path")})
        sample.sample_idx = results.get("sample_idx", 0)
        if results.get("gt_label") is not None:
            sample.set_gt_label(results["gt_label"])
        if "age" in results:
            sample.age = torch.tensor([results["age"]])
        if "weight" in results:
            sample.weight = torch.tensor([results["weight"]], dtype=torch.float32)
        return {"inputs": torch.from_numpy(image).permute(2, 0, 1), "data_samples": sample}
