"""Serve an app to this computer alone."""

import socket
from typing import Any

from mmmask.errors import InputError
from mmmask.packages import require

HOST = "127.0.0.1"
#: In which a request must have come whole, and an answer must be taken, in seconds.
PATIENCE = 30.0


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
        server_of(app).run(sockets=[listener])


def server_of(app: Any, *, patience: float = PATIENCE) -> Any:
    """Return a server of uvicorn for an app, which prints nothing but the traceback of a defect.

    ``patience`` is in seconds, as ``PATIENCE`` is.
    """
    import uvicorn

    from mmmask.reports.connection import Connection

    connection = type("PatientConnection", (Connection,), {"patience": patience})
    # Whatever else of uvicorn is installed, each user gets the same parser and event loop.
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=connection,
            loop="asyncio",
            ws="none",
            log_level="error",
            log_config=None,
            access_log=False,
        )
    )
