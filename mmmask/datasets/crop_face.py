"""Crop a photo to its face, by boxes that were found beforehand."""

from pathlib import Path

from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS

from mmmask.datasets.face_boxes import read_boxes
from mmmask.datasets.face_window import FaceCrop
from mmmask.errors import InputError
from mmmask.reading import one_form


@TRANSFORMS.register_module()
class CropFace(BaseTransform):
    """Keep the window around the face; between ``LoadPhoto`` and ``Preprocess``.

    A config asks for it once, as ``preprocessing.faces``; then it is part of training,
    validation, test and TTA alike, and of what a checkpoint says about its photos.

    Args:
        boxes: Table of boxes, from ``tools/detect_faces.py``. It must list every photo.
        data_root: What its images are relative to.
        aspect: Height / width of the window; the config's input size decides it.
        margin: As in :class:`FaceCrop`.
        fallback: Likewise; the typical box is the median box of the table.
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
        self.path = boxes
        self.boxes = read_boxes(boxes)
        self.prefix = f"{Path(data_root).as_posix()}/"  # as the paths of photos are
        self.crop = FaceCrop(aspect, margin, fallback, tuple(self.boxes.typical().tolist()))

    def transform(self, results: dict) -> dict:
        """Crop ``img``.

        Raises:
            InputError: The table does not list the photo, or lists it with another size, or the
                photo came without its path.
        """
        if "img_path" not in results:
            raise InputError(
                f"{self.path}: faces are looked up by the path of a photo; got a photo without path"
            )
        image = one_form(Path(results["img_path"]).as_posix().removeprefix(self.prefix))
        row = self.boxes.rows.get(image)
        shape = results["img"].shape[:2]
        if row is None:
            raise InputError(
                f"{self.path}: no row for {image}; run tools/detect_faces.py on the data again, "
                "or add rows for photos from elsewhere, by their full path"
            )
        if tuple(self.boxes.shapes[row]) != shape:
            raise InputError(
                f"{self.path}: {image} had {tuple(self.boxes.shapes[row].tolist())} pixels "
                f"(height, width) when faces were detected, now {shape}; run tools/detect_faces.py "
                "again, with a new --out"
            )
        rows, columns = self.crop.window(self.boxes.edges[row], shape)
        results["img"] = results["img"][rows, columns]
        results["img_shape"] = results["img"].shape[:2]
        return results
