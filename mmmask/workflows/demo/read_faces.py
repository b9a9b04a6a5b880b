"""Answer for each face in a photo, and show where its evidence lies."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmmask.datasets.face_window import FaceCrop
from mmmask.datasets.photos import Photo
from mmmask.datasets.preparation import NO_FACE
from mmmask.deploy.predictor import Predictor
from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES
from mmmask.reports.cam_overlay import heated
from mmmask.workflows.demo.face_finder import FaceFinder

#: Around a face in a photo of several people, for a model of whole portraits: the share of the
#: face that is added on each side, as face crops have by default.
MARGIN = 0.3
#: A photo is a portrait where its only face has at least this share of its height, and its shape
#: differs from the network's by at most this factor.
PORTRAIT_HEIGHT, PORTRAIT_SHAPE = 0.3, 1.2
MOST_FACES = 30


@dataclass(frozen=True)
class Face:
    """One face, or a photo that is taken as one.

    Attributes:
        box: x0, y0, x1, y1 in pixels of the photo; None where no face was found.
        score: How sure the detector is, 0 to 1; None where none was found.
        region: The part of the photo that the network saw, (H, W, 3) BGR.
        seen: What it was given: the region at the network's size.
    """

    box: tuple[float, float, float, float] | None
    score: float | None
    region: Photo
    seen: NDArray[np.uint8]


class FaceReader:
    """Finds the faces of a photo and predicts each.

    A model of cropped faces gets what it was trained on. One of whole portraits gets a portrait
    whole, and of any other photo the part around each face.

    Args:
        predictor: The model.
        finder: What finds faces.
    """

    def __init__(self, predictor: Predictor, finder: FaceFinder) -> None:
        self.predictor, self.finder = predictor, finder
        self._one_at_a_time = threading.Lock()  # a network keeps things while it looks

    @property
    def explains(self) -> bool:
        """Whether :meth:`explain` can be asked."""
        return hasattr(self.predictor.network, "heat")  # a checkpoint, not an exported model

    def __call__(self, photo: Photo) -> tuple[list[Face], pd.DataFrame]:
        """Return the faces of a BGR photo, from left to right, and a prediction for each.

        A photo without a face is taken whole, as one.
        """
        faces = self.look(photo)
        return faces, self.answer(faces)

    def look(self, photo: Photo) -> list[Face]:
        """Return the faces of a BGR photo; several threads may ask at once."""
        boxes, scores = self.finder.find(photo)
        surest = np.argsort(-scores)[:MOST_FACES]
        order = surest[np.argsort(boxes[surest, 0])]
        return self._faces(photo, boxes[order], scores[order])

    def answer(self, faces: Sequence[Face]) -> pd.DataFrame:
        """Return a prediction for each face, be they of one photo or of several."""
        with self._one_at_a_time:
            answers = self.predictor.network_answers(np.stack([face.seen for face in faces]))
        return self.predictor.table([str(number) for number in range(len(faces))], *answers)

    def explain(self, face: Face, value: int, attribute: str | None = None) -> Photo:
        """Return the face with the places coloured that speak for an answer.

        Args:
            face: One of :meth:`__call__`.
            value: The class, or the value of the attribute.
            attribute: ``mask``, ``gender`` or ``age``; None for the class.

        Raises:
            InputError: The model is an exported one, or does not know attribute or value.
        """
        network: Any = self.predictor.network
        if not self.explains:
            raise InputError(
                f"{network.name}: an exported model cannot say where it looked; give the config "
                "and the checkpoint"
            )
        if attribute is not None and attribute not in ATTRIBUTES:
            raise InputError(f"attribute must be one of {', '.join(ATTRIBUTES)}; got {attribute!r}")
        last = len(self.predictor.facts.classes if attribute is None else ATTRIBUTES[attribute]) - 1
        if not 0 <= value <= last:
            raise InputError(f"value must be from 0 to {last}; got {value}")
        with self._one_at_a_time:
            (heat,) = network.heat(face.seen[None], [value], attribute=attribute)
        return heated(face.region, heat)

    def _faces(
        self, photo: Photo, boxes: NDArray[np.float64], scores: NDArray[np.float64]
    ) -> list[Face]:
        prepare = self.predictor.facts.preparation
        if len(boxes) == 0:
            return [Face(None, None, prepare.region(photo), prepare(photo))]
        if prepare.faces is not None:
            cuts = [(photo, box) for box in boxes]
        elif len(boxes) == 1 and self._is_portrait(photo, boxes[0]):
            cuts = [(photo, np.array(NO_FACE))]
        else:
            crop = FaceCrop(aspect=self._aspect(), margin=MARGIN)
            windows = [crop.window(box, photo.shape[:2]) for box in boxes]
            cuts = [(photo[window], np.array(NO_FACE)) for window in windows]
        return [
            Face(tuple(box.tolist()), float(score), prepare.region(*cut), prepare(*cut))
            for box, score, cut in zip(boxes, scores, cuts, strict=True)
        ]

    def _aspect(self) -> float:
        """Return height / width of the photos that the network was trained on."""
        geometry = self.predictor.facts.preparation.geometry
        height, width = np.divide(geometry.size, geometry.crop)
        return float(height / width)

    def _is_portrait(self, photo: Photo, box: NDArray[np.float64]) -> bool:
        height, width = photo.shape[:2]
        ratio = height / width / self._aspect()
        high = box[3] - box[1] >= PORTRAIT_HEIGHT * height
        return bool(high and 1 / PORTRAIT_SHAPE <= ratio <= PORTRAIT_SHAPE)
