"""Serve an app to this computer alone."""

import socket
from collections.abc import Awaitable, Callable
from typing import Any

from mmmask.errors import InputError
from mmmask.packages import require

HOST = "127.0.0.1"
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


def check_installed() -> None:
    """Refuse to start where the packages of the extra ``apps`` are missing.

    Raises:
        InputError: One of them is.
    """
    require("an app", "starlette", "uvicorn", "jinja2", "PIL")


def serve(app: Any, port: int, name: str) -> None:
    """Serve an app until it is interrupted; its address is printed.

    Args:
        app: Of Starlette.
        port: From 1 to 65535; 0 takes a free one.
        name: What is served, for the printed line.

    Raises:
        InputError: The port is taken.
    """
    import uvicorn

    if not 0 <= port <= 65535:
        raise InputError(f"--port must be from 0 to 65535; got {port}")
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen()  # who reads the line may ask at once
        except OSError as error:
            raise InputError(f"--port {port}: {error.strerror}; choose another") from error
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        print(f"{name}: {address} (Ctrl+C ends it)", flush=True)
        config = uvicorn.Config(app, log_level="warning", log_config=None, access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


def local_app(*routes: Any) -> Any:
    """Return an app with these routes of Starlette, for this computer alone.

    An :class:`InputError` is answered by status 400 and its sentence, as JSON.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import JSONResponse

    async def refused(request: Any, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=400, headers=HEADERS)

    return Starlette(
        routes=routes,
        middleware=[Middleware(LocalOnly)],
        exception_handlers={InputError: refused},
    )


class LocalOnly:
    """Middleware: refuse requests that another site's page could make a browser send.

    Such a page may know the port. A name of its own that leads here shows in ``Host``, and a
    request across sites shows in ``Sec-Fetch-Site`` and, unless it only reads, in ``Origin``.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        from starlette.datastructures import Headers
        from starlette.responses import PlainTextResponse

        answer = self.app
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host = headers.get("host", "")
            if (
                host.rsplit(":", 1)[0] not in {HOST, "localhost"}
                or headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
                or headers.get("origin", f"http://{host}") != f"http://{host}"
            ):
                answer = PlainTextResponse("from this computer alone", status_code=403)
        await answer(scope, receive, send)
