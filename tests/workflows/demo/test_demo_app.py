"""What the demo's server answers, whoever asks: a page, a script, another site."""

import json
import socket
import struct
import sys
import urllib.error
import urllib.request
import zlib

import cv2
import numpy as np
import pytest

from mmmask.deploy.predictor import Predictor
from mmmask.errors import InputError
from mmmask.ledger.provenance import code_version
from mmmask.reports.cam_overlay import heated
from mmmask.reports.local_server import HOST, check_installed, serve
from mmmask.workflows.demo.app import as_jpeg, demo_app
from mmmask.workflows.demo.face_finder import FaceFinder
from mmmask.workflows.demo.read_faces import FaceReader
from tests.served_app import served
from tests.tiny_models import cells, colour_reader, colours


@pytest.fixture(scope="module")
def ask():
    """Return a function that asks the server: path, body, headers -> status, headers, content."""
    with served(demo_app(colour_reader())) as address:

        def ask(path, body=None, **headers):
            request = urllib.request.Request(address + path, data=body, headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=60) as reply:
                    return reply.status, reply.headers, reply.read()
            except urllib.error.HTTPError as error:
                return error.code, error.headers, error.read()

        yield ask


def png(photo) -> bytes:
    return cv2.imencode(".png", photo)[1].tobytes()


def test_the_page_may_load_nothing_from_elsewhere_and_is_not_kept(ask):
    status, headers, content = ask("/")
    assert status == 200
    assert b"<title>Mask, gender and age in a photo" in content
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "connect-src 'self'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


def test_each_face_is_answered_in_words_and_probabilities_from_left_to_right(ask):
    status, _, content = ask("/answer", png(colours("red", "blue")))
    answer = json.loads(content)
    assert (status, answer["width"], answer["height"]) == (200, 120, 80)
    first, second = answer["faces"]
    assert first["words"] == ["No mask", "female", "30 to 59"]  # 16
    assert second["words"] == ["Mask worn", "male", "60 and over"]  # 2
    assert first["box"] == pytest.approx([12, 16, 48, 72])
    top = np.exp(5) / (np.exp(5) + 17)
    assert first["probability"] == pytest.approx(top, rel=1e-4)
    assert first["classes"][0]["probability"] == first["probability"]
    mask, gender, age = first["attributes"]
    assert [part["answer"] for part in (mask, gender, age)] == [2, 1, 1]
    expected = [6 / 17 * (1 - top), 6 / 17 * (1 - top), top + 5 / 17 * (1 - top)]
    assert [value["probability"] for value in mask["values"]] == pytest.approx(expected, rel=1e-3)
    for part in (mask, gender, age):
        assert sum(value["probability"] for value in part["values"]) == pytest.approx(1, abs=1e-5)


def test_the_heat_is_of_the_face_that_was_asked_for(ask):
    photo = colours("red", "blue")
    status, _, content = ask("/heat?face=1&attribute=gender&value=0", png(photo))
    region = colour_reader()(photo)[0][1].region
    heat = np.repeat([[1.0] * 3 + [0.0] * 3], 8, axis=0)
    assert (status, json.loads(content)) == (200, {"picture": as_jpeg(heated(region, heat))})


def claims(width: int, height: int) -> bytes:
    """Return a small png that says that it is large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(99))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def no_photo(size: int) -> str:
    """Return what is said of an upload of so many bytes."""
    return f"the upload: not a photo that can be decoded (jpg, png, webp or bmp), {size} bytes"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", no_photo(0)),
        (b"hello", no_photo(5)),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", no_photo(41)),
        (b"\xff\xd8\xff\xe0", no_photo(4)),
        (claims(30, 20), no_photo(69)),
        (
            claims(40000, 40000),
            "the upload: a photo must have at most 100 million pixels; got 40000 x 40000; "
            "save it smaller",
        ),
    ],
)
def test_what_is_no_photo_is_refused_in_a_sentence(ask, body, sentence):
    status, _, content = ask("/answer", body)
    assert (status, json.loads(content)) == (400, {"error": sentence})


def test_nobody_waits_until_the_code_has_been_read():
    code_version.cache_clear()
    demo_app(colour_reader())
    assert code_version.cache_info().currsize == 1


def test_a_photo_has_at_most_the_bytes_that_the_page_names():
    with served(demo_app(colour_reader(), largest=2000)) as address:
        with urllib.request.urlopen(address, timeout=60) as page:
            assert b"LARGEST = 2000" in page.read()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{address}/answer", data=bytes(2001), timeout=60)
        assert refused.value.status == 413
        assert json.load(refused.value) == {"error": "a request must have at most 2 kB"}


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 90, 3), (90, 1, 3), (9, 9), (9, 9, 4)])
def test_a_photo_of_any_shape_is_answered(ask, shape):
    status, _, content = ask("/answer", png(np.full(shape, 200, dtype=np.uint8)))
    assert (status, json.loads(content)["height"]) == (200, shape[0])


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("", "face must be a number; got ''"),
        ("?face=0&value=-1", "value must be a number; got '-1'"),
        (f"?face={'9' * 5000}&value=0", f"face must be a number; got '{'9' * 20}'"),
        ("?face=2&value=0", "face must be from 0 to 1; got 2"),
        ("?face=0&value=18", "value must be from 0 to 17; got 18"),
        ("?face=0&value=3&attribute=mask", "value must be from 0 to 2; got 3"),
        ("?face=0&value=0&attribute=hat", "attribute must be one of mask, gender, age; got 'hat'"),
    ],
)
def test_a_question_that_has_no_answer_is_refused_in_a_sentence(ask, query, sentence):
    status, _, content = ask("/heat" + query, png(colours("red", "blue")))
    assert (status, json.loads(content)) == (400, {"error": sentence})


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example:80"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": ""}]
)
def test_another_site_cannot_make_a_browser_ask(ask, headers):
    for path, body in (("/", None), ("/answer", png(colours("red")))):
        assert ask(path, body, **headers)[0] == 403


def test_an_exported_model_answers_and_refuses_to_explain(make_onnx):
    reader = FaceReader(Predictor(make_onnx()), FaceFinder("a rule", cells))
    photo = colours("green")
    with served(demo_app(reader)) as address:
        request = urllib.request.Request(f"{address}/heat?face=0&value=0", data=png(photo))
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)
        assert "an exported model cannot say where it looked" in refused.value.read().decode()


def test_a_model_whose_answers_are_not_finite_answers_nothing(make_onnx):
    path = make_onnx(weight=np.full((3, 18), np.nan))
    reader = FaceReader(Predictor(path), FaceFinder("a rule", cells))
    with served(demo_app(reader)) as address:
        request = urllib.request.Request(f"{address}/answer", data=png(colours("green")))
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)
        assert f"{path}: the model's outputs are not finite" in refused.value.read().decode()


def test_a_missing_package_and_a_port_that_cannot_be_had_are_told(monkeypatch):
    with pytest.raises(InputError, match="--port must be from 0 to 65535; got 65536"):
        serve(None, 65536, "demo")
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port {port}: .* in use; choose another"):
            serve(None, port, "demo")
    check_installed()
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(InputError, match="an app needs PIL: pip install pillow"):
        check_installed()
