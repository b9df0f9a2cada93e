"""POST /v1/regions/describe: a picture and regions in, as many descriptions out."""

from __future__ import annotations

import asyncio
import time

from PIL import Image
from starlette.types import Receive

from gar.assistant import Request
from gar.regions import Region
from gar.serving.connection import while_connected
from gar.serving.replies import Descriptions, descriptions_of, new_id, usage_of
from gar.serving.service import Record, Service
from gar.serving.ticket import Asked, Ticket
from gar.serving.wire import DescribeRequest

__all__ = ["describe"]


async def describe(service: Service, sent: DescribeRequest, receive: Receive, record: Record) -> Descriptions:
    """Describes regions, each for itself; arguments and errors as `gar.serving.chat.complete`."""
    service.check_model(sent.model)
    sampling = service.sampling(sent, sent.max_tokens)
    deadline = service.deadline()
    count = 1 if sent.regions is None else len(sent.regions)

    def ask(image: Image.Image, regions: list[Region]) -> list[Asked]:
        return [Asked(Request(image, None, [region]), sampling, (), sent.stops) for region in regions]

    async def work() -> Descriptions:
        async with deadline():
            async with service.asking(sent.image, sent.regions, count, ask, record) as tickets:
                answers = [await ticket.answer() for ticket in tickets]
            boxes = await asyncio.to_thread(lambda: [_box(ticket) for ticket in tickets])
        read = sum(answer.prompt_tokens for answer in answers)
        record.note(tickets, answers, read)
        return Descriptions(
            id=new_id("regions"),
            created=int(time.time()),
            model=service.model,
            descriptions=descriptions_of(zip(answers, boxes, strict=True)),
            usage=usage_of(read, answers),
        )

    return await while_connected(receive, work())


def _box(ticket: Ticket) -> tuple[int, int, int, int]:
    """Around the only region of a question."""
    (region,) = ticket.job.regions
    return region.to_box(ticket.job.shown.picture.size)
