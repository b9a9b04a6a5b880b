"""The review of labels: a page that shows one label issue and takes one key per decision.

The server holds the state. The page sends the version that a decision is based on, and goes on to
the next label issue when the answer says that the decision is on the disk.
"""

import reprlib
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mmmask.datasets.corrections import SWAP
from mmmask.datasets.data_source import DataSource
from mmmask.datasets.photos import load_photo
from mmmask.errors import InputError
from mmmask.labels import ATTRIBUTES, MIDDLE_FROM, OLD_FROM, OLDEST, marginals
from mmmask.ledger.provenance import text_hash
from mmmask.reports.local_app import HEADERS, answered, json_of, local_app
from mmmask.reports.pages.page import as_data, render
from mmmask.reports.pages.thumbnails import small_jpeg
from mmmask.tables import LABEL_ISSUES, attribute_of, probabilities, read_predictions
from mmmask.workflows.label_errors.review import EXPOSED, Review
from mmmask.workflows.label_errors.review_alike import photos_alike

#: Photos are sent no higher than this, in pixels.
HEIGHT = 480
#: Of a request, in bytes; a decision has some hundred.
LARGEST = 100_000
#: How many photos are kept in memory: those of a hundred people.
KEPT = 700


def review_app(
    review: Review,
    data_root: str | Path,
    *,
    opinions: str | Path | None = None,
    features: str | Path | None = None,
) -> Starlette:
    """Return the page of a review.

    ``GET /`` is the page; ``GET /state`` where the review stands, with its version as ETag;
    ``GET /photo/{list}/{number}`` a photo of the page, by its number alone, so that no
    other file can be asked for. ``POST /decide`` and ``POST /undo`` take JSON, the arguments of
    :meth:`Review.decide` and :meth:`Review.undo`, and return what these return. What cannot be
    done is answered by status 400 and a sentence.

    Args:
        review: The review to show.
        data_root: Folder that its images are relative to.
        opinions: Predictions to show beside the photos, of people that the model did not learn
            from.
        features: Frozen features, by which photos of other people are like these.

    Raises:
        InputError: ``opinions`` has none of the photos, or ``features`` lacks one.
    """
    people = review.issues["person"].unique()
    images = [image for person in people for image in review.photos(person)]
    shown = page_data(review, {} if opinions is None else read_opinions(opinions, images))
    shown["alike"] = [] if features is None else photos_alike(review, features)
    numbers = {image: number for number, image in enumerate(images)}
    for each in shown["alike"]:
        for found in each["photos"]:
            found["number"] = numbers.setdefault(found["image"], len(numbers))
    images, root = list(numbers), DataSource.at(data_root).root
    # Part of the addresses of photos, so that a browser shows no cached photo of another list.
    shown["list"] = text_hash(str(Path(data_root).resolve()) + as_data(shown))[:12]
    html = render(
        "review.html",
        title=f"Label issues \u2192 {review.out.name}",
        kind="mmmask label review",
        summary="",
        review=shown,
        with_opinions=opinions is not None,
    )

    @lru_cache(maxsize=KEPT)
    def photo_of(number: int) -> bytes:
        photo = load_photo(root / images[number])  # EXIF rotation applied
        return small_jpeg(photo, HEIGHT / photo.shape[0])

    known = {str(number): number for number in range(len(images))}

    async def page(request: Request) -> Response:
        return HTMLResponse(html, headers=HEADERS)

    async def state(request: Request) -> Response:
        seen = request.headers.get("if-none-match", "").strip('"')
        now = await run_in_threadpool(review.state, seen)
        if now is None:
            return Response(status_code=304, headers=HEADERS)
        etag = {"ETag": f'"{now["version"]}"'}
        return answered({"list": shown["list"], **now}, headers=etag)

    async def photo(request: Request) -> Response:
        number = known.get(request.path_params["number"])
        if request.path_params["list"] != shown["list"] or number is None:
            raise InputError("there is no such photo in this review")
        data = await run_in_threadpool(photo_of, number)
        headers = {**HEADERS, "Cache-Control": "private, max-age=3600"}  # photos are loaded ahead
        return Response(data, media_type="image/jpeg", headers=headers)

    decided = {"number": int, "verdict": str, "version": str, "values": dict}
    decide = _posted(review.decide, shown["list"], decided)
    undo = _posted(review.undo, shown["list"], {"version": str})
    return local_app(
        Route("/", page),
        Route("/state", state),
        Route("/photo/{list}/{number}", photo),
        Route("/decide", decide, methods=["POST"]),
        Route("/undo", undo, methods=["POST"]),
        largest=LARGEST,
    )


def _posted(
    act: Callable[..., Any], listed: str, kinds: dict[str, type]
) -> Callable[[Request], Awaitable[Response]]:
    """Return the answer to a POST: what ``act`` returns for the arguments in its body."""

    async def answer(request: Request) -> Response:
        body = await _read_body(request, listed, kinds)
        return answered(await run_in_threadpool(act, **body))

    return answer


def page_data(review: Review, opinions: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """Return what the page needs, with photos numbered and opinions of :func:`read_opinions`."""
    issues = review.issues[list(LABEL_ISSUES)].astype(object)
    number = count()
    return {
        "issues": issues.where(issues.notna(), None).to_dict("records"),
        "people": {
            person: [
                {"stem": Path(image).stem, "number": next(number), "says": opinions.get(image)}
                for image in review.photos(person)
            ]
            for person in issues["person"].unique()
        },
        "attributes": {name: list(values) for name, values in ATTRIBUTES.items()},
        "cuts": [MIDDLE_FROM, OLD_FROM],
        "oldest": OLDEST,
        "swap": SWAP,
        "exposed": list(EXPOSED),
    }


def read_opinions(path: str | Path, images: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Return image -> attribute -> probabilities, of those images that the predictions have.

    Raises:
        InputError: It has none of them.
    """
    table = read_predictions(path)
    table = table[table["image"].isin(images)]
    if table.empty:
        raise InputError(f"{path}: has none of the {len(images)} photos, such as {images[0]}")
    attribute, given = attribute_of(table), probabilities(table)
    parts = {attribute: given} if attribute else marginals(given)
    return {
        image: {name: [round(float(p), 4) for p in part[row]] for name, part in parts.items()}
        for row, image in enumerate(table["image"])
    }


async def _read_body(request: Request, listed: str, kinds: dict[str, type]) -> dict[str, Any]:
    """Return the JSON object in the body of a request about the list that is shown."""
    body = await json_of(request)
    kinds = {"list": str, **kinds}
    if not isinstance(body, dict) or set(body) != set(kinds):
        raise InputError(f"the request must have {', '.join(kinds)}")
    for name, kind in kinds.items():
        if type(body[name]) is not kind:
            raise InputError(
                f"{name} must be of type {kind.__name__}; got {reprlib.repr(body[name])}"
            )
    if not all(isinstance(value, str) for value in body.get("values", {}).values()):
        raise InputError("values must be text")
    if body.pop("list") != listed:
        raise InputError("the server has another list of label issues now; reload this page")
    return body
