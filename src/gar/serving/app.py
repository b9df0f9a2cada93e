"""The application: the API and, if wanted, the page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from http import HTTPMethod
from importlib.util import find_spec
from typing import Any

from gar.errors import MissingExtraError

try:
    from fastapi import FastAPI, Request, Response
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect
    from starlette.routing import Match
except ImportError as error:
    raise MissingExtraError("fastapi", "serve") from error
if find_spec("prometheus_client") is None:
    raise MissingExtraError("prometheus-client", "serve")

from gar.fetching import Address, is_public
from gar.serving.chat import complete
from gar.serving.describing import describe
from gar.serving.gate import Gate
from gar.serving.keys import Keys
from gar.serving.limits import Limits
from gar.serving.metrics import Metrics
from gar.serving.pictures import Pictures
from gar.serving.refusals import ErrorBody, Refusal, refusal_of, respond
from gar.serving.replies import ChatCompletion, Descriptions, ModelCard, ModelList
from gar.serving.service import DAM_MODEL, Service
from gar.serving.wire import ChatRequest, DescribeRequest
from gar.serving.worker import Worker

__all__ = ["create_app"]

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody} for status in (400, 401, 404, 405, 408, 413, 415, 422, 429, 500, 503)
}


def create_app(
    worker: Worker,
    *,
    page: bool = True,
    limits: Limits | None = None,
    keys: Keys | None = None,
    allow_hosts: frozenset[str] = frozenset(),
    may_connect: Callable[[Address], bool] = is_public,
) -> FastAPI:
    """The application.

    Args:
        worker: Answers the questions; the application closes it when it ends.
        page: Whether people get a page, at `/`.
        limits: Of requests.
        keys: Whom to let in; None for everybody.
        allow_hosts: Names of hosts that pictures are fetched from.
        may_connect: Whether an address of such a host may be connected to; by default those of the open internet.

    Raises:
        MissingExtraError: A page is wanted and NiceGUI is not installed.
    """
    limits = limits or Limits()
    hosts = frozenset(host.lower() for host in allow_hosts)
    service = Service(worker, limits, Pictures(limits, hosts, may_connect))
    metrics = Metrics(worker)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        yield
        await worker.close()

    app = FastAPI(
        title="Grasp Any Region",
        summary="Describes any region of a picture, and answers questions about several.",
        lifespan=lifespan,
        docs_url=None,  # these pages would load scripts from elsewhere
        redoc_url=None,
    )
    app.add_middleware(Gate, limits=limits, keys=keys, metrics=metrics, worker=worker)
    _add_api(app, service, metrics)
    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _refuse)
    if page:
        if find_spec("nicegui") is None:
            raise MissingExtraError("nicegui", "serve")
        from gar.serving.page import mount

        mount(app, worker, limits=limits)
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    if isinstance(error.__cause__, ClientDisconnect):  # FastAPI takes it for a body that cannot be read
        raise error.__cause__
    return respond(refusal_of(error))


def _add_api(app: FastAPI, service: Service, metrics: Metrics) -> None:
    """Adds all paths but the page's."""

    async def chat(request: Request, sent: ChatRequest) -> Any:
        """Answers a question about regions of a picture, as the OpenAI API does."""
        return await complete(service, sent, request.receive, request.state.record)

    stream = {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "With `stream`, events"}
    answers = {**_REFUSALS, 200: stream}
    app.post("/v1/chat/completions", response_model=ChatCompletion, responses=answers)(chat)
    app.post("/chat/completions", include_in_schema=False)(chat)  # Describe Anything's server has it here

    @app.post("/v1/regions/describe", responses=_REFUSALS)
    async def describe_regions(request: Request, sent: DescribeRequest) -> Descriptions:
        """Describes regions of a picture, each for itself."""
        return await describe(service, sent, request.receive, request.state.record)

    @app.get("/v1/models", responses={401: {"model": ErrorBody}})
    async def models() -> ModelList:
        """The model, as a list of one."""
        return ModelList(data=[service.card])

    @app.get("/v1/models/{name:path}", responses={status: {"model": ErrorBody} for status in (401, 404)})
    async def model(name: str) -> ModelCard:
        """The model."""
        if name == DAM_MODEL:
            return service.card
        service.check_model(name)
        return service.card

    @app.get("/healthz")
    async def healthy() -> dict[str, str]:
        """Whether the process is alive."""
        return {"status": "ok"}

    @app.get("/readyz", responses={503: {"model": ErrorBody}})
    async def ready() -> dict[str, str]:
        """Whether questions are taken."""
        if not service.worker.ready:
            raise Refusal(503, "the server is shutting down", code="shutting_down")
        return {"status": "ready"}

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def numbers() -> Response:
        """Numbers for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.api_route("/v1/{path:path}", methods=[*HTTPMethod], include_in_schema=False)
    async def nothing(request: Request, path: str) -> None:
        """Everything else below /v1 is nothing, whatever the page may have."""
        there = [route for route in app.routes if route.matches(request.scope)[0] is Match.PARTIAL]
        if there:
            methods = ", ".join(sorted(method for route in there for method in getattr(route, "methods", ())))
            raise HTTPException(405, headers={"Allow": methods})
        raise HTTPException(404)
