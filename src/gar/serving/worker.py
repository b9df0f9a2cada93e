"""One thread that owns the model, and the questions that wait for it.

    async with Worker(gar.load("nano")) as worker:
        async for piece in worker.stream(Request(picture, None, [region])):
            print(piece, end="")
        answer = await worker.answer(Request(picture, "Is <Prompt0> red?", [region], ["yes", "no"]))

Choices:

* questions are prepared (picture read, regions drawn, tokens made) in other threads, so mistakes are raised before
  anything waits, and the model never stands still for a picture;
* as many as may wait, wait; the next one is a `QueueFullError`, at once;
* all that wait are taken together, as far as they fit, so a busy worker answers in batches;
* whoever goes away (a cancelled task, a closed iterator, `Ticket.cancel`) leaves the queue or its batch, and what the
  model kept for it is freed;
* closing lets what has begun finish; what waits is told `ClosedError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Condition, Thread
from typing import TYPE_CHECKING, Unpack

from gar.assistant import GAR, Answer, Request, SamplingOptions
from gar.assistant.sampling import Sampling
from gar.errors import InputError, PromptError
from gar.processing.prompts import DESCRIBE, check_question, follow_up
from gar.serving.errors import ClosedError, QueueFullError
from gar.serving.spoken import Spoken
from gar.serving.ticket import Asked, Seconds, Ticket

if TYPE_CHECKING:
    from gar.assistant.reading import Job

__all__ = ["Worker"]

_PREPARING = 2
"""Threads that prepare questions; pictures are decoded one at a time anyway."""

_log = logging.getLogger(__name__)


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
        from gar.assistant.engine import Engine

        for name, value in (("max_waiting", max_waiting), ("max_rows", max_rows)):
            if value < 1:
                raise InputError(f"{name} is {value}; at least 1 is needed")
        self.assistant = assistant
        self.max_waiting, self.max_rows = max_waiting, max_rows
        self._engine = Engine(assistant.model, assistant.processor)
        self._preparing = ThreadPoolExecutor(_PREPARING, thread_name_prefix="gar-prepare")
        self._waiting: deque[Ticket] = deque()
        self._running: list[Ticket] = []
        self._reserved = 0  # places of questions that are being prepared
        self._changed = Condition()
        self._closing = False
        self._pace = 1.0  # seconds that a question takes the worker, smoothed
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
        if len(several) > self.max_waiting:
            raise InputError(f"{len(several)} questions at once; allowed are {self.max_waiting}")
        with self._changed:
            self._check_open()
            waiting = len(self._waiting) + self._reserved
            if waiting + len(several) > self.max_waiting:
                raise QueueFullError(waiting, self.max_waiting, self.retry_after)
            self._reserved += len(several)
        try:
            began = time.perf_counter()
            jobs = await asyncio.get_running_loop().run_in_executor(self._preparing, self._prepare, several)
            seconds = time.perf_counter() - began
            tokenizer = self.assistant.processor.tokenizer
            tickets = [
                Ticket(job, asked, Spoken(tokenizer, asked.stop), self._place, Seconds(seconds))
                for job, asked in zip(jobs, several, strict=True)
            ]
        finally:
            with self._changed:
                self._reserved -= len(several)
        with self._changed:
            self._check_open()
            self._waiting.extend(tickets)
            self._changed.notify()
        return tickets

    # what is going on

    @property
    def waiting(self) -> int:
        """How many questions wait."""
        return len(self._waiting) + self._reserved

    @property
    def running(self) -> int:
        """How many questions are being answered."""
        return len(self._running)

    @property
    def ready(self) -> bool:
        """Whether questions are taken."""
        return not self._closing and self._thread.is_alive()

    @property
    def retry_after(self) -> int:
        """In how many seconds a place in the queue should be free, from 1 to 60."""
        return round(min(60.0, max(1.0, self._pace * self.waiting / 4)))

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
        for ticket in list(self._running):
            ticket.finish(ClosedError())
            ticket.cancelled = True
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

    def _prepare(self, several: Sequence[Asked]) -> list[Job]:
        """Makes jobs; runs in a thread of its own."""
        from gar.assistant.reading import Reader

        reader = Reader(self.assistant.model, self.assistant.processor, 1)
        return [_job(reader, self.assistant, asked) for asked in several]

    def _work(self) -> None:
        """The worker's thread."""
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                if not self._waiting:
                    return
                batch = self._next_batch()
                self._running = batch
            began = time.perf_counter()
            for ticket in batch:
                ticket.begin()
            try:
                self._answer(batch)
            except Exception as error:
                _log.exception("a batch of %d failed", len(batch))
                for ticket in batch:
                    ticket.finish(error)
            finally:
                self._running = []
                self._pace += 0.2 * ((time.perf_counter() - began) / len(batch) - self._pace)

    def _next_batch(self) -> list[Ticket]:
        """The first that waits, and those that can be answered with it."""
        first = self._waiting[0]
        fitting = [
            ticket
            for ticket in self._waiting
            if ticket.asked.sampling == first.asked.sampling
            and (ticket.job.options is None) == (first.job.options is None)
        ]
        batch: list[Ticket] = []
        for ticket in fitting[: self.max_rows]:
            jobs = [member.job for member in (*batch, ticket)]
            slots = len(jobs) * (max(len(job.ids) for job in jobs) + max(job.room for job in jobs))
            if batch and slots > self._engine.max_batch_tokens:
                break
            batch.append(ticket)
        for ticket in batch:
            self._waiting.remove(ticket)
        return batch

    def _answer(self, batch: Sequence[Ticket]) -> None:
        from gar.assistant.prefill import read
        from gar.assistant.writing import write

        sampling, engine = batch[0].asked.sampling, self._engine
        if batch[0].job.options is not None:
            jobs = [replace(ticket.job, number=number) for number, ticket in enumerate(batch)]
            for number, answer in engine._answer(jobs, sampling):  # pyright: ignore[reportPrivateUsage]
                batch[number].finish(answer)
            return
        began = time.perf_counter()
        texts = read(engine.model, [ticket.job for ticket in batch])
        tickets = {id(ticket.job): ticket for ticket in batch}
        rows = [tickets[id(job)] for job in texts.jobs]
        left = set(range(len(rows)))
        with contextlib.closing(_steps(write(engine.model, texts, sampling, engine.ends))) as steps:
            for step in steps:
                for row, token in step:
                    ticket = rows[row]
                    if row not in left:
                        continue
                    ticket.tokens.append(token)
                    ended = token in engine.ends
                    if not ended and (piece := ticket.spoken.push(token)):
                        ticket.say(piece)
                    if ended or ticket.spoken.stopped or len(ticket.tokens) == sampling.max_new_tokens:
                        self._finish(ticket, time.perf_counter() - began)
                        left.discard(row)
                left -= {row for row in left if rows[row].cancelled}
                if not left:
                    return

    def _finish(self, ticket: Ticket, seconds: float) -> None:
        answer = self._engine.answer(ticket.job, ticket.tokens, ticket.asked.sampling, seconds)
        whole, rest = ticket.spoken.end(answer.text)
        if rest:
            ticket.say(rest)
        reason = "stop" if ticket.spoken.stopped else answer.finish_reason
        ticket.finish(replace(answer, text=whole, finish_reason=reason))


def _steps(written: Iterator[list[tuple[int, int]]]) -> Iterator[list[tuple[int, int]]]:
    yield from written


def _job(reader: object, assistant: GAR, asked: Asked) -> Job:
    """Prepares one question, earlier turns included."""
    from gar.assistant.reading import Reader

    assert isinstance(reader, Reader)
    processor, request = assistant.processor, asked.request
    reader.max_new_tokens = asked.sampling.max_new_tokens
    if not asked.earlier:
        return reader.job(reader.plan(request))
    regions = tuple(request.regions or ())
    names, reserved = range(len(regions)), processor.reserved_token
    questions = [question for question, _ in asked.earlier] + [request.question or DESCRIBE]
    job = reader.job(reader.plan(replace(request, question=questions[0])))
    ids = list(job.ids)
    for (_, answer), question in zip(asked.earlier, questions[1:], strict=True):
        if (token := reserved(answer)) is not None:
            raise PromptError(f"an earlier answer holds the reserved token {token!r}")
        ids += processor.answer_ids(answer)
        ids += processor.token_ids(follow_up(check_question(question, names, reserved)), 0)
    reader.check_length(len(ids), job.room)
    return replace(job, ids=tuple(ids))
