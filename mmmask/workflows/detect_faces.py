"""Find the face in each photo of a folder, once, and keep the boxes as a table.

The detector is MTCNN (Zhang et al. 2016) of facenet-pytorch, whose wheel contains its weights.
It names older versions of torch than ours as its limit but works with this one, so it is
installed without them: ``pip install --no-deps facenet-pytorch requests``.
"""

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from mmmask.datasets.data_source import DataSource
from mmmask.datasets.face_boxes import EDGES
from mmmask.datasets.layout import find_photos
from mmmask.datasets.photos import load_photo
from mmmask.datasets.unreadable import all_unreadable
from mmmask.errors import UnreadablePhotoError
from mmmask.ledger.provenance import fingerprint, made_now
from mmmask.packages import require
from mmmask.reading import is_table, one_form
from mmmask.tables import BOXES, read_table, write_table

#: Photos are shrunk to this for the search: a face of a portrait is far larger than needed.
LONGEST_SIDE = 320
_SAVE_EVERY = 1000  # photos
#: Height and width in pixels below which MTCNN has nothing to look at, and fails.
_SMALLEST = 20


def build_detector(device: str) -> Any:
    """Return an MTCNN that gives the face it is surest of.

    Raises:
        InputError: facenet-pytorch is not installed, or torch has no such device.
    """
    require("the detector of faces", "facenet_pytorch")
    from facenet_pytorch import MTCNN

    from mmmask.workflows.torch_network import checked_device

    return MTCNN(select_largest=False, device=checked_device(device))


def find_face(detector: Any, image: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the box of a BGR photo, (4,) x0 y0 x1 y1 in its pixels, and its score; or NaN.

    The box is clipped to the photo.
    """
    boxes, scores = find_faces(detector, image)
    if len(boxes) == 0 or np.isnan(boxes[0]).any():
        return np.full(4, np.nan), np.nan
    return boxes[0], float(scores[0])


def find_faces(
    detector: Any, image: np.ndarray, longest_side: int = LONGEST_SIDE
) -> tuple[np.ndarray, np.ndarray]:
    """Return all boxes of a BGR photo, clipped to it, and their scores: (K, 4), (K,).

    Args:
        detector: As of :func:`build_detector`.
        image: (H, W, 3).
        longest_side: The photo is shrunk to this, in pixels, for the search.

    Returns:
        The surest face first; a box outside of the photo is NaN.
    """
    height, width = image.shape[:2]
    small = shrunk(image, longest_side)
    boxes = None
    if min(small.shape[:2]) >= _SMALLEST:
        boxes, scores = detector.detect(np.ascontiguousarray(small[..., ::-1]))
    if boxes is None:
        return np.zeros((0, 4)), np.zeros(0)
    factor = np.array([width / small.shape[1], height / small.shape[0]] * 2)
    edges = np.clip(np.asarray(boxes, np.float64) * factor, 0, [width, height] * 2)
    edges[(edges[:, 2] <= edges[:, 0]) | (edges[:, 3] <= edges[:, 1])] = np.nan
    return edges, np.asarray(scores, np.float64)


def shrunk(image: np.ndarray, longest_side: int) -> np.ndarray:
    """Return a photo whose longer side has at most so many pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, longest_side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def detect_faces(root: str | Path, out: str | Path, *, device: str = "cpu") -> pd.DataFrame:
    """Return and write the boxes of all photos under a folder or of a table, one row per photo.

    The table is written every 1,000 photos; photos that ``out`` lists already are not looked at
    again, so an interrupted search goes on where it was.
    """
    if is_table(root):
        source = DataSource.at(root)
        root, photos = source.root, source.train()
    else:
        photos = find_photos(root)
    rows = read_table(out, BOXES).to_dict("records") if Path(out).exists() else []
    done = {row["image"] for row in rows}
    missing = [image for image in photos["image"] if one_form(image) not in done]
    provenance = {
        "detector": "facenet-pytorch MTCNN, surest face",
        "longest_side": LONGEST_SIDE,
        "data_fingerprint": fingerprint(photos),
        **made_now(),
    }
    detector = build_detector(device)
    for number, image in enumerate(
        track(missing, "Finding faces", console=Console(stderr=True), disable=not missing)
    ):
        try:
            photo = load_photo(Path(root, image))
        except UnreadablePhotoError as error:
            paths = [os.path.join(root, name) for name in missing]
            raise all_unreadable(error, paths) from error
        box, score = find_face(detector, photo)
        height, width = photo.shape[:2]
        row = {"image": image, "width": width, "height": height, "score": score}
        rows.append({**row, **dict(zip(EDGES, box, strict=True))})
        if (number + 1) % _SAVE_EVERY == 0:
            write_table(out, pd.DataFrame(rows), BOXES, provenance)
    table = pd.DataFrame(rows)
    write_table(out, table, BOXES, provenance)
    return table
