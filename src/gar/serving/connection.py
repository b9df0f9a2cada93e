"""Work for a client that may go away, and streams of server-sent events to one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

__all__ = ["ClientGoneError", "EventStream", "event", "while_connected"]

_T = TypeVar("_T")


class ClientGoneError(Exception):
    """Nobody waits for the response any longer."""


async def while_connected(receive: Receive, work: Coroutine[Any, Any, _T]) -> _T:
    """Does work as long as the client is there; the body must have been read.

    Raises:
        ClientGoneError: The client went away; the work was cancelled.
    """
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGoneError
        return task.result()
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.wait({task, gone})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(StreamingResponse):
    """Server-sent events, ended as soon as the client goes away.

    Args:
        events: Written out as they come; closed in every case.
        give_back: Gives back what they need, in every case: a generator that never began ends nothing of its own.
    """

    def __init__(self, events: AsyncIterator[bytes], give_back: Callable[[], Awaitable[None]]):
        super().__init__(
            events,
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},  # the latter is nginx's
        )
        self._events, self._give_back = events, give_back

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends."""
        try:
            await while_connected(receive, self.stream_response(send))
        finally:
            try:
                await self._events.aclose()  # type: ignore[attr-defined]
            finally:
                await self._give_back()


def event(content: dict[str, Any] | str) -> bytes:
    """One event."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode()
