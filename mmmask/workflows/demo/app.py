"""The demo: a page that answers a photo, with probabilities and where the model looked.

A photo comes as the body of a request and is gone with the answer: nothing is stored, neither
here nor in the browser. So HiResCAM gets the photo once more.
"""

import base64
import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from mmmask.datasets.photos import Photo, decoded
from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES, CLASSES, age_reached, decode, marginals
from mmmask.reports.local_server import HEADERS, local_app
from mmmask.reports.pages.page import render
from mmmask.reports.pages.thumbnails import small_jpeg
from mmmask.tables import attribute_of, probabilities, years_of
from mmmask.workflows.demo.read_faces import Face, FaceReader

#: Largest upload, in bytes, and largest photo, in pixels: a small file can hold a huge one.
LARGEST, MOST_PIXELS = 20_000_000, 60_000_000
#: Longest side of the face that is sent back, in pixels.
SHOWN = 480
#: What people call the values, in the order of ``mmmask.labels.ATTRIBUTES``.
WORDS: Mapping[str, tuple[str, ...]] = {
    "mask": ("Mask worn", "Mask worn wrongly", "No mask"),
    "gender": ("male", "female"),
    "age": ("under 30", "30 to 59", "60 and over"),
}


def demo_app(reader: FaceReader) -> Starlette:
    """Return the demo of a model.

    ``GET /`` is the page. ``POST /answer`` takes the bytes of a photo and returns its faces.
    ``POST /heat?face=&attribute=&value=`` takes the same and returns a face with the places
    coloured that speak for the value. A photo that cannot be read is answered by status 400 and
    a sentence.
    """

    async def page(request: Request) -> Response:
        return HTMLResponse(_page(reader), headers=HEADERS)

    async def answer(request: Request) -> Response:
        photo = await _photo(request)
        faces, predictions = await run_in_threadpool(reader, photo)
        content = {
            "width": photo.shape[1],
            "height": photo.shape[0],
            "faces": [described(face, predictions.iloc[[row]]) for row, face in enumerate(faces)],
        }
        return JSONResponse(content, headers=HEADERS)

    async def heat(request: Request) -> Response:
        number, value = (_number(request, name) for name in ("face", "value"))
        attribute = request.query_params.get("attribute") or None
        photo = await _photo(request)

        def explained() -> str:
            faces, _ = reader(photo)
            if not 0 <= number < len(faces):
                raise InputError(f"face must be from 0 to {len(faces) - 1}; got {number}")
            return as_jpeg(reader.explain(faces[number], value, attribute))

        return JSONResponse({"picture": await run_in_threadpool(explained)}, headers=HEADERS)

    return local_app(
        Route("/", page),
        Route("/answer", answer, methods=["POST"]),
        Route("/heat", heat, methods=["POST"]),
    )


def described(face: Face, prediction: pd.DataFrame) -> dict[str, Any]:
    """Return what the page shows of a face and its row of predictions.

    ``box`` in pixels and ``score``, None where no face was found; ``picture`` of what the network
    saw; the answer in ``words``, one for each attribute, and its ``probability``; ``attributes``,
    of each its values with their probability, and which is the answer's; ``classes``, the 18 by
    probability; ``age`` in years where they are modelled: the median and the bounds of the middle
    half.
    """
    values, attribute = probabilities(prediction)[0], attribute_of(prediction)
    best = int(values.argmax())
    if attribute is None:
        names, parts, alone = CLASSES, decode(best), marginals(values[None])
    else:
        names, parts = ATTRIBUTES[attribute], {attribute: np.asarray(best)}
        alone = {attribute: values[None]}
    return {
        "box": face.box,
        "score": face.score,
        "picture": as_jpeg(face.region),
        "words": [WORDS[name][part] for name, part in parts.items()],
        "probability": float(values[best]),
        "attributes": [
            {
                "name": name,
                "answer": int(part),
                "values": [
                    {"word": word, "probability": float(p)}
                    for word, p in zip(WORDS[name], alone[name][0], strict=True)
                ],
            }
            for name, part in parts.items()
        ],
        "classes": [
            {"name": names[row], "probability": float(values[row])} for row in np.argsort(-values)
        ],
        "age": _age(prediction),
    }


def as_jpeg(picture: Photo) -> str:
    """Return a BGR picture, shrunk if large, as the address of an image."""
    data = small_jpeg(picture, SHOWN / max(picture.shape[:2]))
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def _age(prediction: pd.DataFrame) -> dict[str, int] | None:
    years = years_of(prediction)
    if years is None:
        return None
    low, median, high = (int(age_reached(years, share)[0]) for share in (0.25, 0.5, 0.75))
    return {"low": low, "median": median, "high": high}


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not text.isdecimal() or len(text) > 4:
        raise InputError(f"{name} must be a number; got {text[:20]!r}")
    return int(text)


async def _photo(request: Request) -> Photo:
    """Return the photo in the body of a request.

    Raises:
        InputError: It is too large, or no photo.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST:
            raise InputError(f"the photo must have at most {LARGEST // 1_000_000} MB")
        parts.append(part)
    return await run_in_threadpool(_decoded, b"".join(parts))


def _decoded(data: bytes) -> Photo:
    from PIL import Image

    refusal = InputError("this is not a photo that can be read (jpg or png), or it is damaged")
    try:
        with Image.open(io.BytesIO(data)) as header:  # pixels are not decoded
            width, height = header.size
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise refusal from error
    if width * height > MOST_PIXELS:
        raise InputError(
            f"the photo must have at most {MOST_PIXELS // 1_000_000} million pixels; "
            f"got {width} x {height}"
        )
    try:
        return decoded(data, "the upload")
    except InputError as error:
        raise refusal from error


def _page(reader: FaceReader) -> str:
    predictor = reader.predictor
    facts = predictor.facts
    height, width = facts.preparation.geometry.size
    name = os.path.basename(predictor.network.name)
    return render(
        "demo.html",
        title="Mask, gender and age in a photo",
        kind="mmmask demo",
        summary=f"{name}, for photos of {width} x {height} pixels. {reader.finder.said()}",
        explains=reader.explains,
        calibrated=predictor.calibrated,
        attribute=facts.attribute,
        largest=LARGEST,
    )
