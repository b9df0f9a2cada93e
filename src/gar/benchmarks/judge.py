"""A judge: a language model behind an OpenAI-style endpoint that grades answers.

    judge = open_judge("gpt-4o-2024-11-20", cache="judge.sqlite")
    for verdict in judge.ask([JudgeRequest([{"role": "user", "content": "Is 2 even? Answer True or False."}])]):
        print(verdict.text or verdict.error)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Judge", "JudgeRequest", "Verdict"]


@dataclass(frozen=True)
class JudgeRequest:
    """One thing to be judged."""

    messages: Sequence[Mapping[str, Any]]
    """OpenAI-style messages; pictures stand in them as data URLs."""
    max_tokens: int = 1024
    temperature: float = 0.0
    top_p: float = 1.0


@dataclass(frozen=True)
class Verdict:
    """What the judge said, or why it said nothing."""

    text: str | None
    """The reply as it came, not stripped; None where there is none."""
    error: str | None = None
    """Why there is no reply."""
    cached: bool = False
    """Whether it was kept from an earlier run, and nothing was sent."""
    prompt_tokens: int | None = None
    new_tokens: int | None = None


class Judge(Protocol):
    """Anything that judges."""

    @property
    def name(self) -> str: ...

    @property
    def settings(self) -> Mapping[str, Any]: ...

    def ask(self, requests: Sequence[JudgeRequest]) -> Iterator[Verdict]:
        """One `Verdict` a request, in their order, as they come."""
        ...
