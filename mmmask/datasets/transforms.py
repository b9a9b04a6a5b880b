"""The pipeline's own steps: load a photo, crop and resize it, hand it over as a tensor."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform, Compose
from mmpretrain.registry import TRANSFORMS
from mmpretrain.structures import DataSample

from mmmask.datasets.photos import Geometry, load_photo


@TRANSFORMS.register_module()
class LoadPhoto(BaseTransform):
    """Decode ``img_path`` into ``img``, an (H, W, 3) uint8 array in BGR; EXIF rotation applied.

    A photo that ``img`` holds already stays, as when MMPretrain's inferencer has loaded it.

    Args:
        at_least: (height, width) in pixels, below which a JPEG is not decoded; see
            :func:`mmmask.datasets.photos.decoded`. None decodes at full size.
    """

    def __init__(self, *, at_least: tuple[int, int] | None = None) -> None:
        self.at_least = at_least

    def transform(self, results: dict) -> dict:
        """Load the photo.

        Raises:
            MissingFileError: There is no such file.
            InputError: The file is no photo that can be decoded.
        """
        if "img" not in results:
            results["img"] = load_photo(results["img_path"], self.at_least)
        results["ori_shape"] = results["img_shape"] = results["img"].shape[:2]
        return results


@TRANSFORMS.register_module()
class Preprocess(BaseTransform):
    """Crop and resize: the geometry shared by training, validation and test.

    A config states it once, in its ``preprocessing`` block.

    Args:
        size: (height, width) of the result in pixels.
        crop: Central fractions (of the height, of the width) kept before resizing; 0 to 1.
    """

    def __init__(self, *, size: tuple[int, int], crop: tuple[float, float] = (1.0, 1.0)) -> None:
        self.geometry = Geometry(size, crop)

    def transform(self, results: dict) -> dict:
        """Crop and resize ``img``."""
        results["img"] = self.geometry(results["img"])
        results["img_shape"] = results["img"].shape[:2]
        return results


@TRANSFORMS.register_module()
class PackPhoto(BaseTransform):
    """Turn the results into ``inputs``, a (3, H, W) uint8 tensor, and ``data_samples``.

    The tensor is a view of the (H, W, 3) array: in memory it is channels-last already.
    """

    def transform(self, results: dict) -> dict:
        """Pack one photo; what is known of it, and its row number, go along."""
        image = results["img"]
        if image.strides[1] < 0:  # mirrored as a view: OpenCV copies it 5 times as fast as numpy
            image = cv2.flip(image[:, ::-1], 1)
        image = np.ascontiguousarray(image)
        sample = DataSample()
        for name, value in (("img_path", None), ("sample_idx", 0)):
            sample.set_field(results.get(name, value), name, field_type="metainfo")
        if results.get("gt_label") is not None:
            sample.set_gt_label(results["gt_label"])
        if "age" in results:
            sample.age = torch.tensor([results["age"]])
        if "person" in results:
            sample.person = torch.tensor([results["person"]])
        for name in ("gt_score", "age_score", "fits", "age_span"):
            if name in results:
                sample.set_field(torch.tensor(results[name]), name)
        if "weight" in results:
            sample.weight = torch.tensor([results["weight"]], dtype=torch.float32)
        return {"inputs": torch.from_numpy(image).permute(2, 0, 1), "data_samples": sample}


@TRANSFORMS.register_module()
class TwoViews(BaseTransform):
    """Augment one loaded photo twice and pack both; it takes the place of ``PackPhoto``.

    The photo is decoded, cropped and resized once. The weak view draws its random numbers first.

    Args:
        weak: Transforms of the view that teaches.
        strong: Transforms of the view that learns.
    """

    def __init__(self, *, weak: Sequence[dict], strong: Sequence[dict]) -> None:
        pack = {"type": "PackPhoto"}
        self.views = {"weak": Compose([*weak, pack]), "strong": Compose([*strong, pack])}

    def transform(self, results: dict) -> dict[str, Any]:
        """Return view -> packed photo."""
        return {
            name: view({**results, "img": results["img"].copy()})
            for name, view in self.views.items()
        }
