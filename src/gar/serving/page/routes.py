"""What the browser fetches and sends: a visitor's picture, masks and files.

Each visit has an address that nobody can guess and that ends with the visit. Pictures go over HTTP rather than the
page's web socket, whose messages are kept for visitors whose connection breaks.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from gar.errors import InputError
from gar.serving.limits import Limits
from gar.serving.page.visit import Visit

__all__ = ["Addresses", "Saved", "add_routes"]

What = Literal["picture", "mask"]
Receive = Callable[[What, bytes, str], Awaitable[None]]
"""Takes a file: what it is meant to be, its bytes, its name."""
Saved = Literal["conversation", "overlay", "regions"]
Make = Callable[[Saved], Awaitable[bytes]]
"""Makes a file that a visitor takes home."""

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True)
class _Address:
    visit: Visit
    receive: Receive
    make: Make


class Addresses:
    """The visits that are going on, by their secret addresses."""

    def __init__(self) -> None:
        self._by_token: dict[str, _Address] = {}

    def __len__(self) -> int:
        return len(self._by_token)

    def enter(self, visit: Visit, receive: Receive, make: Make) -> str:
        """Gives a visit its address; returns the token in it."""
        token = secrets.token_urlsafe(24)
        self._by_token[token] = _Address(visit, receive, make)
        return token

    def leave(self, token: str) -> None:
        """Forgets a visit."""
        self._by_token.pop(token, None)

    def find(self, token: str) -> _Address | None:
        """The visit at an address, None once it has ended."""
        return self._by_token.get(token)


def add_routes(app: FastAPI, addresses: Addresses, limits: Limits) -> None:
    """Adds `/visits/…` to an application."""

    @app.get("/visits/{token}/picture/{opened}", include_in_schema=False)
    def picture(token: str, opened: int) -> Response:
        address = addresses.find(token)
        if address is None or (shown := address.visit.picture) is None:
            return _refuse(404, "this picture is no longer open")
        return Response(shown.shown, media_type=shown.shown_type, headers=_HEADERS)

    @app.get("/visits/{token}/mask/{id}", include_in_schema=False)
    def mask(token: str, id: int) -> Response:
        address = addresses.find(token)
        if address is None or (number := address.visit.number_of(id)) is None:
            return _refuse(404, "this region is gone")
        return Response(address.visit.marks[number].png, media_type="image/png", headers=_HEADERS)

    @app.get("/visits/{token}/file/{what}", include_in_schema=False)
    async def file(token: str, what: Saved) -> Response:
        address = addresses.find(token)
        if address is None:
            return _refuse(404, "this visit has ended; load the page again")
        try:
            content = await address.make(what)
        except InputError as error:
            return _refuse(404, str(error))
        headers = {**_HEADERS, "Content-Disposition": "attachment"}
        return Response(content, media_type="application/octet-stream", headers=headers)

    @app.post("/visits/{token}/upload/{what}", include_in_schema=False)
    async def upload(token: str, what: What, request: Request) -> Response:
        address = addresses.find(token)
        if address is None:
            return _refuse(404, "this visit has ended; load the page again")
        data = await _body(request, limits.max_body_bytes)
        if data is None:
            return _refuse(413, f"the file has more than {limits.max_body_bytes} bytes")
        await address.receive(what, data, unquote(request.headers.get("X-File-Name", ""))[:200] or what)
        return Response(status_code=204)


def _refuse(status: int, words: str) -> Response:
    return PlainTextResponse(words, status, headers=_HEADERS)


async def _body(request: Request, most: int) -> bytes | None:
    """The body of a request, read no further than is allowed; None if there is more."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > most:
            return None
    return bytes(data)
