"""Every refusal in OpenAI's error form, with its status.

400 what was sent is not a request        401 no key, or a wrong one       404 no such path or model
405 no such method there                  408 the body came too slowly     413 the body is too large
415 the body is not JSON                  422 a picture, region or question cannot be used
429 too many wait                         500 our mistake                  503 shutting down, or out of time
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from gar.errors import GARError, InputError, MediaError, PromptError, RegionError
from gar.serving.errors import ClosedError, QueueFullError
from gar.serving.wire import place_of

__all__ = ["ErrorBody", "Refusal", "error_body", "refusal_of", "respond"]

_TYPES = {401: "authentication_error", 429: "rate_limit_error", 500: "server_error", 503: "server_error"}
_CODES = {
    400: "invalid_value",
    401: "invalid_api_key",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_too_slow",
    413: "body_too_large",
    415: "unsupported_media_type",
}
_LONGEST = 500
"""Characters of a message."""


class _Error(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """What every refusal looks like."""

    error: _Error


class Refusal(HTTPException):
    """A request that is refused.

    Args:
        status: The status.
        message: For whoever sent it.
        code: A word for programs.
        param: Which part of the request is meant.
        headers: Of the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(status, message, headers)
        self.code = code or _CODES.get(status)
        self.param = param


def refusal_of(error: BaseException) -> Refusal:
    """What an error is to a client; an unexpected one says nothing of itself."""
    match error:
        case Refusal():
            return error
        case HTTPException(status_code=400) if error.__cause__ is not None:  # FastAPI's, who hides what it met
            return _unread(error.__cause__)
        case HTTPException():
            return _unrouted(error)
        case RequestValidationError():
            return _invalid(error)
        case QueueFullError():
            headers = {"Retry-After": str(error.retry_after)}
            return Refusal(429, str(error), code="queue_full", headers=headers)
        case ClosedError():
            return Refusal(503, str(error), code="shutting_down", headers={"Retry-After": "5"})
        case TimeoutError():
            return Refusal(503, "the request took longer than this server allows", code="timeout")
        case MediaError():
            return Refusal(422, str(error), code="invalid_image")
        case RegionError():
            return Refusal(422, str(error), code="invalid_region", param="regions")
        case PromptError():
            return Refusal(422, str(error), code="invalid_question")
        case InputError():
            return Refusal(400, str(error), code="invalid_value")
        case GARError():
            return Refusal(503, str(error), code="unavailable")
        case _:
            return Refusal(500, "the server made a mistake; it stands in its log", code="internal_error")


def error_body(refusal: Refusal) -> dict[str, Any]:
    """The JSON of a refusal."""
    kind = _TYPES.get(refusal.status_code, "invalid_request_error")
    error = {"message": _short(str(refusal.detail)), "type": kind, "param": refusal.param, "code": refusal.code}
    return {"error": error}


def respond(refusal: Refusal) -> JSONResponse:
    """The response that a refusal is."""
    return JSONResponse(error_body(refusal), refusal.status_code, dict(refusal.headers or {}))


def _unrouted(error: HTTPException) -> Refusal:
    """Says in our words what no route takes."""
    headers = dict(error.headers or {})
    match error.status_code:
        case 404:
            detail = "there is no such path"
        case 405:
            detail = f"this path takes {headers.get('Allow', 'another method')}"
        case _:
            detail = str(error.detail or HTTPStatus(error.status_code).phrase)
    return Refusal(error.status_code, detail, headers=headers)


def _unread(cause: BaseException) -> Refusal:
    """Says why a body could not be read as JSON."""
    match cause:
        case RecursionError():
            message = "the body is nested too deeply"
        case UnicodeDecodeError():
            message = "the body is not JSON: it is not UTF-8"
        case ValueError():
            message = "the body is not JSON: a number has more digits than are read"
        case _:
            message = "the body cannot be read"
    return Refusal(400, message, code="invalid_json")


def _invalid(error: RequestValidationError) -> Refusal:
    """Says what was wrong first, and where; what was sent is not repeated, since it may be a picture."""
    first = error.errors()[0]
    place, kind = place_of(first["loc"]), str(first["type"])
    if not place and kind in ("missing", "model_attributes_type"):
        return Refusal(400, "the body is no JSON object", code="invalid_json")
    if kind == "json_invalid":
        return Refusal(
            400, f"the body is not JSON: {first.get('ctx', {}).get('error', 'malformed')}", code="invalid_json"
        )
    if kind == "extra_forbidden":
        return Refusal(400, f"{place} is not a parameter of this server", code="unknown_parameter", param=place)
    message = str(first["msg"]).removeprefix("Value error, ")
    return Refusal(400, f"{place}: {message}" if place else message, code="invalid_value", param=place or None)


def _short(message: str) -> str:
    message = message.encode("utf-8", "replace").decode()  # lone surrogates cannot be sent
    return message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"
