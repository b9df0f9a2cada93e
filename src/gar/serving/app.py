"""The application: the API and, where NiceGUI is installed, the page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec

from fastapi import FastAPI

from gar.errors import MissingExtraError
from gar.serving.worker import Worker

__all__ = ["create_app"]


def create_app(worker: Worker, *, page: bool = True) -> FastAPI:
    """The application.

    Args:
        worker: Answers the questions; the application closes it when it ends.
        page: Whether people get a page, at `/`.

    Raises:
        MissingExtraError: A page is wanted and NiceGUI is not installed.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await worker.close()

    app = FastAPI(title="Grasp Any Region", lifespan=lifespan)
    if page:
        if find_spec("nicegui") is None:
            raise MissingExtraError("nicegui", "serve")
        from gar.serving.page import mount

        mount(app, worker)
    return app
