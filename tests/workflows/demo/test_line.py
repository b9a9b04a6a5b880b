"""Many who ask one model at once: each gets the answer that it would get alone."""

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pandas as pd
import pytest
from starlette.exceptions import HTTPException

from mmmask.deploy.predictor import Predictor
from mmmask.errors import InputError
from mmmask.tables import probabilities
from mmmask.workflows.demo.face_finder import FaceFinder
from mmmask.workflows.demo.line import Found, Line
from mmmask.workflows.demo.read_faces import FaceReader
from tests.tiny_models import Colours, cells, colour_reader, colours, tiny_reader


class Slow(Colours):
    """Tells colours, one batch at a time, and notes how many photos each had."""

    def __init__(self, seconds: float = 0.05) -> None:
        self.seconds, self.batches = seconds, []

    def __call__(self, photos):
        self.batches.append(len(photos))
        time.sleep(self.seconds)
        if (photos[:, 0, 0] == 1).all(axis=-1).any():
            raise InputError("a photo that breaks the network")
        return super().__call__(photos)


def slow_reader(network: Slow) -> FaceReader:
    return FaceReader(Predictor(network), FaceFinder("a rule", cells))


def finder(reader: FaceReader, photo: np.ndarray):
    return lambda: Found(photo.shape[1], photo.shape[0], reader.look(photo))


def answers(reader: FaceReader, photos, **options) -> list:
    """Return what each gets of those who ask at once: a table or an error."""

    async def ask():
        line = Line(reader, **options)
        asked = (line.answer(finder(reader, photo)) for photo in photos)
        return await asyncio.gather(*asked, return_exceptions=True)

    return [one if isinstance(one, Exception) else one[1] for one in asyncio.run(ask())]


def test_what_waits_is_answered_together_and_in_order():
    network = Slow()
    names = ["blue", "green", "red"] * 10
    found = answers(slow_reader(network), [colours(name) for name in names], batch=8)
    told = [int(probabilities(table)[0].argmax()) for table in found]
    assert told == [{"blue": 2, "green": 9, "red": 16}[name] for name in names]
    assert sum(network.batches) == 30
    assert max(network.batches) == 8
    assert len(network.batches) <= 8


@pytest.mark.parametrize("kind", ["torch", "onnx", "rule"])
def test_each_gets_what_it_would_get_alone(kind, tmp_path, make_onnx):
    generator = np.random.default_rng(0)
    photos = [
        generator.integers(30, 255, (80, width, 3), dtype=np.uint8) for width in (60, 120, 180, 90)
    ] * 3
    if kind == "torch":
        reader = tiny_reader(tmp_path)
    elif kind == "onnx":
        reader = FaceReader(Predictor(make_onnx()), FaceFinder("a rule", cells))
    else:
        reader = colour_reader()
    alone = [reader(photo)[1] for photo in photos]
    # A network sums in another order where a batch is larger; this one of random weights and torch
    # tells that most.
    limit = 1e-5 if kind == "torch" else 1e-6
    for found, expected in zip(answers(reader, photos), alone, strict=True):
        columns = [name for name in expected if name != "image"]
        np.testing.assert_allclose(found[columns], expected[columns], rtol=0, atol=limit)


def test_a_photo_with_more_faces_than_a_batch_passes_whole():
    network = Slow()
    found = answers(slow_reader(network), [colours(*["red"] * 6), colours("blue")], batch=4)
    assert [len(table) for table in found] == [6, 1]
    assert sorted(network.batches) == [1, 6]


def test_the_fault_of_one_photo_is_not_the_others():
    bad = np.ones((80, 60, 3), dtype=np.uint8)
    photos = [colours("red")] * 3 + [bad] + [colours("blue")] * 3
    found = answers(slow_reader(Slow()), photos)
    assert isinstance(found.pop(3), InputError)
    assert all(isinstance(table, pd.DataFrame) for table in found)


def test_more_than_may_wait_are_sent_away():
    network = Slow()
    found = answers(slow_reader(network), [colours("red")] * 9, most=5)
    sent_away = [one for one in found if isinstance(one, HTTPException)]
    assert len(sent_away) == 4
    assert {one.status_code for one in sent_away} == {503}
    assert {one.headers["Retry-After"] for one in sent_away} == {"1"}
    assert sum(network.batches) == 5


def test_who_has_gone_is_neither_answered_nor_counted():
    network = Slow(0.2)
    reader = slow_reader(network)

    async def ask() -> None:
        line = Line(reader, batch=1, most=4)
        first = asyncio.create_task(line.answer(finder(reader, colours("red"))))
        while not network.batches:
            await asyncio.sleep(0.01)
        gone = [asyncio.create_task(line.answer(finder(reader, colours("red")))) for _ in range(3)]
        await asyncio.sleep(0.05)
        for task in gone:
            task.cancel()
        await first
        await asyncio.gather(
            *(line.answer(finder(reader, colours("blue"))) for _ in range(4)),
        )

    asyncio.run(ask())
    assert len(network.batches) == 5


SERVED = """
import sys
from mmmask.cli import command
from mmmask.reports.local_server import serve
from mmmask.workflows.demo.app import demo_app
from tests.workflows.demo.test_line import Slow, slow_reader
raise SystemExit(command(lambda: serve(demo_app(slow_reader(Slow(0.3))), 0, "demo")))
"""


def test_ctrl_c_ends_a_busy_server_at_once_and_quietly():
    server = subprocess.Popen(
        [sys.executable, "-c", SERVED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    port = int(server.stdout.readline().split(":")[3].split()[0])
    photo = cv2.imencode(".png", colours(*["red"] * 16))[1].tobytes()
    statuses: list[int | None] = []

    def ask() -> None:
        try:
            link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            link.request("POST", "/answer", photo)
            reply = link.getresponse()
            json.loads(reply.read())
            statuses.append(reply.status)
        except (OSError, http.client.HTTPException):
            statuses.append(None)

    threads = [threading.Thread(target=ask) for _ in range(30)]
    for thread in threads:
        thread.start()
    while not statuses:
        time.sleep(0.02)
    os.kill(server.pid, signal.SIGINT)
    began = time.monotonic()
    err = server.communicate(timeout=60)[1]
    for thread in threads:
        thread.join(60)
    assert (server.returncode, err) == (130, "interrupted\n")
    assert time.monotonic() - began < 15
    assert statuses.count(200) >= 1
    assert statuses.count(None) >= 1
