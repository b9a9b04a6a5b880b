"""An app on this computer, for as long as a test needs it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mmmask.reports.local_server import HOST, PATIENCE, server_of


@contextmanager
def served(app: object, *, patience: float = PATIENCE) -> Iterator[str]:
    """Serve an app while the block runs; yield its address."""
    server = server_of(app, patience=patience)
    with socket.create_server((HOST, 0)) as listener:
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join()
