"""POST /v1/regions/describe: a picture and regions in, as many descriptions out."""

from __future__ import annotations

import asyncio
import time

from starlette.types import Receive

from gar.assistant import Request
from gar.serving.connection import while_connected
from gar.serving.replies import Descriptions, descriptions_of, new_id, usage_of
from gar.serving.service import Record, Service
from gar.serving.ticket import Asked
from gar.serving.wire import DescribeRequest

__all__ = ["describe"]


async def describe(service: Service, sent: DescribeRequest, receive: Receive, record: Record) -> Descriptions:
    """Describes regions, each for itself; arguments and errors as `gar.serving.chat.complete`."""
    service.check_model(sent.model)
    sampling = service.sampling(sent, sent.max_tokens)
    deadline = service.deadline()

    async def work() -> Descriptions:
        async with deadline():
            image, regions = await service.read(sent.image, sent.regions, record)
            asked = [Asked(Request(image, None, [region]), sampling, (), sent.stops) for region in regions]
            async with service.asking(asked) as tickets:
                answers = [await ticket.answer() for ticket in tickets]
            size = (image.height, image.width)
            boxes = await asyncio.to_thread(lambda: [region.to_box(size) for region in regions])
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
