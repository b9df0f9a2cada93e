"""POST /v1/chat/completions."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from PIL import Image
from starlette.types import Receive

from gar.assistant import Answer, Request
from gar.regions import Region
from gar.serving.connection import EventStream, event, while_connected
from gar.serving.refusals import Refusal, error_body, refusal_of
from gar.serving.replies import ChatCompletion, choice_of, chunk, finish_reason, new_id, usage_of
from gar.serving.service import Record, Service
from gar.serving.ticket import Asked, Ticket
from gar.serving.wire import ChatRequest, ImagePart, Message

__all__ = ["Conversation", "complete", "read_conversation"]

_DESCRIBE = re.compile(r"(?:please )?describe (?:the|this) (?:masked )?region(?: in detail)?[.!]?", re.IGNORECASE)
"""What asks for no more than a description, among it the question of Describe Anything's examples."""
_MASKED = re.compile(r"\b(?:the|this) masked region\b", re.IGNORECASE)
"""The name that Describe Anything's clients have for the only region."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Conversation:
    """A chat as the worker takes it."""

    picture: str
    """The URL of the only picture."""
    earlier: tuple[tuple[str, str], ...]
    """Questions and answers so far."""
    question: str
    """The one to be answered; may be empty."""


def read_conversation(messages: Sequence[Message]) -> Conversation:
    """Turns messages into questions, answers and the one picture that all is about.

    Messages of one role in a row are one turn. The picture may stand in any message of the user, and again in others.

    Raises:
        Refusal: There is no picture, or another one too; or the turns are not a user's and ours in turn.
    """
    pictures: list[str] = []
    turns: list[tuple[str, str]] = []
    for role, group in groupby(messages, key=lambda message: message.role):
        texts: list[str] = []
        for message in group:
            parts = message.content if isinstance(message.content, list) else [message.content]
            pictures += [part.image_url.url for part in parts if isinstance(part, ImagePart)]
            texts += [part if isinstance(part, str) else part.text for part in parts if not isinstance(part, ImagePart)]
        turns.append((role, "\n".join(text for text in map(_plain, texts) if text)))
    different = set(pictures)
    if len(different) != 1:
        raise Refusal(400, f"{len(different)} pictures were sent; a conversation is about exactly 1", param="messages")
    if turns[0][0] != "user" or turns[-1][0] != "user":
        raise Refusal(400, "the first and the last message must be the user's", param="messages")
    asked, answered = [text for role, text in turns if role == "user"], [text for role, text in turns if role != "user"]
    return Conversation(pictures[0], tuple(zip(asked[:-1], answered, strict=True)), asked[-1])


def _plain(text: str) -> str:
    """A text without the placeholder that some clients put where the picture is."""
    return text.replace("<image>", "").strip()


async def complete(
    service: Service, sent: ChatRequest, receive: Receive, record: Record
) -> ChatCompletion | EventStream:
    """Answers a chat.

    Args:
        service: With the model.
        sent: The request.
        receive: Tells when the client goes away.
        record: Is filled in.

    Raises:
        Refusal: The request is not one for this server.
        GARError: It cannot be answered.
        TimeoutError: Not in time.
    """
    service.check_model(sent.model)
    if sent.n > service.limits.max_answers:
        raise Refusal(400, f"n is {sent.n}; this server allows {service.limits.max_answers}", param="n")
    samplings = [
        service.sampling(sent, sent.max_completion_tokens or sent.max_tokens, number) for number in range(sent.n)
    ]
    conversation = read_conversation(sent.messages)
    deadline = service.deadline()

    def ask(image: Image.Image, regions: list[Region]) -> list[Asked]:
        count = len(regions)
        question = _question(conversation.question, count, alone=count == 1 and sent.choices is None)
        earlier = [(_question(text, count) or "", answer) for text, answer in conversation.earlier]
        if question is None and count != 1:
            raise Refusal(400, f"{count} regions and no question about them; ask one", param="messages")
        request = Request(image, question, regions, sent.choices)
        return [Asked(request, sampling, earlier, sent.stops) for sampling in samplings]

    stack = AsyncExitStack()
    async with stack:

        async def begin() -> tuple[list[Ticket], AsyncIterator[tuple[int, str | Answer]], tuple[int, str | Answer]]:
            async with deadline():
                asking = service.asking(conversation.picture, sent.regions, sent.n, ask, record)
                tickets = await stack.enter_async_context(asking)
                events = _events(tickets)
                stack.push_async_callback(events.aclose)  # type: ignore[attr-defined]
                # refusals come as long as nothing was said
                return tickets, events, await anext(events)

        tickets, events, first = await while_connected(receive, begin())
        if sent.stream:
            whole = _Stream(service, sent, tickets, events, deadline, record)
            return EventStream(whole.run(first), stack.pop_all().aclose)

        async def rest() -> dict[int, Answer]:
            async with deadline():
                all_events = [first, *[one async for one in events]]
                return {index: content for index, content in all_events if isinstance(content, Answer)}

        answers = await while_connected(receive, rest())
    ordered = [answers[index] for index in range(len(tickets))]
    record.note(tickets, ordered, ordered[0].prompt_tokens)
    return ChatCompletion(
        id=new_id("chatcmpl"),
        created=int(time.time()),
        model=service.model,
        choices=[choice_of(answer, index, _likelihoods(sent)) for index, answer in enumerate(ordered)],
        usage=usage_of(ordered[0].prompt_tokens, ordered),
    )


def _question(text: str, regions: int, *, alone: bool = False) -> str | None:
    """What is asked about so many regions; None for nothing, or if it may stand alone, for a plain description."""
    if not text or (alone and _DESCRIBE.fullmatch(text)):
        return None
    return _MASKED.sub("<Prompt0>", text) if regions == 1 else text


def _likelihoods(sent: ChatRequest) -> int | None:
    """How many options' likelihoods are told."""
    if not sent.logprobs:
        return None
    return len(sent.choices or ()) if sent.top_logprobs is None else sent.top_logprobs


async def _events(tickets: Sequence[Ticket]) -> AsyncIterator[tuple[int, str | Answer]]:
    """Pieces and, last, the answer of each ticket, as they come."""
    queue: asyncio.Queue[tuple[int, str | Answer] | Exception] = asyncio.Queue()

    async def follow(index: int, ticket: Ticket) -> None:
        try:
            async for piece in ticket:
                queue.put_nowait((index, piece))
            queue.put_nowait((index, await ticket.answer()))
        except Exception as error:
            queue.put_nowait(error)

    tasks = [asyncio.create_task(follow(index, ticket)) for index, ticket in enumerate(tickets)]
    try:
        left = len(tasks)
        while left:
            one = await queue.get()
            if isinstance(one, Exception):
                raise one
            left -= isinstance(one[1], Answer)
            yield one
    finally:
        for task in tasks:
            task.cancel()


@dataclass
class _Stream:
    """An answer as server-sent events: role, pieces, finish reason, usage if wanted, and the end."""

    service: Service
    sent: ChatRequest
    tickets: list[Ticket]
    events: AsyncIterator[tuple[int, str | Answer]]
    deadline: Callable[[], Any]
    record: Record

    async def run(self, first: tuple[int, str | Answer]) -> AsyncIterator[bytes]:
        """The events; an error that comes late is one of them."""
        about = {"id": new_id("chatcmpl"), "created": int(time.time()), "model": self.service.model}
        wanted = self.sent.stream_options is not None and self.sent.stream_options.include_usage
        usage: dict[str, Any] = {"usage": None} if wanted else {}
        answers: dict[int, Answer] = {}
        said: set[int] = set()

        def say(index: int, content: str) -> bytes:
            said.add(index)
            return self._delta(about, index, {"content": content}, usage)

        for index in range(len(self.tickets)):
            yield self._delta(about, index, {"role": "assistant", "content": ""}, usage)
        try:
            one: tuple[int, str | Answer] | None = first
            while one is not None:
                index, content = one
                if isinstance(content, str):
                    yield say(index, content)
                else:
                    answers[index] = content
                    if index not in said and content.text:  # a chosen option
                        yield say(index, content.text)
                    yield self._end(about, index, content, usage)
                async with self.deadline():
                    one = await anext(self.events, None)
        except Exception as error:
            if not isinstance(error, TimeoutError):
                _log.exception("a stream failed", extra={"request_id": self.record.request_id})
            yield event(error_body(refusal_of(error)))
            return
        ordered = [answers[index] for index in range(len(answers))]
        read = ordered[0].prompt_tokens
        self.record.note(self.tickets, ordered, read)
        if wanted:
            yield event(chunk(about, [], usage=usage_of(read, ordered).model_dump()))
        yield event("[DONE]")

    def _delta(self, about: dict[str, Any], index: int, delta: dict[str, Any], usage: dict[str, Any]) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
        return event(chunk(about, [choice], **usage))

    def _end(self, about: dict[str, Any], index: int, answer: Answer, usage: dict[str, Any]) -> bytes:
        whole = choice_of(answer, index, _likelihoods(self.sent)).model_dump(exclude={"message"})
        return event(chunk(about, [{**whole, "delta": {}, "finish_reason": finish_reason(answer)}], **usage))
