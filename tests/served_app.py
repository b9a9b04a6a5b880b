"""An app on this computer, for as long as a test needs it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def served(app: object) -> Iterator[str]:
    """Serve an app while the block runs; yield its address."""
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="warning", log_config=None, access_log=False)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
