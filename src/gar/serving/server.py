"""Running the application until somebody ends it.

On SIGTERM or Ctrl-C: what waits is told 503, what has begun finishes, and for a moment new requests are still taken, to
be told 503 and that the connection closes; only then is the door shut. So every request that was accepted is answered.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from typing import TYPE_CHECKING

from gar.errors import InputError, MissingExtraError
from gar.serving.worker import Worker

try:
    import uvicorn
except ImportError as error:
    raise MissingExtraError("uvicorn", "serve") from error

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["bind", "run"]

_LAST_CALL_SECONDS = 0.5
"""How long new connections are still taken, after the worker has been drained."""
_BACKLOG = 512
_SWITCH_SECONDS = 0.0005
"""How long a thread that reads requests or pictures may keep the interpreter while the worker's thread wants it, which
is after each operation on tensors. With Python's own 5 ms the model waits: a tenth fewer answers under load."""


def bind(host: str, port: int) -> socket.socket:
    """A socket to listen on.

    Raises:
        InputError: The address cannot be had.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise InputError(f"cannot listen on {host}, port {port}: {error}") from error
    return bound


def run(app: FastAPI, worker: Worker, listener: socket.socket, *, grace: float) -> None:
    """Serves until SIGTERM or SIGINT.

    Args:
        app: The application.
        worker: Its worker.
        listener: From `bind`.
        grace: Seconds in which what has begun may finish.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(grace)),
        backlog=_BACKLOG,
    )
    sys.setswitchinterval(_SWITCH_SECONDS)
    # uvicorn raises the signal again when it is done; there is nothing left to end then
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        _Server(config, worker).run(sockets=[listener])
    finally:
        signal.signal(signal.SIGTERM, before)


class _Server(uvicorn.Server):
    """uvicorn's, with a last call."""

    def __init__(self, config: uvicorn.Config, worker: Worker):
        super().__init__(config)
        self._worker = worker

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drains, then shuts the door."""
        self._worker.drain()
        await asyncio.sleep(_LAST_CALL_SECONDS)
        await super().shutdown(sockets)
