"""A drawn photo: background, clothes, head, mask, hair and light put together."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mmmask.drawing.canvas import Canvas
from mmmask.drawing.coverings import draw_glasses, draw_mask
from mmmask.drawing.face_parts import draw_face_parts
from mmmask.drawing.hair import draw_back_hair, draw_front_hair
from mmmask.drawing.head import draw_ears, draw_neck, draw_skin
from mmmask.drawing.scene import draw_background, draw_clothes
from mmmask.drawing.shots import Shot
from mmmask.drawing.skin import draw_age, draw_beard
from mmmask.drawing.traits import Person

#: The scene is laid out in this frame, width x height, in the middle of pictures of any shape.
FRAME = (96, 128)
_HEAD = (48.0, 63.0)  # usual place of the point between the eyes


def draw_portrait(person: Person, shot: Shot, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the photo as RGB pixels (height, width, 3).

    Args:
        person: Who is on it.
        shot: Mask, pose, expression, light, clothes and background.
        size: Width and height in pixels.
    """
    width, height = size
    unit = min(width / FRAME[0], height / FRAME[1])
    left, top = 0.5 * (width - unit * FRAME[0]), 0.5 * (height - unit * FRAME[1])
    canvas = Canvas(width, height)
    rng = np.random.default_rng(shot.seed)

    def place(x: float, y: float, scale: float = 1.0, turn: float = 0.0) -> None:
        canvas.place(left + unit * x, top + unit * y, unit=unit * scale, turn=turn)

    head = (_HEAD[0] + shot.x, _HEAD[1] + shot.y, shot.scale, shot.turn)
    body = (_HEAD[0] + 0.8 * shot.x, _HEAD[1] + shot.y, shot.scale, 0.25 * shot.turn)

    place(0, 0)
    edges = (-left / unit, -top / unit, (width - left) / unit, (height - top) / unit)
    draw_background(canvas, shot, rng, edges)
    place(*head)
    draw_back_hair(canvas, person, shot)
    place(*body)
    draw_neck(canvas, person)
    draw_clothes(canvas, person, shot)
    place(*head)
    draw_ears(canvas, person, shot)
    face = draw_skin(canvas, person, shot)
    draw_age(canvas, person, shot, face)
    draw_beard(canvas, person, shot, face)
    draw_face_parts(canvas, person, shot)
    if shot.state != "normal":
        draw_mask(canvas, person, shot)
    draw_glasses(canvas, person, shot)
    draw_front_hair(canvas, person, shot)
    return _lit(canvas.picture(), shot, rng)


def _lit(picture: NDArray[np.uint8], shot: Shot, rng: Generator) -> NDArray[np.uint8]:
    """Return the picture under the shot's light, with a little noise of the sensor."""
    height, width = picture.shape[:2]
    across = 1 + shot.side_light * np.linspace(-1, 1, width)[None, :, None]
    noise = rng.standard_normal((height, width, 1), dtype=np.float32) * 1.2
    return np.clip(picture * (np.asarray(shot.light) * across) + noise, 0, 255).astype(np.uint8)
