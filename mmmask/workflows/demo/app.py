"""The demo: a page that answers a photo, with probabilities and where the model looked.

A photo comes as the body of a request and is gone with the answer: nothing is stored, neither
here nor in the browser. So HiResCAM gets the photo once more.
"""

import base64
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mmmask.datasets.photos import Photo, decoded
from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES, CLASSES, age_reached, decode, marginals
from mmmask.reading import MOST_BYTES
from mmmask.reports.local_app import HEADERS, answered, local_app
from mmmask.reports.pages.page import render
from mmmask.reports.pages.thumbnails import small_jpeg
from mmmask.tables import attribute_of, probabilities, years_of
from mmmask.workflows.demo.line import Found, Line
from mmmask.workflows.demo.read_faces import Face, FaceReader
from mmmask.workflows.detect_faces import shrunk

#: Longest side of the face that is sent back, in pixels.
SHOWN = 480
#: What people call the values, in the order of ``mmmask.labels.ATTRIBUTES``.
WORDS: Mapping[str, tuple[str, ...]] = {
    "mask": ("Mask worn", "Mask worn wrongly", "No mask"),
    "gender": ("male", "female"),
    "age": ("under 30", "30 to 59", "60 and over"),
}


def demo_app(reader: FaceReader, *, largest: int = MOST_BYTES) -> Starlette:
    """Return the demo of a model.

    Photos have at most ``largest`` bytes. Those that wait are answered together, see
    :class:`~mmmask.workflows.demo.line.Line`.

    ``GET /`` is the page. ``POST /answer`` takes the bytes of a photo and returns its faces.
    ``POST /heat?face=&attribute=&value=`` takes the same and returns a face with the places
    coloured that speak for the value. A photo that cannot be read is answered by status 400 and
    a sentence.
    """
    html = _page(reader, largest)

    async def page(request: Request) -> Response:
        return HTMLResponse(html, headers=HEADERS)

    reader.predictor.provenance()  # reads all code once, which the first who ask need not wait for
    line = Line(reader)

    async def answer(request: Request) -> Response:
        found, predictions = await line.answer(partial(_found, reader, await request.body()))

        def content() -> dict[str, Any]:
            rows = (predictions.iloc[[row]] for row in range(len(predictions)))
            faces = list(map(described, found.faces, rows))
            return {"width": found.width, "height": found.height, "faces": faces}

        return answered(await run_in_threadpool(content))

    async def heat(request: Request) -> Response:
        number, value = (_number(request, name) for name in ("face", "value"))
        attribute = request.query_params.get("attribute") or None

        def explained(found: Found) -> str:
            if not 0 <= number < len(found.faces):
                raise InputError(f"face must be from 0 to {len(found.faces) - 1}; got {number}")
            return as_jpeg(reader.explain(found.faces[number], value, attribute))

        find = partial(_found, reader, await request.body())
        return answered({"picture": await line.explain(find, explained)})

    return local_app(
        Route("/", page),
        Route("/answer", answer, methods=["POST"]),
        Route("/heat", heat, methods=["POST"]),
        largest=largest,
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
    data = small_jpeg(_shown(picture), 1)
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def _shown(picture: Photo) -> Photo:
    """Return a picture of its own, no part of another, no larger than shown."""
    return picture.copy() if max(picture.shape[:2]) <= SHOWN else shrunk(picture, SHOWN)


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


def _found(reader: FaceReader, data: bytes) -> Found:
    """Return the faces in the bytes of a photo, which itself is gone then.

    Raises:
        InputError: It is no photo.
    """
    photo = decoded(data, "the upload")
    faces = [replace(face, region=_shown(face.region)) for face in reader.look(photo)]
    return Found(photo.shape[1], photo.shape[0], faces)


def _page(reader: FaceReader, largest: int) -> str:
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
        finds=reader.finder.name is not None,
        calibrated=predictor.calibrated,
        attribute=facts.attribute,
        largest=largest,
    )
