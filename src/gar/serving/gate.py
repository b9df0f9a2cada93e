"""What every request passes first: a name, a key, the limits that can be seen before the body is read, the log.

The page's requests pass it too. Where keys are needed, a browser asks its user for one, as the password of HTTP's basic
authentication; `/healthz` and `/readyz` need none.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import re
import time
from uuid import uuid4

from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gar.serving.connection import ClientGoneError
from gar.serving.keys import Keys
from gar.serving.limits import Limits
from gar.serving.metrics import Metrics
from gar.serving.refusals import Refusal, refusal_of, respond
from gar.serving.service import Record
from gar.serving.worker import Worker

__all__ = ["API_PATHS", "Gate"]

API_PATHS = ("/v1/", "/chat/completions")
"""How the paths begin that take JSON; the second is that of Describe Anything's server."""
_OPEN_PATHS = ("/healthz", "/readyz")
_VISIT = re.compile(r"/visits/[^/]+")
"""The address of a visit to the page, by which its picture can be had; no log tells it."""
_GONE = 499
"""The status in logs of a request whose client went away, after nginx's custom."""

_log = logging.getLogger("gar.serving")


class Gate:
    """Middleware around the application.

    Args:
        app: The application.
        limits: Of requests.
        keys: Whom to let in; None for everybody.
        metrics: Where requests are counted.
        worker: Once it closes, so do connections.
    """

    def __init__(self, app: ASGIApp, *, limits: Limits, keys: Keys | None, metrics: Metrics, worker: Worker):
        self._app, self._limits, self._keys, self._metrics = app, limits, keys, metrics
        self._worker = worker
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request or a connection."""
        if scope["type"] == "websocket":
            if self._may_enter(scope):
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = Record(f"req-{uuid4().hex}")
        scope.setdefault("state", {})["record"] = record
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", record.request_id.encode())]
                if not self._worker.ready:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        self._requests += 1
        try:
            self._check(scope)
            await self._app(scope, self._limited(scope, receive), noting)
        except (ClientGoneError, ClientDisconnect):
            status = status or _GONE
        except Exception as error:
            refusal = refusal_of(error)
            if refusal.status_code == 500:
                _log.exception("a request failed", extra={"request_id": record.request_id})
            if not status:
                await respond(refusal)(scope, receive, noting)
        finally:
            self._requests -= 1
            self._note(scope, status or _GONE, record)

    def _check(self, scope: Scope) -> None:
        """What can be refused by the head of a request."""
        connection = HTTPConnection(scope)
        path = connection.url.path
        api = path.startswith(API_PATHS)
        if not self._may_enter(scope):
            kind = "Bearer" if api else 'Basic realm="a key of this server, as password", charset="UTF-8"'
            message = "a key is needed: Authorization: Bearer KEY"
            if "authorization" in connection.headers:
                message = "the key is not one of this server's"
            raise Refusal(401, message, headers={"WWW-Authenticate": kind})
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            return
        if self._requests > self._limits.max_requests:
            message = f"{self._limits.max_requests} requests are under way already, and no more are taken"
            raise Refusal(429, message, code="too_many_requests", headers={"Retry-After": "1"})
        length = connection.headers.get("content-length", "")
        if length.isdigit() and int(length) > self._limits.max_body_bytes:
            raise self._too_large()
        kind = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
        if api and kind != "application/json":
            raise Refusal(415, f"the body is of type {kind[:50]!r}; needed is application/json")

    def _may_enter(self, scope: Scope) -> bool:
        if self._keys is None or scope.get("path") in _OPEN_PATHS:
            return True
        scheme, _, value = HTTPConnection(scope).headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                value = base64.b64decode(value, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return False
        elif scheme.lower() != "bearer":
            return False
        return self._keys.accepts(value.strip())

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """The body as it arrives, refused once it is too large or too slow."""
        deadline = time.monotonic() + self._limits.max_body_seconds
        read, complete = 0, False

        async def limited() -> Message:
            nonlocal read, complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                seconds = self._limits.max_body_seconds
                raise Refusal(
                    408, f"the body did not arrive in {seconds:g} s", headers={"Connection": "close"}
                ) from None
            read += len(message.get("body", b""))
            complete = message["type"] != "http.request" or not message.get("more_body", False)
            if read > self._limits.max_body_bytes:
                raise self._too_large()
            return message

        return limited

    def _too_large(self) -> Refusal:
        limit = self._limits.max_body_bytes
        return Refusal(413, f"the body has more than {limit} bytes", headers={"Connection": "close"})

    def _note(self, scope: Scope, status: int, record: Record) -> None:
        """Counts and logs a request."""
        seconds = time.perf_counter() - record.began
        route = getattr(scope.get("route"), "path", None)
        self._metrics.note(route or "other", status, seconds, record)
        if route in (*_OPEN_PATHS, "/metrics") and status < 400:
            return
        extra = {
            "request_id": record.request_id,
            "method": scope["method"],
            "path": _VISIT.sub("/visits/…", scope["path"][:200]),
            "status": status,
            "seconds": {
                "all": round(seconds, 4),
                **{stage: round(value, 4) for stage, value in record.seconds.items()},
            },
            "regions": record.regions,
            "prompt_tokens": record.prompt_tokens,
            "new_tokens": record.new_tokens,
        }
        _log.info("request", extra={name: value for name, value in extra.items() if value is not None})
