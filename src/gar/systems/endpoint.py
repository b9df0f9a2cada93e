"""An OpenAI-style chat endpoint, asked politely and within a limit; the systems and the judges both stand on it.

    endpoint = Endpoint("gpt-4o-2024-11-20")                                   # key from OPENAI_API_KEY
    endpoint = Endpoint("Qwen3-VL-8B", base_url="http://localhost:8000/v1")    # vLLM and others; no key needed
    endpoint = Endpoint("my-deployment", base_url="https://me.openai.azure.com", api_version="2024-10-21")
    completion = endpoint.complete(Chat([{"role": "user", "content": "Is 2 even?"}], max_tokens=8))

Choices:

* the official `openai` client speaks, tenacity retries (the client's own retries are off, so there is one rule): after
  what may pass - no connection, a timeout, 408, 409, 429, 5xx, a reply that is not a chat completion - up to
  `attempts` times, as long as `Retry-After` says or else exponentially longer with jitter. An empty account and what
  else waiting does not mend are not retried;
* a request that fails is a `Completion` with an `error`; nothing is raised, so that one bad item never costs the rest;
* the limit on spending counts tokens, and holds before sending: a request goes out only if what was spent, what is in
  flight and the estimate for this one stay below it together. What the server says it used then replaces the estimate;
  a request that may have been paid for without an answer (a timeout, an unreadable reply) counts as estimated;
* the key is in memory only: never in settings, never in an error.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit, urlunsplit

from gar.errors import InputError, MissingExtraError
from gar.systems.protocol import LONGEST_ERROR
from gar.systems.spending import Budget, estimate_tokens

if TYPE_CHECKING:
    from openai import OpenAI
    from tenacity import RetryCallState

__all__ = ["Chat", "Completion", "Endpoint"]

LONGEST_WAIT = 60.0
"""Seconds between two attempts, whatever the server asks for."""


@dataclass(frozen=True)
class Chat:
    """What is sent."""

    messages: Sequence[Mapping[str, Any]]
    """OpenAI-style messages; pictures stand in them as data URLs."""
    max_tokens: int
    """The longest reply."""
    temperature: float = 0.0
    top_p: float = 1.0


@dataclass(frozen=True)
class Completion:
    """What came back, or why nothing did."""

    text: str | None = None
    """The reply as it came; None where there is none."""
    error: str | None = None
    """Why there is none."""
    prompt_tokens: int | None = None
    """Tokens read, where the server says so."""
    new_tokens: int | None = None
    """Tokens written, where the server says so."""
    seconds: float = 0.0
    """From the first attempt to the end of the last, waiting included."""


class _UnreadableError(Exception):
    """The server answered with something else than a chat completion; it may do better the next time."""


class _NoAnswerError(Exception):
    """There is no answer, and asking again would not help."""


class Endpoint:
    """A model behind an OpenAI-style API. May be used from several threads.

    Args:
        model: The model's name there; on Azure the deployment's.
        base_url: Where the API is, such as `http://localhost:8000/v1`; on Azure the resource's address. By default
            OPENAI_BASE_URL or OpenAI itself; on Azure AZURE_OPENAI_ENDPOINT.
        key: The key. By default the environment's, see `key_variable`; a server of one's own needs none.
        key_variable: The environment variable that holds the key: OPENAI_API_KEY, on Azure AZURE_OPENAI_API_KEY.
        api_version: The version of Azure's API, such as "2024-10-21"; given, the endpoint is Azure's.
        timeout: Seconds that the server may keep silent.
        attempts: How often a request is sent at most.
        first_wait: Seconds before the second attempt; the waits double from there, with jitter.
        concurrency: Requests in flight at once.
        token_limit: Most tokens, read and written, that may be spent; None for no limit.

    Raises:
        InputError: A setting is out of range, the address is not one, or a key is needed and there is none.
        MissingExtraError: openai or tenacity is not installed.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        key: str | None = None,
        key_variable: str | None = None,
        api_version: str | None = None,
        timeout: float = 120.0,
        attempts: int = 6,
        first_wait: float = 1.0,
        concurrency: int = 8,
        token_limit: int | None = None,
    ):
        if not model:
            raise InputError("the name of the model is empty")
        for name, value in (("attempts", attempts), ("concurrency", concurrency)):
            if value < 1:
                raise InputError(f"{name} is {value}; at least 1 is needed")
        if not timeout > 0 or not first_wait >= 0:
            raise InputError(f"timeout is {timeout} s and first_wait {first_wait} s; needed are > 0 and >= 0")
        azure = api_version is not None
        self.model = model
        self.base_url = _address(base_url, azure)
        self.api_version = api_version
        self.attempts, self.first_wait, self.concurrency = attempts, first_wait, concurrency
        self.budget = Budget(token_limit)
        variable = key_variable or ("AZURE_OPENAI_API_KEY" if azure else "OPENAI_API_KEY")
        self._key = key or os.environ.get(variable, "")
        own_server = not azure and urlsplit(self.base_url).hostname != "api.openai.com"
        if not self._key and (key_variable or not own_server):
            raise InputError(f"no key for {self.base_url}: set the environment variable {variable}")
        self._client = _client(self.base_url, self._key or "none", api_version, timeout)
        self._limit_name = "max_tokens"

    @property
    def settings(self) -> dict[str, Any]:
        """What its replies depend on, as JSON values; never the key."""
        settings: dict[str, Any] = {"model": self.model, "base_url": self.base_url}
        return settings if self.api_version is None else {**settings, "api_version": self.api_version}

    def complete(self, chat: Chat, stop: Event | None = None) -> Completion:
        """Sends a chat, again and again if that may help, and returns the reply or why there is none.

        Args:
            chat: What is sent.
            stop: Once set, no further attempt is made.
        """
        from tenacity import (
            Retrying,
            retry_if_exception,
            sleep_using_event,
            stop_after_attempt,
            stop_when_event_set,
        )

        stop = stop or Event()
        began = time.monotonic()
        retrying = Retrying(
            retry=retry_if_exception(_may_pass),
            wait=self._wait,
            stop=stop_after_attempt(self.attempts) | stop_when_event_set(stop),
            sleep=sleep_using_event(stop),
            reraise=True,
        )
        try:
            reply = retrying(self._attempt, chat, estimate_tokens(chat.messages) + chat.max_tokens, stop)
        except Exception as error:  # every failure is the item's, whatever class the client gives it
            tried = retrying.statistics.get("attempt_number", 1)
            often = f" ({tried} attempts)" if tried > 1 else ""
            return Completion(error=self._describe(error) + often, seconds=time.monotonic() - began)
        text, prompt_tokens, new_tokens = reply
        return Completion(text, None, prompt_tokens, new_tokens, time.monotonic() - began)

    def _attempt(self, chat: Chat, estimate: int, stop: Event) -> tuple[str, int | None, int | None]:
        import openai

        if not self.budget.reserve(estimate, stop):
            raise _NoAnswerError(
                f"not sent: {self.budget.spent} of the limit of {self.budget.limit} tokens are spent, "
                f"and this request may take {estimate} or more"
            )
        spent = estimate  # unless it turns out to be another number
        try:
            reply = _parse(self._send(chat))
            prompt_tokens, new_tokens = _usage(reply, "prompt_tokens"), _usage(reply, "completion_tokens")
            if prompt_tokens is not None and new_tokens is not None:
                spent = prompt_tokens + new_tokens
            return _text(reply), prompt_tokens, new_tokens
        except openai.APIStatusError:
            spent = 0  # turned away
            raise
        except openai.APIConnectionError as error:
            if type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout"):  # of httpx: never arrived
                spent = 0
            raise
        finally:
            self.budget.settle(estimate, spent)

    def _send(self, chat: Chat) -> bytes:
        import openai

        limit_name = self._limit_name
        arguments: dict[str, Any] = {
            "model": self.model,
            "messages": list(chat.messages),
            "temperature": chat.temperature,
            "top_p": chat.top_p,
            limit_name: chat.max_tokens,
        }
        create = self._client.chat.completions.with_raw_response.create
        try:
            return bytes(create(**arguments).http_response.content)
        except openai.BadRequestError as error:
            # OpenAI's reasoning models know the limit by another name only, and most other servers by this one only.
            if limit_name != "max_tokens" or "max_completion_tokens" not in str(error):
                raise
            self._limit_name = "max_completion_tokens"
            arguments["max_completion_tokens"] = arguments.pop("max_tokens")
            return bytes(create(**arguments).http_response.content)

    def _wait(self, state: RetryCallState) -> float:
        from tenacity import wait_random_exponential

        error = state.outcome.exception() if state.outcome else None
        headers = getattr(getattr(error, "response", None), "headers", {})
        try:
            return min(max(0.0, float(headers["retry-after"])), LONGEST_WAIT)
        except (KeyError, ValueError):  # not said, or said as a date
            return wait_random_exponential(multiplier=self.first_wait, max=LONGEST_WAIT)(state)

    def _describe(self, error: Exception) -> str:
        ours = isinstance(error, (_UnreadableError, _NoAnswerError))
        text = str(error) if ours else f"{type(error).__name__}: {error}"
        if self._key:
            text = text.replace(self._key, "[key]")
        text = " ".join(text.split())
        return text if len(text) <= LONGEST_ERROR else f"{text[: LONGEST_ERROR - 1]}…"


def _address(base_url: str | None, azure: bool) -> str:
    """The address of the API without anything secret in it."""
    variable = "AZURE_OPENAI_ENDPOINT" if azure else "OPENAI_BASE_URL"
    address = base_url or os.environ.get(variable) or ("" if azure else "https://api.openai.com/v1")
    if not address:
        raise InputError(f"no address of the Azure resource: give base_url or set {variable}")
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, sound = urlsplit(""), False
    if not sound:
        raise InputError("the address of the API is not of the form http(s)://host[:port]/path")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InputError(f"the address of the API ({parts.hostname}) may hold no user name and no query; give a key")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def _client(base_url: str, key: str, api_version: str | None, timeout: float) -> OpenAI:
    try:
        import openai
        import tenacity  # noqa: F401  # pyright: ignore[reportUnusedImport] - so that it is missed here, not later
    except ImportError as error:
        raise MissingExtraError(error.name or "openai", "eval") from error
    if api_version is None:
        return openai.OpenAI(base_url=base_url, api_key=key, timeout=timeout, max_retries=0)
    return openai.AzureOpenAI(
        azure_endpoint=base_url, api_version=api_version, api_key=key, timeout=timeout, max_retries=0
    )


def _may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed a little later."""
    import openai

    if isinstance(error, openai.APIStatusError):
        if error.code == "insufficient_quota":  # OpenAI's 429 of an empty account
            return False
        return error.status_code in (408, 409, 429) or error.status_code >= 500
    return isinstance(error, (openai.APIConnectionError, _UnreadableError))


def _parse(body: bytes) -> dict[str, Any]:
    """A chat completion as it came."""
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _UnreadableError(f"the reply of {len(body)} bytes is not JSON") from error
    match reply:
        case {"choices": [{"message": dict()}, *_]}:
            return reply
        case {"error": problem}:
            raise _UnreadableError(f"the server says: {json.dumps(problem)}")
        case _:
            raise _UnreadableError("the reply is not a chat completion")


def _text(reply: Mapping[str, Any]) -> str:
    """The text of a chat completion.

    Example:
        >>> _text({"choices": [{"message": {"content": "Yes"}}]})
        'Yes'
    """
    choice = reply["choices"][0]
    match choice["message"]:
        case {"content": str(text)}:
            return text
        case {"content": list()}:
            parts = cast("list[Any]", choice["message"]["content"])
            return "".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)
        case {"refusal": str(refusal)}:
            raise _NoAnswerError(f"refused: {refusal}")
        case _:
            raise _NoAnswerError(f"the reply has no text (finish_reason {choice.get('finish_reason')!r})")


def _usage(reply: Mapping[str, Any], name: str) -> int | None:
    match reply.get("usage"):
        case {**counts} if type(count := counts.get(name)) is int and count >= 0:
            return count
        case _:
            return None
