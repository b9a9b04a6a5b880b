import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from mmmask.engine.downloads import cache_path, fetch
from mmmask.errors import InputError

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
GOOD, BAD = f"net-v1.5-{DIGEST[:8]}.pth", "net-00000000.pth"


class Handler(BaseHTTPRequestHandler):
    requests: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.requests.append(self.path)
        if "absent" in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT) + 10 * ("cut" in self.path)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[str]:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    Handler.requests.clear()
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def files() -> list[Path]:
    folder = cache_path("http://x/y").parent
    return list(folder.iterdir()) if folder.exists() else []


def test_a_file_is_downloaded_once(server):
    for _ in range(2):
        file = fetch(f"{server}/{GOOD}?version=2")
        assert file.name == GOOD
        assert file.read_bytes() == CONTENT
    assert len(Handler.requests) == 1


def test_a_download_with_another_hash_than_its_name_says_is_not_kept(server):
    with pytest.raises(InputError, match=f"begin with 00000000; got {DIGEST[:8]}"):
        fetch(f"{server}/{BAD}")
    assert not files()


def test_a_damaged_file_in_the_cache_is_named(server):
    file = fetch(f"{server}/{GOOD}")
    file.write_bytes(CONTENT[:100])
    with pytest.raises(InputError, match=f"{GOOD} is damaged.*delete it"):
        fetch(f"{server}/{GOOD}")


def test_a_name_without_a_hash_is_accepted(server):
    assert fetch(f"{server}/plain.pth").read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["absent.pth", "cut.pth"])
def test_a_failed_download_keeps_nothing_and_says_what_to_do(server, name):
    with pytest.raises(InputError) as error:
        fetch(f"{server}/{name}")
    for part in (f"{server}/{name}", str(cache_path(f"x/{name}")), "--pretrained PATH", "none"):
        assert part in str(error.value)
    assert not files()


def test_without_a_network_the_message_says_where_to_place_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(InputError, match=f"place the file at {tmp_path}/hub/checkpoints/{GOOD}"):
        fetch(f"http://127.0.0.1:1/{GOOD}")
