"""Apps for this computer alone: how each takes requests, and refuses those that it cannot take.

Each refusal is JSON with one sentence, ``error``: status 400 of an :class:`InputError`, 403 of
another site, 404, 405, 408 of a body that does not come, 413 of one that is too large, 415 of a
form, 503 of too many at once.
"""

import json
import reprlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse

from mmmask.errors import InputError
from mmmask.reports.local_server import HOST, PATIENCE

#: Of each response: a page loads nothing but from its own server, and nobody keeps what it shows.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data: blob:; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
#: All bodies in memory together are at most so many of the largest size.
HELD = 4
#: What is said to those for whom there is no room.
BUSY = "too many requests at once; try again in a moment"

Receive = Callable[[], Awaitable[Any]]


def local_app(*routes: Any, largest: int, patience: float = PATIENCE) -> Starlette:
    """Return an app with these routes of Starlette, for this computer alone.

    Args:
        routes: Their handlers get a request whose body has come whole, and are cancelled when
            who asked has gone.
        largest: Size of a body, in bytes.
        patience: In which a body must have come, in seconds.
    """

    async def refused(request: Request, error: Exception) -> JSONResponse:
        return answered({"error": str(error)}, 400)

    async def not_served(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        sentence = error.detail
        if error.status_code == 404:
            sentence = f"there is nothing at {reprlib.repr(request.url.path)}"
        elif error.status_code == 405:
            allowed = sorted((error.headers or {}).get("Allow", "").split(", "))
            sentence = f"{request.method[:20]} is not allowed here, but {', '.join(allowed)}"
        return answered({"error": sentence}, error.status_code, error.headers)

    async def failed(request: Request, error: Exception) -> JSONResponse:
        return answered({"error": "the server has failed; see its terminal for the reason"}, 500)

    return Starlette(
        routes=routes,
        middleware=[
            Middleware(WholeRequests, largest=largest, patience=patience),
            Middleware(LocalOnly),
        ],
        exception_handlers={InputError: refused, HTTPException: not_served, Exception: failed},
    )


def answered(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return a response of JSON."""
    return _Ascii(content, status, {**HEADERS, **(headers or {})})


class _Ascii(JSONResponse):
    """JSON of any text: half a pair of surrogates, which has no bytes in UTF-8, is escaped."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


async def json_of(request: Request) -> Any:
    """Return the JSON in the body of a request.

    Raises:
        InputError: It is none, is nested too deep, or holds NaN or text that UTF-8 cannot.
    """
    try:
        content = json.loads(await request.body(), parse_constant=_refuse_constant)
        json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InputError("the request must be JSON, of UTF-8 text and finite numbers") from error
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


class LocalOnly:
    """Middleware: refuse requests that another site's page could make a browser send.

    Such a page may know the port. A name of its own that leads here shows in ``Host``, and a
    request across sites shows in ``Sec-Fetch-Site`` and, unless it only reads, in ``Origin``.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: dict, receive: Receive, send: Callable) -> None:
        answer: Any = self.app
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host = headers.get("host", "")
            if (
                host.rsplit(":", 1)[0] not in {HOST, "localhost"}
                or headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
                or headers.get("origin", f"http://{host}") != f"http://{host}"
            ):
                answer = answered({"error": "only pages of this server may ask it"}, 403)
        await answer(scope, receive, send)


class WholeRequests:
    """Middleware: take a body whole or refuse it, and end the work for who has gone.

    What a request says of its length is believed only where it is too large.
    """

    def __init__(
        self, app: Callable[..., Awaitable[None]], *, largest: int, patience: float
    ) -> None:
        self.app, self.largest, self.patience = app, largest, patience
        self._held = 0  # bytes of all bodies

    async def __call__(self, scope: dict, receive: Receive, send: Callable) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body, size, more = bytearray(), 0, True
        refusal = self._unseen(Headers(scope=scope))
        try:
            with anyio.move_on_after(self.patience) as clock:
                while more and refusal is None:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    part, more = message.get("body", b""), message.get("more_body", False)
                    size, self._held = size + len(part), self._held + len(part)
                    body += part
                    refusal = self._refusal(size)
            if clock.cancelled_caught:
                said = f"the body has not come whole within {self.patience:g} seconds"
                refusal = answered({"error": said}, 408)
            if refusal is None:
                await self._answer(scope, body, receive, send)
            else:
                body.clear()
                self._held, size = self._held - size, 0
                await self._refuse(refusal, scope, receive, send, more)
        finally:
            self._held -= size

    def _unseen(self, headers: Headers) -> JSONResponse | None:
        """Refuse a body by what the head says of it."""
        if headers.get("content-type", "").lower().startswith("multipart/"):
            return answered({"error": "send the content itself as the body, not a form"}, 415)
        length = headers.get("content-length", "0")
        return self._refusal(int(length[:20]) if length.isdecimal() else 0)

    def _refusal(self, size: int) -> JSONResponse | None:
        if size > self.largest:
            return answered({"error": f"a request must have at most {in_bytes(self.largest)}"}, 413)
        if self._held > HELD * self.largest:
            return answered({"error": BUSY}, 503, {"Retry-After": "1"})
        return None

    async def _refuse(
        self, refusal: JSONResponse, scope: dict, receive: Receive, send: Callable, more: bool
    ) -> None:
        """Answer at once, but let the rest of a body come: most clients read only after it."""
        refusal.headers["Connection"] = "close"

        async def unfinished(message: Any) -> None:
            await send({**message, "more_body": True} if "body" in message else message)

        await refusal(scope, receive, unfinished)
        with anyio.move_on_after(self.patience):
            while more:
                more = (await receive()).get("more_body", False)
        await send({"type": "http.response.body"})

    async def _answer(self, scope: dict, body: bytearray, receive: Receive, send: Callable) -> None:
        async def whole() -> dict:
            content = bytes(body)
            body.clear()
            return {"type": "http.request", "body": content, "more_body": False}

        async with anyio.create_task_group() as group:

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(watch)
            await self.app(scope, whole, send)
            group.cancel_scope.cancel()


def in_bytes(size: int) -> str:
    """Return a size in words, such as 20 MB."""
    for unit, name in ((1_000_000, "MB"), (1_000, "kB")):
        if size >= unit:
            return f"{size / unit:g} {name}"
    return f"{size} bytes"
