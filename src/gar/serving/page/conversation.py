"""What was asked and answered during a visit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gar.assistant import Answer
from gar.serving.page.marks import Mark

__all__ = ["State", "Turn", "earlier_turns", "parts_of"]

State = Literal["waiting", "answering", "done", "stopped", "failed"]

_PROMPT = re.compile(r"<Prompt(\d{1,3})>")


@dataclass(eq=False)
class Turn:
    """A question and what became of it."""

    question: str | None
    """None for a description."""
    marks: dict[int, Mark]
    """The regions that it is about by their prompt numbers, as they were when it was asked."""
    model: str
    choices: tuple[str, ...] = ()
    begins: bool = False
    """Whether a new conversation begins here: what was said before does not count."""
    state: State = "waiting"
    text: str = ""
    """The answer, as far as it is there."""
    answer: Answer | None = None
    """The whole answer, once it is there."""
    place: int = 0
    """In the queue, counted from 1; 0 before and after."""
    waited: float = 0.0
    """Seconds in the queue."""
    error: str = ""
    """Why there is no answer, in words."""

    @property
    def running(self) -> bool:
        """Whether the answer is still to come, or coming."""
        return self.state in ("waiting", "answering")


def earlier_turns(turns: Sequence[Turn], marks: Sequence[Mark], model: str) -> list[tuple[str, str]]:
    """The questions and answers that the next question follows up.

    Those of the conversation so far, as long as it was about these regions with this model: a dialogue's regions are
    shown to the model once, at its beginning. Descriptions show one region each and are no part of it.
    """
    regions = [mark.region for mark in marks]
    earlier: list[tuple[str, str]] = []
    for turn in reversed(turns):
        if turn.question is None or turn.state != "done":
            continue
        if turn.model != model or [mark.region for mark in turn.marks.values()] != regions:
            break
        earlier.append((turn.question, turn.text))
        if turn.begins:
            break
    return earlier[::-1]


def parts_of(text: str) -> list[str | int]:
    """A text cut at the prompts that it names: words, and the prompts' numbers.

    Example:
        >>> parts_of("Is <Prompt0> on <Prompt2>?")
        ['Is ', 0, ' on ', 2, '?']
    """
    pieces = _PROMPT.split(text)
    return [int(piece) if at % 2 else piece for at, piece in enumerate(pieces) if at % 2 or piece]
