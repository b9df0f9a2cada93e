"""What the page's canvas fetches and sends: a visitor's picture, masks and files.

Each visit has an address that nobody can guess and that ends with the visit. Pictures go over HTTP rather than the
page's web socket, whose messages are kept for visitors whose connection breaks.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from fastapi import FastAPI, HTTPException, Request, Response

from gar.serving.page.picture import MAX_BYTES
from gar.serving.page.visit import Visit

__all__ = ["Addresses", "add_routes"]

What = Literal["picture", "mask"]
Receive = Callable[[What, bytes, str], Awaitable[None]]
"""Takes a file: what it is meant to be, its bytes, its name."""

_NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True)
class _Address:
    visit: Visit
    receive: Receive


class Addresses:
    """The visits that are going on, by their secret addresses."""

    def __init__(self) -> None:
        self._by_token: dict[str, _Address] = {}

    def __len__(self) -> int:
        return len(self._by_token)

    def enter(self, visit: Visit, receive: Receive) -> str:
        """Gives a visit its address; returns the token in it."""
        token = secrets.token_urlsafe(24)
        self._by_token[token] = _Address(visit, receive)
        return token

    def leave(self, token: str) -> None:
        """Forgets a visit."""
        self._by_token.pop(token, None)

    def find(self, token: str) -> _Address:
        """The visit at an address.

        Raises:
            HTTPException: 404, there is none.
        """
        if token not in self._by_token:
            raise HTTPException(404, "this visit has ended; load the page again")
        return self._by_token[token]


def add_routes(app: FastAPI, addresses: Addresses) -> None:
    """Adds `/visits/…` to an application."""

    @app.get("/visits/{token}/picture/{opened}", include_in_schema=False)
    def picture(token: str, opened: int) -> Response:
        shown = addresses.find(token).visit.picture
        if shown is None:
            raise HTTPException(404, "no picture is open")
        return Response(shown.shown, media_type=shown.shown_type, headers=_NO_STORE)

    @app.get("/visits/{token}/mask/{id}", include_in_schema=False)
    def mask(token: str, id: int) -> Response:
        visit = addresses.find(token).visit
        number = visit.number_of(id)
        if number is None:
            raise HTTPException(404, "this region is gone")
        return Response(visit.marks[number].png, media_type="image/png", headers=_NO_STORE)

    @app.post("/visits/{token}/upload/{what}", include_in_schema=False)
    async def upload(token: str, what: What, request: Request) -> Response:
        address = addresses.find(token)
        name = unquote(request.headers.get("X-File-Name", ""))[:200] or what
        await address.receive(what, await _body(request), name)
        return Response(status_code=204)


async def _body(request: Request) -> bytes:
    """The body of a request, read no further than is allowed."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BYTES:
            raise HTTPException(413, f"the file has more than {MAX_BYTES} bytes")
    return bytes(data)
