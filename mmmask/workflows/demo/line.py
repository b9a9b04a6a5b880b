"""Photos that wait for one model: what waits is answered together, in the order of coming."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import pandas as pd
from starlette.exceptions import HTTPException

from mmmask.reports.local_app import BUSY
from mmmask.workflows.demo.read_faces import Face, FaceReader

#: Faces that pass the network at once, unless one photo has more.
BATCH = 16
#: Requests that may wait: a few times as many as a class that tries the demo at once.
MOST_WAITING = 100
#: Photos that are decoded and searched for faces at once; each may take 200 MB.
READERS = 2

T = TypeVar("T")


class Found(NamedTuple):
    """What was found in a photo: its size in pixels, and its faces without the photo."""

    width: int
    height: int
    faces: list[Face]


class Line:
    """Those who wait for the answers of one model, which are let in up to a number.

    A few threads decode photos and find faces. One thread runs the network, on the faces of all
    who wait when it has done the last, up to a batch. Who is cancelled leaves the line.

    Args:
        reader: The model.
        batch: Faces that pass the network at once, unless one photo has more.
        most: Requests that may be in the line.
    """

    def __init__(self, reader: FaceReader, *, batch: int = BATCH, most: int = MOST_WAITING) -> None:
        self._reader, self._batch, self._most = reader, batch, most
        self._inside = 0
        self._finding = ThreadPoolExecutor(READERS, "faces")
        self._network = ThreadPoolExecutor(1, "network")
        self._waiting: deque[tuple[list[Face], asyncio.Future[pd.DataFrame]]] = deque()
        self._answering: asyncio.Task[None] | None = None

    async def answer(self, find: Callable[[], Found]) -> tuple[Found, pd.DataFrame]:
        """Return what ``find`` finds, in a thread, and the prediction for each face.

        Raises:
            HTTPException: 503, too many wait.
            InputError: Of ``find``, or of the model.
        """
        with self._place():
            found = await self._in(self._finding, find)
            answer = asyncio.get_running_loop().create_future()
            self._waiting.append((found.faces, answer))
            if self._answering is None:
                self._answering = asyncio.create_task(self._answer_waiting())
            return found, await answer

    async def explain(self, find: Callable[[], Found], explain: Callable[[Found], T]) -> T:
        """Return what ``explain`` makes of what is found, in the network's thread.

        Raises:
            HTTPException: 503, too many wait.
            InputError: Of one of both.
        """
        with self._place():
            found = await self._in(self._finding, find)
            return await self._in(self._network, lambda: explain(found))

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._inside >= self._most:
            raise HTTPException(503, BUSY, {"Retry-After": "1"})
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    async def _in(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    async def _answer_waiting(self) -> None:
        while taken := self._taken():
            await self._answer_all(taken)
        self._answering = None

    def _taken(self) -> list[tuple[list[Face], asyncio.Future[pd.DataFrame]]]:
        """Take the first of those who wait and are still there, up to a batch of faces."""
        taken: list[tuple[list[Face], asyncio.Future[pd.DataFrame]]] = []
        room = self._batch
        while self._waiting and (not taken or len(self._waiting[0][0]) <= room):
            faces, answer = self._waiting.popleft()
            if not answer.done():
                taken.append((faces, answer))
                room -= len(faces)
        return taken

    async def _answer_all(
        self, taken: Sequence[tuple[list[Face], asyncio.Future[pd.DataFrame]]]
    ) -> None:
        faces = [face for part, _ in taken for face in part]
        try:
            table = await self._in(self._network, lambda: self._reader.answer(faces))
        except Exception as error:
            if len(taken) > 1:  # one photo's fault is not the others'
                for one in taken:
                    await self._answer_all([one])
            elif not taken[0][1].done():
                taken[0][1].set_exception(error)
            return
        start = 0
        for part, answer in taken:
            if not answer.done():
                answer.set_result(table.iloc[start : start + len(part)])
            start += len(part)
