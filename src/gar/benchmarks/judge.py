"""A judge: a language model behind an OpenAI-style endpoint that grades answers.

    judge = open_judge("gpt-4o-2024-11-20", cache="judge.sqlite", token_limit=2_000_000)
    for verdict in judge.ask([JudgeRequest([{"role": "user", "content": "Is 2 even? Answer True or False."}])]):
        print(verdict.text or verdict.error)

A local model behind vLLM, llama.cpp or Ollama is a judge like any other: `open_judge("llama-3.1-8b-instruct",
base_url="http://localhost:8000/v1")`.

Choices:

* retries, timeouts and the limit on spending are the endpoint's, see `gar.systems.endpoint`; a request that fails is a
  `Verdict` with an `error`, so every request gets exactly one verdict, in order;
* what was asked before is taken from the cache and nothing is sent, even once the limit is reached; equal requests
  within a run are sent once;
* a verdict is the reply as it came. What it means is the benchmark's to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Any

from gar.benchmarks.judge_cache import JudgeCache, Kept, canonical_request
from gar.systems.endpoint import Chat, Endpoint
from gar.systems.flags import ENDPOINT_FLAGS, checked
from gar.systems.in_order import map_in_order

__all__ = ["Judge", "JudgeRequest", "Verdict", "open_judge"]


@dataclass(frozen=True)
class JudgeRequest:
    """One thing to be judged."""

    messages: Sequence[Mapping[str, Any]]
    """OpenAI-style messages; pictures stand in them as data URLs."""
    max_tokens: int = 1024
    """The longest reply."""
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0


@dataclass(frozen=True)
class Verdict:
    """What the judge said, or why it said nothing."""

    text: str | None
    """The reply as it came, not stripped; None where there is none."""
    error: str | None = None
    """Why there is none."""
    cached: bool = False
    """Whether it was kept from before, and nothing was sent."""
    prompt_tokens: int | None = None
    """Tokens read when it was asked, where the server said so."""
    new_tokens: int | None = None
    """Tokens written then."""


class Judge:
    """A judge with a memory.

    Args:
        endpoint: Where it is asked.
        cache: Where its verdicts are kept; None keeps none.
    """

    def __init__(self, endpoint: Endpoint, cache: JudgeCache | None = None):
        self.endpoint, self.cache = endpoint, cache
        self._asking: dict[str, Lock] = {}
        self._lock = Lock()

    @property
    def name(self) -> str:
        """The model's name."""
        return self.endpoint.model

    @property
    def settings(self) -> dict[str, Any]:
        """Model and address; sampling is each request's own."""
        return self.endpoint.settings

    @property
    def tokens_spent(self) -> int:
        """Tokens sent and received by this judge, those of the cache not counted."""
        return self.endpoint.budget.spent

    def ask(self, requests: Sequence[JudgeRequest]) -> Iterator[Verdict]:
        """Judges; one `Verdict` a request, in their order, each as soon as it and those before it are there.

        Stop reading and no further request is sent; those in flight are waited for and kept.
        """
        return map_in_order(self._judge, requests, self.endpoint.concurrency)

    def _judge(self, request: JudgeRequest, stop: Event) -> Verdict:
        chat = Chat(request.messages, request.max_tokens, request.temperature, request.top_p)
        if self.cache is None:
            return self._send(chat, stop)
        sampling = {"max_tokens": chat.max_tokens, "temperature": chat.temperature, "top_p": chat.top_p}
        asked = canonical_request(self.settings, chat.messages, sampling)
        with self._lock:
            alone = self._asking.setdefault(asked, Lock())
        with alone:  # an equal request waits here, and then finds the verdict
            kept = self.cache.get(asked)
            if kept is not None:
                return Verdict(kept.reply, None, True, kept.prompt_tokens, kept.new_tokens)
            verdict = self._send(chat, stop)
            if verdict.text is not None:
                self.cache.put(asked, Kept(verdict.text, verdict.prompt_tokens, verdict.new_tokens))
            return verdict

    def _send(self, chat: Chat, stop: Event) -> Verdict:
        said = self.endpoint.complete(chat, stop)
        return Verdict(said.text, said.error, False, said.prompt_tokens, said.new_tokens)


def open_judge(model: str, *, cache: str | Path | None = None, **settings: Any) -> Judge:
    """Makes a judge.

    Args:
        model: The model's name at the endpoint; on Azure the deployment's.
        cache: The file in which verdicts are kept; None keeps none.
        settings: Of `gar.systems.endpoint.Endpoint`: `base_url`, `key`, `key_variable`, `api_version`, `timeout`,
            `attempts`, `first_wait`, `concurrency`, `token_limit`; None stands for the default.

    Raises:
        InputError: A setting is unknown, of another type or out of range, a key is needed and there is none, or the
            cache cannot be used.
        MissingExtraError: openai or tenacity is not installed.

    Example:
        >>> open_judge("llama-3.1-8b-instruct", base_url="http://localhost:8000/v1").settings
        {'model': 'llama-3.1-8b-instruct', 'base_url': 'http://localhost:8000/v1'}
    """
    endpoint = Endpoint(model, **checked(f"the judge {model!r}", settings, ENDPOINT_FLAGS))
    return Judge(endpoint, None if cache is None else JudgeCache(cache))
