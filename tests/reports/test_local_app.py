"""What apps of this computer say to those who ask badly, slowly or not to the end."""

import json
import logging
import re
import socket
import threading
import time
import tracemalloc

import pytest
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mmmask.reports import connection
from mmmask.reports.local_app import HELD, answered, in_bytes, json_of, local_app
from tests.served_app import served

LARGEST, PATIENCE = 1000, 0.4


class Echo:
    """An app that answers the size of a body, and knows how many it is answering."""

    def __init__(self, largest: int = LARGEST, patience: float = PATIENCE) -> None:
        self.inside, self.left = 0, threading.Event()
        self.app = local_app(
            Route("/size", self.size, methods=["POST"]),
            Route("/json", self.json, methods=["POST"]),
            Route("/wait", self.wait, methods=["POST"]),
            Route("/much", self.much),
            Route("/defect", self.defect),
            largest=largest,
            patience=patience,
        )

    async def size(self, request):
        return answered({"size": len(await request.body())})

    async def json(self, request):
        return answered({"json": await json_of(request)})

    async def wait(self, request):
        import anyio

        self.inside += 1
        try:
            await anyio.sleep(30)
        finally:
            self.inside -= 1
            self.left.set()

    async def much(self, request):
        return PlainTextResponse(bytes(50_000_000))

    async def defect(self, request):
        return await run_in_threadpool(lambda: 1 / 0)


@pytest.fixture
def echo():
    return Echo()


@pytest.fixture
def address(echo, caplog, capfd):
    """Where it is served; nothing may be logged or printed in the meantime."""
    with served(echo.app, patience=PATIENCE) as address:
        yield address
    assert [record.getMessage() for record in caplog.records] == []
    assert capfd.readouterr() == ("", "")


def connected(address: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(address.rsplit(":", 1)[1])), timeout=20)


def heard(link: socket.socket) -> bytes:
    """Return all that comes until the server closes."""
    parts = []
    while part := link.recv(65536):
        parts.append(part)
    return b"".join(parts)


def parsed(reply: bytes) -> tuple[int, dict]:
    head, _, body = reply.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def said(address: str, request: bytes) -> tuple[int, dict]:
    """Send bytes as they are and return status and content of the answer."""
    with connected(address) as link:
        link.sendall(request)
        return parsed(heard(link))


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    if not any(re.match("content-length|transfer", header, re.I) for header in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


TOO_LARGE = "a request must have at most 1 kB"
NO_HTTP = "this is not a request of HTTP/1.1, or its head is too large"


@pytest.mark.parametrize(
    ("request_", "status", "sentence"),
    [
        (post("/size", bytes(1001)), 413, TOO_LARGE),
        (post("/size", b"", "Content-Length: 100000000"), 413, TOO_LARGE),
        (post("/size", b"", f"Content-Length: {'9' * 20}"), 413, TOO_LARGE),
        (
            post("/size", b"2\r\nab\r\n" * 501 + b"0\r\n\r\n", "Transfer-Encoding: chunked"),
            413,
            TOO_LARGE,
        ),
        (post("/nowhere", b"a"), 404, "there is nothing at '/nowhere'"),
        (post("/%00%ff", b""), 404, "there is nothing at '/\\x00�'"),
        (post("/much", b"a"), 405, "POST is not allowed here, but GET, HEAD"),
        (
            post("/size", b"--b\r\n\r\na" * 99, "Content-Type: multipart/form-data; boundary=b"),
            415,
            "send the content itself as the body, not a form",
        ),
        (
            post("/size", b"a", "Origin: http://evil.example"),
            403,
            "only pages of this server may ask it",
        ),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, NO_HTTP),
        (b"SM\r\n\r\n", 400, NO_HTTP),
        (b"GET / HTTP/1.1\r\n\r\n", 400, NO_HTTP),  # without Host
        (post("/size", b"", "Content-Length: -1"), 400, NO_HTTP),
        (post("/size", b"a", "Content-Length: 1", "Content-Length: 2"), 400, NO_HTTP),
        (post("/size", b"zz\r\n", "Transfer-Encoding: chunked"), 400, NO_HTTP),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000, 400, NO_HTTP),
        (post("/json", b"[" * 999), 400, "the request must be JSON, of UTF-8 text and finite"),
        (post("/json", b"[NaN]"), 400, "the request must be JSON, of UTF-8 text and finite"),
        (post("/json", b'"\\ud800"'), 400, "the request must be JSON, of UTF-8 text and finite"),
        (post("/json", b'"\xff"'), 400, "the request must be JSON, of UTF-8 text and finite"),
    ],
    ids=range(20),
)
def test_what_cannot_be_taken_is_refused_in_one_form(address, request_, status, sentence):
    found, content = said(address, request_)
    assert (found, list(content)) == (status, ["error"])
    assert content["error"].startswith(sentence)
    assert said(address, post("/size", b"abc")) == (200, {"size": 3})


@pytest.mark.parametrize("nested", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000])
def test_json_that_python_cannot_read_is_refused(nested):
    with served(Echo(largest=1_000_000).app) as address:
        assert said(address, post("/json", nested))[0] == 400


def test_a_body_of_the_largest_size_is_taken_whole_and_in_chunks(address):
    assert said(address, post("/size", bytes(LARGEST))) == (200, {"size": LARGEST})
    chunks = (b"64\r\n" + bytes(100) + b"\r\n") * 10 + b"0\r\n\r\n"
    assert said(address, post("/size", chunks, "Transfer-Encoding: chunked"))[1] == {"size": 1000}


def test_bodies_without_end_take_no_memory_and_end(address):
    chunk, ended = b"10000\r\n" + bytes(65536) + b"\r\n", []

    def send() -> None:
        with connected(address) as link:
            link.sendall(post("/size", b"", "Transfer-Encoding: chunked"))
            try:
                while True:
                    link.sendall(chunk)
            except OSError:
                ended.append(time.monotonic())

    tracemalloc.start()
    began = time.monotonic()
    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(ended) == 5
    assert max(ended) - began < 20 * PATIENCE
    assert peak < 8_000_000


def test_bodies_that_are_too_much_together_are_refused_for_now(address, echo):
    with_room, links = [], []
    for _ in range(HELD):
        link = connected(address)
        link.sendall(post("/wait", bytes(LARGEST)))
        links.append(link)
    while echo.inside < HELD:
        time.sleep(0.01)
    with connected(address) as link:
        link.sendall(post("/size", b"a"))
        reply = heard(link)
    assert parsed(reply) == (503, {"error": "too many requests at once; try again in a moment"})
    assert b"\r\nretry-after: 1\r\n" in reply.lower()
    for link in links:
        link.close()
    while echo.inside:
        time.sleep(0.01)
    with_room = said(address, post("/size", b"a"))
    assert with_room == (200, {"size": 1})


@pytest.mark.parametrize(
    ("begun", "sentence"),
    [
        (b"", "the request has not come whole within 0.4 seconds"),
        (
            b"POST /size HTTP/1.1\r\nHost: local",
            "the request has not come whole within 0.4 seconds",
        ),
        (
            post("/size", b"ab", "Content-Length: 900"),
            "the body has not come whole within 0.4 seconds",
        ),
    ],
)
def test_who_is_too_slow_is_told_and_held_no_longer(address, begun, sentence):
    with connected(address) as link:
        link.sendall(begun)
        began = time.monotonic()
        assert parsed(heard(link)) == (408, {"error": sentence})
        assert 0.5 * PATIENCE < time.monotonic() - began < 20 * PATIENCE


def test_a_byte_now_and_then_gains_no_time(address):
    with connected(address) as link:
        for byte in b"POST /size HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 99:
            try:
                link.sendall(bytes([byte]))
            except OSError:
                return
            time.sleep(PATIENCE / 10)
    pytest.fail("it waited for all")


def test_who_breaks_off_is_answered_no_more(address, echo):
    for begun in (b"POST /si", post("/size", b"ab", "Content-Length: 900"), post("/wait", b"a")):
        link = connected(address)
        link.sendall(begun)
        while begun.startswith(b"POST /wait") and not echo.inside:
            time.sleep(0.01)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # by a reset
        link.close()
    assert echo.left.wait(10)
    assert said(address, post("/size", b"abc")) == (200, {"size": 3})


@pytest.mark.parametrize("reads", [0, 1000])
def test_an_answer_that_is_not_read_is_given_up(address, reads):
    with connected(address) as link:
        link.sendall(b"GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert len(link.recv(reads)) <= reads
        time.sleep(3 * PATIENCE)
        assert len(heard(link)) < 50_000_000


def test_more_connections_than_files_are_refused(address, monkeypatch):
    monkeypatch.setattr(connection, "MOST", 2)
    links = [connected(address) for _ in range(2)]
    for link in links:  # they are taken by now
        link.sendall(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert link.recv(100)
    with connected(address) as link:
        assert parsed(heard(link)) == (
            503,
            {"error": "more than 2 connections at once; try again in a moment"},
        )
    for link in links:
        link.close()


def test_a_defect_is_told_to_who_runs_the_server(echo, caplog):
    with served(echo.app) as address:
        request = b"GET /defect HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        status, content = said(address, request)
    assert (status, content) == (
        500,
        {"error": "the server has failed; see its terminal for the reason"},
    )
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "ZeroDivisionError" in caplog.text


def test_sizes_are_told_in_words():
    assert [in_bytes(size) for size in (999, 1000, 100_000, 20_000_000)] == [
        "999 bytes", "1 kB", "100 kB", "20 MB",
    ]  # fmt: skip
