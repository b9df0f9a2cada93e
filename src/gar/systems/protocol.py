"""What is put to a system, and what comes back.

    system = make_system("nano")
    for reply in system.answer([Question(picture, [region_a, region_b], "Is <Prompt0> left of <Prompt1>?")]):
        print(reply.text or reply.error)

A system is anything that answers questions about regions: our models, Describe Anything, a generalist behind an
OpenAI-style API, or a file of answers given earlier.

Choices:

* one verb, many questions: a system is free to batch (our models) or to keep several requests in flight (an API), and
  yields replies in the order of the questions as they finish, so that a run can be written down item by item;
* a question that fails is a `Reply` with an `error`, never an exception: one bad item must not cost the others. What
  concerns all questions (no such model, no key) is raised where the system is made;
* regions are named by place: region K is `<PromptK>` in the text, and each system says it in its own way;
* pictures are anything `gar.load_image` takes; a list or tuple of them is a video, whose regions are tracks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from gar.media import ImageSource
from gar.regions import Region

__all__ = ["LONGEST_ERROR", "Question", "Reply", "System", "Track"]

LONGEST_ERROR = 300
"""Characters of an error that are kept."""

Track: TypeAlias = Sequence[Region | None]
"""A region through a video: one for each frame, None where it is not to be seen."""


@dataclass(frozen=True)
class Question:
    """One question about regions of one picture or video."""

    picture: ImageSource | Sequence[ImageSource]
    """A picture, or the frames of a video as a list or tuple."""
    regions: Sequence[Region] | Sequence[Track]
    """At least one, in the order of their prompts; for a video each is a `Track` as long as the video."""
    text: str | None = None
    """May name the regions as `<Prompt0>`, `<Prompt1>`, …; None asks for a description of the only region."""
    choices: Sequence[str] | None = None
    """Answers to be scored in place of a free answer, such as the letters of the options that stand in `text`; only for
    a system whose `scores_choices` is true."""
    max_new_tokens: int = 1024
    """The longest answer, in the system's own tokens."""
    key: str = ""
    """The benchmark's name of the item, by which answers are found in a file: its place in the published file, counted
    from 0, or the published id where published answers go by that (DLC-Bench's annotation id)."""

    @property
    def is_video(self) -> bool:
        """Whether `picture` is a sequence of frames."""
        return isinstance(self.picture, (list, tuple))


@dataclass(frozen=True)
class Reply:
    """A system's answer to one question, or why there is none."""

    text: str = ""
    """The answer as written, stripped of white space around it; the best choice when choices were scored."""
    probabilities: tuple[float, ...] | None = None
    """The probability of each of the question's choices, summing to 1, when they were scored."""
    error: str | None = None
    """Why there is no answer; None when there is one."""
    prompt_tokens: int | None = None
    """Tokens read, where the system says so."""
    new_tokens: int | None = None
    """Tokens written, where the system says so."""
    seconds: float | None = None
    """Wall time of the request or batch that this reply was part of."""
    notes: tuple[str, ...] = ()
    """What the reader of the answer should know, such as a region that could not be shown."""

    @classmethod
    def failure(cls, error: Exception) -> Reply:
        """The reply to a question that failed.

        Example:
            >>> Reply.failure(ValueError("no region")).error
            'ValueError: no region'
        """
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return cls(error=text if len(text) <= LONGEST_ERROR else f"{text[: LONGEST_ERROR - 1]}…")


class System(Protocol):
    """Anything that answers questions about regions."""

    @property
    def name(self) -> str:
        """What it is called in tables, such as `nano` or `openai:gpt-4o`."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that its answers depend on, as JSON values; two systems with equal name and settings are the same."""
        ...

    @property
    def scores_choices(self) -> bool:
        """Whether it gives probabilities for a question's choices."""
        ...

    def answer(self, questions: Sequence[Question]) -> Iterator[Reply]:
        """Answers questions: one `Reply` each, in their order, each as soon as it and those before it are there.

        Stop reading and the system stops working.
        """
        ...
