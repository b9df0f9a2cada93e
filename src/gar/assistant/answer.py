"""What is asked, and what is answered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from gar.errors import RegionError
from gar.media import ImageSource
from gar.regions import Region

if TYPE_CHECKING:
    from gar.assistant.scene import EncodedScene

__all__ = ["Answer", "Request", "as_regions"]


@dataclass(frozen=True)
class Answer:
    """What the model says, and how it came to say it."""

    text: str
    """The answer, or the chosen option."""
    regions: tuple[Region, ...]
    """The regions that were asked about, in prompt order."""
    finish_reason: Literal["stop", "length", "choice"]
    """"stop": the model ended its turn; "length": `max_new_tokens` was reached; "choice": an option was scored best."""
    prompt_tokens: int
    """Tokens before the answer, image and replay tokens included, and in a dialogue all earlier turns."""
    new_tokens: int
    """Tokens written; 0 when options were scored."""
    seconds: float
    """Wall time from the start of the batch that this answer was part of to the answer's end."""
    notes: tuple[str, ...] = ()
    """What the caller should know, such as a region that was cut at the picture's edge."""
    choice: str | None = None
    """The most probable option, when options were given."""
    probabilities: dict[str, float] | None = None
    """Probability of each option as the answer, summing to 1, when options were given."""
    seed: int | None = None
    """The seed of the sampling, when it was not greedy."""


@dataclass(frozen=True)
class Request:
    """One question about regions of one picture."""

    picture: ImageSource | EncodedScene
    """Anything that `gar.load_image` takes, or what `GAR.encode` made of it."""
    question: str | None
    """May name the regions as `<Prompt0>`, `<Prompt1>`, …; None asks for a description of the only region."""
    regions: Sequence[Region] | None = None
    """At least one, at most as many as the model has prompt tokens; None for those of the scene."""
    choices: Sequence[str] | None = None
    """Options to score, in place of a free answer."""


def as_regions(given: Region | Sequence[Region]) -> tuple[Region, ...]:
    """One region or several as a tuple.

    Raises:
        RegionError: Something else was given.

    Example:
        >>> as_regions(Region.box(0, 0, 9, 9))
        (<Region box (0, 0, 9, 9)>,)
    """
    several: tuple[object, ...] = (given,)
    if not isinstance(given, Region) and isinstance(given, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        several = tuple(given)
    if all(isinstance(region, Region) for region in several):
        return cast("tuple[Region, ...]", several)
    raise RegionError(
        f"{given!r:.100} is neither a region nor a list of regions; make one with gar.Region.box, .mask, .points, …"
    )
