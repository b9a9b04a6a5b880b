"""Find the faces in a photo with what is installed, and say with what."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmmask.datasets.photos import Photo
from mmmask.workflows.detect_faces import build_detector, find_faces, shrunk

#: Photos are shrunk to this, in pixels, for the search: there may be several people.
LONGEST_SIDE = 640
#: How sure MTCNN must be of a face.
SURE = 0.9
_HAAR = "haarcascade_frontalface_default.xml"

Boxes = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class FaceFinder:
    """Finds faces.

    Attributes:
        name: What finds them; None where nothing is installed that does.
        find: BGR photo -> boxes x0 y0 x1 y1 in its pixels, (K, 4), and scores, (K,); several
            threads may call it at once.
    """

    name: str | None
    find: Callable[[Photo], Boxes]

    def said(self) -> str:
        """Return one sentence on how faces are found."""
        if self.name is None:
            return (
                "No face detector is installed, so each photo is taken as one face "
                "(pip install --no-deps facenet-pytorch requests)."
            )
        return f"Faces are found by {self.name}."


def installed_finder(device: str = "cpu") -> FaceFinder:
    """Return facenet-pytorch's MTCNN, else the detector that OpenCV 4 brings, else none."""
    if find_spec("facenet_pytorch") is not None:
        detector = build_detector(device)

        def by_mtcnn(photo: Photo) -> Boxes:
            boxes, scores = find_faces(detector, photo, LONGEST_SIDE)
            kept = (scores >= SURE) & ~np.isnan(boxes).any(axis=1)
            return boxes[kept], scores[kept]

        return FaceFinder("MTCNN", by_mtcnn)
    cascade = getattr(cv2, "CascadeClassifier", None)
    file = Path(getattr(getattr(cv2, "data", None), "haarcascades", "")) / _HAAR
    if cascade is not None and file.is_file():
        own = threading.local()  # it keeps things while it looks

        def by_cascade(photo: Photo) -> Boxes:
            if not hasattr(own, "cascade"):
                own.cascade = cascade(str(file))
            return _by_cascade(own.cascade, photo)

        return FaceFinder("OpenCV's Haar cascade", by_cascade)
    return FaceFinder(None, lambda photo: (np.zeros((0, 4)), np.zeros(0)))


def _by_cascade(cascade: Any, photo: Photo) -> Boxes:
    small = shrunk(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), LONGEST_SIDE)
    scale = max(small.shape) / max(photo.shape[:2])
    least = (max(small.shape) // 16,) * 2
    found = cascade.detectMultiScale(small, scaleFactor=1.1, minNeighbors=6, minSize=least)
    left, top, width, height = np.reshape(found, (-1, 4)).astype(np.float64).T
    boxes = np.stack([left, top, left + width, top + height], axis=1) / scale
    return boxes, np.ones(len(boxes))  # it does not say how sure it is
