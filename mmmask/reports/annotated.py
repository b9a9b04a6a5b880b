"""Faces framed in a photo or a video, each with its answer."""

from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: Mask state -> colour of the frame, BGR.
COLOURS = {"wear": (80, 118, 30), "incorrect": (44, 110, 214), "normal": (71, 51, 173)}
_OTHER = (138, 95, 29)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def annotated(
    photo: NDArray[np.uint8], boxes: Sequence[Sequence[float] | None], answers: pd.DataFrame
) -> NDArray[np.uint8]:
    """Return a photo with a frame around each face and its answer below.

    Args:
        photo: (H, W, 3) BGR.
        boxes: x0, y0, x1, y1 of each face in pixels; None frames nothing.
        answers: A row for each, as of :func:`mmmask.evaluation.answers.readable`.
    """
    picture = photo.copy()
    height, width = photo.shape[:2]
    line = max(1, round(min(height, width) / 200))
    for box, (_, answer) in zip(boxes, answers.iterrows(), strict=True):
        colour = COLOURS.get(answer.get("mask"), _OTHER)
        x0, y0, x1, y1 = (0, 0, width - 1, height - 1) if box is None else map(round, box)
        if box is not None:
            cv2.rectangle(picture, (x0, y0), (x1, y1), colour, line)
        _write(picture, in_words(answer), (x0, y0, x1, y1), colour)
    return picture


def in_words(answer: pd.Series) -> list[str]:
    """Return an answer as two short lines of ASCII."""
    parts = [str(answer[name]) for name in ("mask", "gender", "age_group") if name in answer]
    return [" ".join(parts), f"{100 * answer['probability']:.0f} %"]


def _write(
    picture: NDArray[np.uint8], lines: Sequence[str], box: Sequence[int], colour: tuple
) -> None:
    """Write lines on a plate below a box, or inside it where there is no room below."""
    height, width = picture.shape[:2]
    wanted = min(max(box[2] - box[0], 0.25 * width), 0.5 * width)
    (length, tall), _ = cv2.getTextSize(max(lines, key=len), _FONT, 1, 1)
    size = min(wanted / (1.1 * length), height / (6 * tall))
    thick = max(1, round(1.6 * size))
    step = max(6, round(tall * size * 1.7))
    plate_width, plate_height = round(1.1 * length * size), step * len(lines) + step // 3
    left = int(np.clip(box[0], 0, max(0, width - plate_width)))
    top = int(min(box[3], height - plate_height))
    cv2.rectangle(picture, (left, top), (left + plate_width, top + plate_height), colour, -1)
    for number, text in enumerate(lines, 1):
        place = (left + step // 3, top + number * step - step // 5)
        cv2.putText(picture, text, place, _FONT, size, (255, 255, 255), thick, cv2.LINE_AA)


def fitted(photo: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a photo shrunk into (height, width), on white where its shape differs."""
    height, width = size
    scale = min(height / photo.shape[0], width / photo.shape[1])
    inside = (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))
    small = cv2.resize(photo, inside, interpolation=cv2.INTER_AREA)
    canvas = np.full((height, width, 3), 255, dtype=np.uint8)
    top, left = (height - inside[1]) // 2, (width - inside[0]) // 2
    canvas[top : top + inside[1], left : left + inside[0]] = small
    return canvas
