"""A connection of the local server, which ends with whoever is too slow or speaks no HTTP."""

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

#: Connections at once, below the files that a process may have open; browsers take six each.
MOST = 200
#: For which the server goes on to answer when it is told to end, in seconds.
GRACE = 2.0


class Connection(H11Protocol):
    """uvicorn's connection, where nobody can hold one for long, and each refusal is JSON.

    uvicorn has no limit of time for the head of a request and for an answer that is not read. The
    limit of a body is :class:`mmmask.reports.local_app.WholeRequests`.

    Attributes:
        patience: Those limits, in seconds.
    """

    patience: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._too_slow: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST:
            self._refuse(503, f"more than {MOST} connections at once; try again in a moment")
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._too_slow, self._unread):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(self.patience, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(400, "this is not a request of HTTP/1.1, or its head is too large")

    def shutdown(self) -> None:
        """Go on for a moment with what has come whole: the server ends."""
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.abort()
        else:
            super().shutdown()
            self.loop.call_later(GRACE, self.transport.abort)

    def _watch(self) -> None:
        """Start the clock where it is the client's turn, and stop it where it is not."""
        if self.conn.their_state is not h11.IDLE:
            if self._too_slow is not None:
                self._too_slow.cancel()
            self._too_slow = None
        elif self._too_slow is None and not self.transport.is_closing():
            self._too_slow = self.loop.call_later(self.patience, self._end)

    def _end(self) -> None:
        if self.conn.our_state is h11.IDLE and not self.transport.is_closing():
            self._refuse(408, f"the request has not come whole within {self.patience:g} seconds")
        else:
            self.transport.abort()

    def _refuse(self, status: int, sentence: str) -> None:
        """Answer, if it has not been answered, and close."""
        if self.cycle is not None:  # its app has nobody to answer any more
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            content = json.dumps({"error": sentence}).encode()
            headers = [
                ("content-type", "application/json"),
                ("content-length", str(len(content))),
                ("connection", "close"),
            ]
            response = h11.Response(
                status_code=status, headers=headers, reason=STATUS_PHRASES[status]
            )
            for event in (response, h11.Data(data=content), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
