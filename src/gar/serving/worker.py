"""One thread that owns the model, and the questions that wait for it.

    async with Worker(gar.load("nano")) as worker:
        async for piece in worker.stream(Request(picture, None, [region])):
            print(piece, end="")
        answer = await worker.answer(Request(picture, "Is <Prompt0> red?", [region], ["yes", "no"]))

Choices:

* questions are prepared (picture read, regions drawn, tokens made) in other threads, so mistakes are raised before
  anything waits, and the model never stands still for a picture;
* as many as may wait, wait; the next one is a `QueueFullError`, at once;
* all that fit are answered together, each with options of its own; who comes later joins a few tokens later, together
  with others that came meanwhile, so nobody waits for the end of another's long answer;
* whoever goes away (a cancelled task, a closed iterator, `Ticket.cancel`) leaves the queue or its batch, and what the
  model kept for it is freed;
* closing lets what has begun finish; what waits is told `ClosedError`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Condition, Thread
from typing import Unpack

from gar.assistant import GAR, Answer, Request, SamplingOptions
from gar.assistant.engine import Engine
from gar.assistant.sampling import Sampling
from gar.errors import InputError
from gar.media import ImageSource
from gar.serving.batch import Batch
from gar.serving.errors import ClosedError, QueueFullError
from gar.serving.preparing import Preparer
from gar.serving.spoken import Spoken
from gar.serving.ticket import Asked, Seconds, Ticket

__all__ = ["Worker"]

_JOIN_EVERY = 8
"""Tokens of those being answered, between two times that others join: it copies what the model keeps for all of them,
and those that join together are read faster than one by one."""

_PREPARING = 2
"""Threads that prepare questions; pictures are decoded one at a time anyway."""


class Worker:
    """Answers questions from any event loop with one model.

    Args:
        assistant: The model; from now on only the worker may ask it.
        max_waiting: Most questions that wait; each region described and each of several answers counts as one.
        max_rows: Most questions answered at once.

    Raises:
        InputError: A limit is less than 1.
    """

    def __init__(self, assistant: GAR, *, max_waiting: int = 128, max_rows: int = 32):
        for name, value in (("max_waiting", max_waiting), ("max_rows", max_rows)):
            if value < 1:
                raise InputError(f"{name} is {value}; at least 1 is needed")
        self.assistant = assistant
        self.max_waiting, self.max_rows = max_waiting, max_rows
        self._preparer = Preparer(assistant)
        self._preparing = ThreadPoolExecutor(_PREPARING, thread_name_prefix="gar-prepare")
        self._batch = Batch(Engine(assistant.model, assistant.processor), max_rows)
        self._waiting: deque[Ticket] = deque()
        self._reserved = 0  # places of questions that are being made
        self._changed = Condition()
        self._closing = self._cut = False
        self._thread = Thread(target=self._work, name="gar-worker", daemon=True)
        self._thread.start()

    async def __aenter__(self) -> Worker:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # asking

    def stream(
        self,
        request: Request,
        *,
        earlier: Sequence[tuple[str, str]] = (),
        stop: Sequence[str] = (),
        **options: Unpack[SamplingOptions],
    ) -> AsyncIterator[str]:
        """Answers piece by piece; the pieces joined are the answer's text.

        Args:
            request: As in `gar.GAR.batch`.
            earlier: Questions about the same regions that were asked before, and their answers.
            stop: Texts that end the answer and are no part of it.
            options: See `SamplingOptions`.

        Raises:
            InputError: The question cannot be asked.
            QueueFullError: Too many wait.
            ClosedError: The worker is closing.
        """
        asked = Asked(request, Sampling.checked(**options), earlier, stop)

        async def pieces() -> AsyncIterator[str]:
            (ticket,) = await self.submit([asked])
            try:
                async for piece in ticket:
                    yield piece
            finally:
                ticket.cancel()

        return pieces()

    async def answer(
        self,
        request: Request,
        *,
        earlier: Sequence[tuple[str, str]] = (),
        stop: Sequence[str] = (),
        **options: Unpack[SamplingOptions],
    ) -> Answer:
        """Answers at once; options are scored. Arguments and errors as `stream`."""
        (ticket,) = await self.submit([Asked(request, Sampling.checked(**options), earlier, stop)])
        return await ticket.answer()

    async def submit(self, several: Sequence[Asked]) -> list[Ticket]:
        """Takes questions, all or none, and lets them wait for the model.

        Args:
            several: Questions; those about one and the same picture object share its reading.

        Returns:
            A ticket for each, which tells its position in the queue, its pieces and its answer.

        Raises:
            InputError: A question cannot be asked; or there are more than may wait.
            QueueFullError: Too many wait.
            ClosedError: The worker is closing.
        """
        with self.places(len(several)):
            return await self.take(several)

    @contextmanager
    def places(self, count: int) -> Generator[None]:
        """Keeps places in the queue while questions are made, so that nothing is read for one that finds no place.

        Raises:
            InputError: There are more than may wait.
            QueueFullError: Too many wait.
            ClosedError: The worker is closing.
        """
        if count > self.max_waiting:
            raise InputError(f"{count} questions at once; allowed are {self.max_waiting}")
        with self._changed:
            self._check_open()
            if self.waiting + count > self.max_waiting:
                raise QueueFullError(self.waiting, self.max_waiting, self.retry_after)
            self._reserved += count
        try:
            yield
        finally:
            with self._changed:
                self._reserved -= count

    async def take(self, several: Sequence[Asked]) -> list[Ticket]:
        """Takes questions whose places are kept; otherwise as `submit`."""
        began = time.perf_counter()
        jobs = await asyncio.get_running_loop().run_in_executor(self._preparing, self._preparer.jobs, several)
        seconds = time.perf_counter() - began
        tokenizer = self.assistant.processor.tokenizer
        tickets = [
            Ticket(job, asked.sampling, Spoken(tokenizer, asked.stop), self._place, Seconds(seconds))
            for job, asked in zip(jobs, several, strict=True)
        ]
        with self._changed:
            self._check_open()
            self._waiting.extend(tickets)
            self._changed.notify()
        return tickets

    def forget(self, picture: ImageSource) -> None:
        """Lets go of a picture that nobody will ask about again."""
        with suppress(RuntimeError):  # the worker has closed, and keeps nothing
            self._preparing.submit(self._preparer.forget, picture)

    # what is going on

    @property
    def waiting(self) -> int:
        """How many questions wait."""
        return len(self._waiting) + self._reserved

    @property
    def running(self) -> int:
        """How many questions are being answered."""
        return len(self._batch)

    @property
    def ready(self) -> bool:
        """Whether questions are taken."""
        return not self._closing and self._thread.is_alive()

    @property
    def retry_after(self) -> int:
        """In how many seconds a place in the queue may be free: a second for each batch that waits, at most 60."""
        return min(60, 1 + self.waiting // self.max_rows)

    # closing

    def drain(self) -> None:
        """Takes no more questions, and tells those that wait `ClosedError`; what has begun goes on."""
        with self._changed:
            self._closing = True
            left, self._waiting = self._waiting, deque()
            self._changed.notify()
        for ticket in left:
            ticket.finish(ClosedError())

    async def close(self, seconds: float = 30.0) -> None:
        """Drains, and waits for what has begun; after so many seconds that is told `ClosedError`, too."""
        self.drain()
        await asyncio.to_thread(self._thread.join, seconds)
        self._cut = True
        await asyncio.to_thread(self._thread.join)
        self._preparing.shutdown(wait=False, cancel_futures=True)

    # inside

    def _check_open(self) -> None:
        if not self.ready:
            raise ClosedError

    def _place(self, ticket: Ticket) -> int:
        """The position of a ticket, counted from 1; 0 if it does not wait. One that was cancelled leaves the queue."""
        with self._changed:
            if ticket not in self._waiting:
                return 0
            if ticket.cancelled:
                self._waiting.remove(ticket)
                return 0
            return self._waiting.index(ticket) + 1

    def _work(self) -> None:
        """The worker's thread: lets in who waits, writes a token of each, and so on."""
        batch, tokens = self._batch, 0
        while True:
            with self._changed:
                while not self._waiting and not len(batch) and not self._closing:
                    self._changed.wait()
                if self._closing and not len(batch):
                    return
                coming = self._coming() if not len(batch) or tokens % _JOIN_EVERY == 0 else []
            for ticket in coming:
                ticket.begin()
            if coming:
                batch.join(coming)
            if self._cut:
                batch.fail(ClosedError())
            batch.step()
            tokens += 1

    def _coming(self) -> list[Ticket]:
        """The first of those that wait, as many as fit beside those that are being answered."""
        coming: list[Ticket] = []
        while self._waiting and self._batch.fits([*coming, self._waiting[0]]):
            coming.append(self._waiting.popleft())
        return coming
