"""Streams to clients that go away."""

import asyncio

import pytest

from gar.serving.connection import ClientGoneError, EventStream


def test_what_a_stream_needs_is_given_back_though_its_client_went_away_before_the_first_event():
    given_back = []

    async def events():
        yield b"data: never\n\n"

    async def give_back():
        given_back.append(True)

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        await asyncio.sleep(60)

    with pytest.raises(ClientGoneError):
        asyncio.run(EventStream(events(), give_back)({"type": "http"}, receive, send))
    assert given_back == [True]
