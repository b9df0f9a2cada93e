"""A question that a worker has taken, as the one who asked sees it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gar.assistant import Answer, Request
from gar.assistant.sampling import Sampling

if TYPE_CHECKING:
    from gar.assistant.reading import Job
    from gar.serving.spoken import Spoken

__all__ = ["Asked", "Seconds", "Ticket"]


@dataclass(frozen=True)
class Asked:
    """A question as it is put to a worker."""

    request: Request
    """What is asked now."""
    sampling: Sampling = field(default_factory=Sampling.checked)
    """How the answer is written."""
    earlier: Sequence[tuple[str, str]] = ()
    """Questions about the same regions that were asked before, and their answers."""
    stop: Sequence[str] = ()
    """Texts that end the answer and are no part of it."""


@dataclass
class Seconds:
    """How long a question took so far, by stage."""

    prepared: float = 0.0
    """Reading the picture, drawing the regions, making tokens."""
    waited: float = 0.0
    """Until its batch began."""
    answered: float = 0.0
    """From then to the end of the answer."""


class Ticket:
    """A question on its way; made by `Worker.submit`.

    Iterate over it for the pieces of the answer as the model writes them (none when options are scored), or wait for
    `answer`, or do both in that order. Belongs to the event loop in which it was made.
    """

    def __init__(self, job: Job, sampling: Sampling, spoken: Spoken, place: Callable[[Ticket], int], seconds: Seconds):
        # not the question itself: that has the whole picture, which nobody needs any longer
        self.job, self.sampling, self.spoken, self.seconds = job, sampling, spoken, seconds
        self.tokens: list[int] = []
        """Written so far; the worker's."""
        self.cancelled = False
        """Whether nobody waits for it any longer."""
        self.ended = False
        """Whether the worker is done with it."""
        self._place = place
        self.taken = self._created = time.perf_counter()
        """When its batch began."""
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[str | Answer | Exception] = asyncio.Queue()
        self._end: Answer | Exception | None = None

    @property
    def position(self) -> int:
        """How many questions are answered before this one is begun, this one included; 0 once it has begun."""
        return self._place(self)

    def __aiter__(self) -> Ticket:
        return self

    async def __anext__(self) -> str:
        if self._end is None:
            try:
                event = await self._events.get()
            except asyncio.CancelledError:
                self.cancel()
                raise
            if isinstance(event, str):
                return event
            self._end = event
        if isinstance(self._end, Exception):
            raise self._end
        raise StopAsyncIteration

    async def answer(self) -> Answer:
        """Waits for the whole answer.

        Raises:
            ClosedError: The worker closed before it was begun.
            Exception: Whatever went wrong in the model.
        """
        async for _ in self:
            pass
        assert isinstance(self._end, Answer)
        return self._end

    def cancel(self) -> None:
        """Gives the question up: it leaves the queue, or its batch at the next token."""
        self.cancelled = True
        self._place(self)

    # called by the worker's thread

    def begin(self) -> None:
        """Its batch begins."""
        self.taken = time.perf_counter()
        self.seconds.waited = self.taken - self._created

    def say(self, piece: str) -> None:
        """Gives out a piece."""
        self._tell(piece)

    def finish(self, end: Answer | Exception) -> None:
        """Gives out the answer, or why there is none."""
        if not self.ended:
            self.ended = True
            self.seconds.answered = time.perf_counter() - self.taken
            self._tell(end)

    def _tell(self, event: str | Answer | Exception) -> None:
        if self.cancelled or self._loop.is_closed():
            return
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
        except RuntimeError:  # closed meanwhile: nobody listens
            self.cancelled = True
