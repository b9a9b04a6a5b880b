"""The review of labels: a page that shows a suspect person and takes a key a decision.

The page shows what the server holds: it says which version a decision was made on, and goes on to
the next suspect when the answer says that it is on the disk.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from mmmask.datasets.corrections import SWAP
from mmmask.datasets.photos import load_photo
from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES, GENDERS, MASKS, MIDDLE_FROM, OLD_FROM, OLDEST
from mmmask.ledger.provenance import text_hash
from mmmask.reports.local_server import HEADERS, local_app
from mmmask.reports.pages.page import as_data, render
from mmmask.reports.pages.thumbnails import small_jpeg
from mmmask.tables import SUSPECTS
from mmmask.workflows.label_errors.review import EXPOSED, Review, read_opinions

#: Photos are sent no higher than this, in pixels.
HEIGHT = 480
#: How many of them are kept: of a hundred people.
KEPT = 700


def review_app(
    review: Review, data_root: str | Path, *, opinions: str | Path | None = None
) -> Starlette:
    """Return the page of a review.

    ``GET /`` is the page; ``GET /state`` where the review stands, with its version as ETag;
    ``GET /photo/{list}/{number}`` a photo of a suspect, by its number alone, so that no other
    file can be asked for. ``POST /decide`` and ``POST /undo`` take JSON, the arguments of
    :meth:`Review.decide` and :meth:`Review.undo`, and return what these return. What cannot be
    done is answered by status 400 and a sentence.

    Args:
        review: To be shown.
        data_root: Folder that its images are relative to.
        opinions: Predictions of people that the model has not learned, to be shown beside.

    Raises:
        InputError: ``opinions`` has no photo of the suspects.
    """
    people = {person: review.photos(person) for person in review.suspects["person"].unique()}
    images = [image for photos in people.values() for image in photos]
    known = {} if opinions is None else read_opinions(opinions, images)
    number = {image: place for place, image in enumerate(images)}
    suspects = review.suspects[list(SUSPECTS)].astype(object)
    shown: dict[str, Any] = {
        "suspects": suspects.where(suspects.notna(), None).to_dict("records"),
        "people": {
            person: [
                {"stem": Path(image).stem, "number": number[image], "says": known.get(image)}
                for image in photos
            ]
            for person, photos in people.items()
        },
        "attributes": {name: list(values) for name, values in ATTRIBUTES.items()},
        "masks": list(MASKS),
        "genders": list(GENDERS),
        "cuts": [MIDDLE_FROM, OLD_FROM],
        "oldest": OLDEST,
        "swap": SWAP,
        "exposed": list(EXPOSED),
    }
    # In the addresses of photos, so that a browser keeps none of another list.
    shown["list"] = text_hash(str(Path(data_root).resolve()) + as_data(shown))[:12]
    html = render(
        "review.html",
        title=f"Suspected labels \u2192 {review.out.name}",
        kind="mmmask label review",
        summary="",
        sections=[],
        review=shown,
        with_opinions=bool(known),
    )

    @lru_cache(maxsize=KEPT)
    def photo_of(place: int) -> bytes:
        return _as_jpeg(Path(data_root) / images[place])

    async def page(request: Request) -> Response:
        return HTMLResponse(html, headers=HEADERS)

    async def state(request: Request) -> Response:
        seen = request.headers.get("if-none-match", "").strip('"')
        now = await run_in_threadpool(review.state, seen)
        if now is None:
            return Response(status_code=304, headers=HEADERS)
        headers = {**HEADERS, "ETag": f'"{now["version"]}"'}
        return JSONResponse({"list": shown["list"], **now}, headers=headers)

    async def photo(request: Request) -> Response:
        place = request.path_params["number"]
        if request.path_params["list"] != shown["list"] or place >= len(images):
            raise InputError("there is no such photo in this review")
        data = await run_in_threadpool(photo_of, place)
        headers = {**HEADERS, "Cache-Control": "private, max-age=3600"}  # the next ones wait there
        return Response(data, media_type="image/jpeg", headers=headers)

    async def decide(request: Request) -> Response:
        body = await read(request, {"number": int, "verdict": str, "version": str, "values": dict})
        return JSONResponse(await run_in_threadpool(review.decide, **body), headers=HEADERS)

    async def undo(request: Request) -> Response:
        body = await read(request, {"version": str})
        return JSONResponse(await run_in_threadpool(review.undo, **body), headers=HEADERS)

    async def read(request: Request, kinds: dict[str, type]) -> dict[str, Any]:
        body = await _body(request, {"list": str, **kinds})
        if body.pop("list") != shown["list"]:
            raise InputError("the server has another list of suspects now; reload this page")
        return body

    return local_app(
        Route("/", page),
        Route("/state", state),
        Route("/photo/{list}/{number:int}", photo),
        Route("/decide", decide, methods=["POST"]),
        Route("/undo", undo, methods=["POST"]),
    )


async def _body(request: Request, kinds: dict[str, type]) -> dict[str, Any]:
    """Return the JSON object in the body of a request."""
    try:
        body = await request.json()
    except ValueError as error:
        raise InputError("the request must be JSON") from error
    if not isinstance(body, dict) or set(body) != set(kinds):
        raise InputError(f"the request must have {', '.join(kinds)}")
    for name, kind in kinds.items():
        if type(body[name]) is not kind:
            raise InputError(f"{name} must be of type {kind.__name__}; got {body[name]!r}")
    if not all(isinstance(value, str) for value in body.get("values", {}).values()):
        raise InputError("values must be text")
    return body


def _as_jpeg(path: Path) -> bytes:
    """Return a photo, EXIF rotation applied, no higher than ``HEIGHT``."""
    photo = load_photo(path)
    return small_jpeg(photo, HEIGHT / photo.shape[0])
