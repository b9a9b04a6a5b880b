"""What a photo goes through before the network, in one object that can be written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mmmask.datasets.face_boxes import read_boxes
from mmmask.datasets.face_window import FaceCrop
from mmmask.datasets.photos import Geometry, Photo, center_crop, load_photo, resized
from mmmask.errors import InputError

NO_FACE = (np.nan,) * 4


@dataclass(frozen=True)
class Preparation:
    """Decode, crop to the face (if asked), crop and resize: the test pipeline of a config."""

    geometry: Geometry
    faces: FaceCrop | None = None  # None where photos are taken as they are
    #: (height, width) in pixels below which a JPEG is not decoded; None: full size.
    at_least: tuple[int, int] | None = None

    @classmethod
    def of_steps(cls, steps: Sequence[Mapping[str, Any]]) -> "Preparation":
        """Return what the transforms of a test pipeline do.

        Args:
            steps: As of :func:`mmmask.blocks.pipeline`.

        Raises:
            InputError: One of them is none that is known here.
        """
        options: dict[str, dict[str, Any]] = {step["type"]: {**step} for step in steps}
        unknown = {*options} - {"LoadPhoto", "CropFace", "Preprocess", "PackPhoto"}
        if unknown:
            raise InputError(
                "the test pipeline may have LoadPhoto, CropFace, Preprocess and PackPhoto; got "
                f"{', '.join(unknown)}"
            )
        faces = options.get("CropFace")
        if faces is not None:
            typical = read_boxes(faces["boxes"]).typical().tolist()
            kept = ("aspect", "margin", "fallback")
            faces = {key: faces[key] for key in kept if key in faces} | {"typical": typical}
        at_least = options["LoadPhoto"].get("at_least")
        return cls.from_dict({**options["Preprocess"], "faces": faces, "at_least": at_least})

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` reads, ready for JSON."""
        return {
            "size": list(self.geometry.size),
            "crop": list(self.geometry.crop),
            "faces": None if self.faces is None else vars(self.faces),
            "at_least": self.at_least,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Preparation":
        """Return the preparation that :meth:`to_dict` described.

        Raises:
            InputError: A value is not allowed.
            KeyError: One is missing.
            TypeError: One is of another kind.
        """
        faces, at_least = content["faces"], content["at_least"]
        return cls(
            Geometry(tuple(content["size"]), tuple(content["crop"])),
            None if faces is None else FaceCrop(**{**faces, "typical": tuple(faces["typical"])}),
            None if at_least is None else tuple(at_least),
        )

    def load(self, path: str | Path) -> Photo:
        """Return a photo in BGR, as :func:`mmmask.datasets.photos.load_photo`."""
        return load_photo(path, self.at_least)

    def region(self, photo: Photo, box: ArrayLike = NO_FACE) -> Photo:
        """Return the part of a photo that the network will see, at its own resolution.

        Args:
            photo: (H, W, 3).
            box: x0, y0, x1, y1 of the face in pixels; NaN where none was found. It does not count
                where photos are not cropped to faces.
        """
        if self.faces is not None:
            rows, columns = self.faces.window(np.asarray(box, np.float64), photo.shape[:2])
            photo = photo[rows, columns]
        return center_crop(photo, self.geometry.crop)

    def __call__(self, photo: Photo, box: ArrayLike = NO_FACE) -> Photo:
        """Return the network's input, (height, width, 3) BGR; ``Args`` as of :meth:`region`."""
        return resized(self.region(photo, box), self.geometry.size)
