"""What both kinds of requests need: the worker, the limits, and the way from a picture and regions to answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from gar.assistant import Answer
from gar.assistant.sampling import MAX_NEW_TOKENS, Sampling
from gar.regions import Region
from gar.serving.limits import Limits
from gar.serving.pictures import Pictures
from gar.serving.refusals import Refusal
from gar.serving.replies import ModelCard
from gar.serving.ticket import Asked, Ticket
from gar.serving.wire import ChatRequest, DescribeRequest, RegionSpec
from gar.serving.worker import Worker

__all__ = ["DAM_MODEL", "Record", "Service"]

_T = TypeVar("_T")

DAM_MODEL = "describe_anything_model"
"""The name by which Describe Anything's clients ask for whatever model their server has."""

_PICTURES_AT_ONCE = 3
"""One is being decoded while two are prepared for the model."""


@dataclass
class Record:
    """What is told of a request in logs and metrics; no content."""

    request_id: str
    began: float = field(default_factory=time.perf_counter)
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    """By stage: read (picture and regions, and their turn to be read), prepare, wait, answer."""
    regions: int | None = None
    prompt_tokens: int | None = None
    new_tokens: int | None = None

    def note(self, tickets: Sequence[Ticket], answers: Sequence[Answer], prompt_tokens: int) -> None:
        """Takes down how questions were answered; of several the slowest."""
        stages = {"prepare": "prepared", "wait": "waited", "answer": "answered"}
        for stage, name in stages.items():
            self.seconds[stage] = max(getattr(ticket.seconds, name) for ticket in tickets)
        self.prompt_tokens, self.new_tokens = prompt_tokens, sum(answer.new_tokens for answer in answers)


@dataclass(frozen=True)
class Service:
    """One model and how it is served."""

    worker: Worker
    limits: Limits
    pictures: Pictures
    drawing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_PICTURES_AT_ONCE))
    """For decoded pictures, which are large: a file of some kilobytes may hold as many pixels as are allowed."""
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def model(self) -> str:
        """The model's public name: the last part of a folder, otherwise what it was loaded as."""
        name = self.worker.assistant.name
        return Path(name).name if Path(name).is_dir() else name

    @property
    def card(self) -> ModelCard:
        """The model, as clients see it."""
        info = self.worker.assistant.info()
        limits = {name: info[name] for name in ("max_regions", "context_length")}
        return ModelCard(id=self.model, created=self.created, **limits)

    def check_model(self, name: str | None) -> None:
        """Checks that a client asks for this model.

        Raises:
            Refusal: It asks for another.
        """
        if name not in (None, self.model, DAM_MODEL):
            message = f"there is no model {name[:100]!r}; this server has {self.model!r}"
            raise Refusal(404, message, code="model_not_found", param="model")

    def sampling(self, sent: ChatRequest | DescribeRequest, max_tokens: int | None, number: int = 0) -> Sampling:
        """How one of several answers is written; each has a seed of its own.

        Raises:
            Refusal: More tokens are asked for than this server allows.
        """
        limit = self.limits.max_tokens
        if max_tokens is not None and max_tokens > limit:
            raise Refusal(400, f"max_tokens is {max_tokens}; this server allows {limit}", param="max_tokens")
        return Sampling.checked(
            max_new_tokens=max_tokens or min(MAX_NEW_TOKENS, limit),
            temperature=sent.temperature,
            top_p=sent.top_p,
            seed=None if sent.seed is None else sent.seed + number,
        )

    @asynccontextmanager
    async def asking(
        self,
        url: str,
        specs: Sequence[RegionSpec] | None,
        count: int,
        make: Callable[[Image.Image, list[Region]], list[Asked]],
        record: Record,
    ) -> AsyncGenerator[list[Ticket]]:
        """Reads a picture and its regions and asks about them; whatever has no answer at the end is given up.

        Args:
            url: Of the picture.
            specs: The regions; None for the one that alpha shows.
            count: How many questions there will be.
            make: Makes them.
            record: Is filled in.

        Raises:
            Refusal: There are more regions than this server allows.
            InputError: The picture or a region cannot be used, or a question cannot be asked.
            ServingError: No question is taken now; nothing was read then.
        """
        limit = self.limits.max_regions
        if specs is not None and len(specs) > limit:
            raise Refusal(400, f"{len(specs)} regions were sent; this server allows {limit}", param="regions")
        with self.worker.places(count):
            began = time.perf_counter()
            data = await asyncio.to_thread(self.pictures.fetch, url)
            async with self.drawing:
                image, regions = await _to_its_end(asyncio.to_thread(self.pictures.draw, data, specs))
                record.seconds["read"], record.regions = time.perf_counter() - began, len(regions)
                tickets = await self.worker.take(make(image, regions))
                del image, data  # not kept while the answer is written
        try:
            yield tickets
        finally:
            for ticket in tickets:
                ticket.cancel()

    def deadline(self) -> Callable[[], Any]:
        """When a request must be done: makes context managers that end in TimeoutError then."""
        when = asyncio.get_running_loop().time() + self.limits.max_seconds
        return lambda: asyncio.timeout_at(when)


async def _to_its_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Waits for what a thread does, to its end even when cancelled: a thread cannot be stopped.

    Otherwise its place would be another's while it still decodes, and more pictures be decoded at once than may.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
