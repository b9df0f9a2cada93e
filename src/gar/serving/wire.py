"""What clients send, as pydantic models; the OpenAPI document is made of them.

A parameter that this server does not honour is refused, not ignored; those of the OpenAI API that may be sent with a
value that means nothing are taken with that value alone. `null` is the same as left out.

Each union says by what its branches are told apart, so that a mistake is told in the words of the branch that was
meant. pydantic puts the branch into the path of an error; `place_of` takes it out again. Each list stops at its first
mistake: pydantic would note every one, in gigabytes for a body of some megabytes, and one is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

from gar.regions.checks import MAX_POINTS, MAX_SCRIBBLE

__all__ = [
    "ChatRequest",
    "DescribeRequest",
    "ImagePart",
    "Message",
    "RegionSpec",
    "TextPart",
    "place_of",
]

_BRANCH = "branch "
"""How the names of unions' branches begin."""


def place_of(path: Sequence[str | int]) -> str:
    """Where in a client's JSON an error is, of pydantic's path to it.

    Example:
        >>> place_of(["body", "regions", 0, "branch box", "box", 3])
        'regions.0.box.3'
    """
    return ".".join(str(part) for part in path[1:] if not str(part).startswith(_BRANCH))


def _by(name: str, values: Sequence[str], message: str) -> Discriminator:
    """Tells models apart by a field that each has with another value."""

    def branch(sent: Any) -> str | None:
        value = cast("dict[str, Any]", sent).get(name) if isinstance(sent, dict) else getattr(sent, name, None)
        return f"{_BRANCH}{value}" if value in values else None

    return Discriminator(branch, custom_error_type=name, custom_error_message=message)


def _form(sent: Any) -> str | None:
    """Which of a text and a list something is."""
    if isinstance(sent, str):
        return _BRANCH + "text"
    return _BRANCH + "list" if isinstance(sent, list) else None


_TEXT, _LIST = Tag(_BRANCH + "text"), Tag(_BRANCH + "list")
_TEXT_OR_LIST = Discriminator(_form, custom_error_type="form", custom_error_message="needed is a text or a list")

_MAX_NAMES = 100
"""Of an object; more than any has."""
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Place = Annotated[
    list[_Number], Field(fail_fast=True, min_length=2, max_length=2, description="x and y in pixels of the picture")
]
_MAX_RINGS = 1_000
_Ring = Annotated[list[_Place], Field(fail_fast=True, min_length=3, max_length=100_000)]
_Text = Annotated[str, StringConstraints(max_length=100_000)]
_Stop = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        if len(cast("dict[str, Any]", sent)) > _MAX_NAMES:
            raise ValueError(f"there are {len(cast('dict[str, Any]', sent))} names; allowed are {_MAX_NAMES}")
        return {name: value for name, value in cast("dict[str, Any]", sent).items() if value is not None}


class MaskSpec(_Sent):
    """A mask of the picture's size: whatever is not black is inside."""

    mask: str = Field(description="A picture as a data URL, or its bytes as base64")


class RleSpec(_Sent):
    """A mask as COCO's run-length code."""

    class _Rle(_Sent):
        size: Annotated[list[int], Field(fail_fast=True, min_length=2, max_length=2)]
        counts: Annotated[Annotated[str, _TEXT] | Annotated[list[int], Field(fail_fast=True), _LIST], _TEXT_OR_LIST]

    rle: _Rle


class BoxSpec(_Sent):
    """A box; it stands for the ellipse in it unless it is whole."""

    box: Annotated[list[_Number], Field(fail_fast=True, min_length=4, max_length=4, description="x1, y1, x2, y2")]
    whole: bool = False


class PointsSpec(_Sent):
    """Points on a thing (label 1) and beside it (label 0)."""

    points: Annotated[list[_Place], Field(fail_fast=True, min_length=1, max_length=MAX_POINTS)]
    labels: Annotated[list[Literal[0, 1]], Field(fail_fast=True, max_length=MAX_POINTS)] | None = None
    radius: Annotated[float, Field(gt=0)] | None = None


class ScribbleSpec(_Sent):
    """A line drawn over a thing."""

    scribble: Annotated[list[_Place], Field(fail_fast=True, min_length=2, max_length=MAX_SCRIBBLE)]
    width: Annotated[float, Field(gt=0)] | None = None


class PolygonSpec(_Sent):
    """An outline; a ring inside another is a hole."""

    polygon: Annotated[list[_Ring], Field(fail_fast=True, min_length=1, max_length=_MAX_RINGS, description="rings")]


_KINDS = ("mask", "rle", "box", "points", "scribble", "polygon")


def _kind(sent: Any) -> str | None:
    """The branch of the only kind of region that something holds."""
    if isinstance(sent, dict):
        present = [kind for kind in _KINDS if sent.get(kind) is not None]
    else:
        present = [kind for kind in _KINDS if hasattr(sent, kind)]
    return _BRANCH + present[0] if len(present) == 1 else None


RegionSpec = Annotated[
    Annotated[MaskSpec, Tag(_BRANCH + "mask")]
    | Annotated[RleSpec, Tag(_BRANCH + "rle")]
    | Annotated[BoxSpec, Tag(_BRANCH + "box")]
    | Annotated[PointsSpec, Tag(_BRANCH + "points")]
    | Annotated[ScribbleSpec, Tag(_BRANCH + "scribble")]
    | Annotated[PolygonSpec, Tag(_BRANCH + "polygon")],
    Discriminator(
        _kind,
        custom_error_type="region",
        custom_error_message=f"a region has exactly one of {', '.join(_KINDS)}",
    ),
]
"""One region, in pixels of the picture."""


class ImageUrl(_Sent):
    """Where a picture is."""

    url: str = Field(description="A data URL, or an http(s) URL of a host that the operator allows")
    detail: Literal["auto", "low", "high"] = Field("auto", description="Has no effect: all pixels count")


class TextPart(_Sent):
    """Words."""

    type: Literal["text"]
    text: _Text


class ImagePart(_Sent):
    """The picture."""

    type: Literal["image_url"]
    image_url: ImageUrl


_Part = Annotated[
    Annotated[TextPart, Tag(_BRANCH + "text")] | Annotated[ImagePart, Tag(_BRANCH + "image_url")],
    _by("type", ("text", "image_url"), "a part is an object whose type is text or image_url"),
]


class UserMessage(_Sent):
    """What the user says."""

    role: Literal["user"]
    content: Annotated[
        Annotated[_Text, _TEXT] | Annotated[list[_Part], Field(fail_fast=True, min_length=1), _LIST],
        _TEXT_OR_LIST,
    ]
    name: str | None = None


class AssistantMessage(_Sent):
    """What the model said before."""

    role: Literal["assistant"]
    content: Annotated[
        Annotated[_Text, _TEXT] | Annotated[list[TextPart], Field(fail_fast=True, min_length=1), _LIST],
        _TEXT_OR_LIST,
    ]
    name: str | None = None


Message = Annotated[
    Annotated[UserMessage, Tag(_BRANCH + "user")] | Annotated[AssistantMessage, Tag(_BRANCH + "assistant")],
    _by("role", ("user", "assistant"), "a message is an object whose role is user or assistant; others are not taken"),
]


class StreamOptions(_Sent):
    """How an answer is streamed."""

    include_usage: bool = False


class _Sampled(_Sent):
    """What decides how an answer is written."""

    temperature: Annotated[float, Field(ge=0, le=2, description="0 is greedy")] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_tokens: Annotated[int, Field(ge=1, description="256 if left out")] | None = None
    # JSON numbers are exact up to 2^53 - 1 everywhere
    seed: Annotated[int, Field(ge=0, le=2**53 - 1, description="Drawn if left out, told in the answer")] | None = None
    stop: (
        Annotated[
            Annotated[_Stop, _TEXT] | Annotated[list[_Stop], Field(fail_fast=True, max_length=4), _LIST],
            _TEXT_OR_LIST,
        ]
        | None
    ) = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop sequences."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class ChatRequest(_Sampled):
    """A question about regions of a picture, with the conversation before it."""

    model: str
    messages: Annotated[list[Message], Field(fail_fast=True, min_length=1, max_length=256)]
    regions: (
        Annotated[
            list[RegionSpec],
            Field(
                fail_fast=True,
                min_length=1,
                description="`<Prompt0>`, `<Prompt1>`, …; by default where the picture's alpha is > 0",
            ),
        ]
        | None
    ) = None
    choices: (
        Annotated[
            list[Annotated[str, StringConstraints(min_length=1, max_length=200)]],
            Field(
                fail_fast=True, min_length=2, max_length=32, description="Options; each is scored as the whole answer"
            ),
        ]
        | None
    ) = None
    max_completion_tokens: Annotated[int, Field(ge=1, description="As max_tokens")] | None = None
    n: Annotated[int, Field(ge=1, description="Answers")] = 1
    stream: bool = False
    stream_options: StreamOptions | None = None
    logprobs: bool = Field(False, description="For choices only")
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    # of the OpenAI API, without effect
    user: str | None = None
    store: Literal[False] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    # of Describe Anything's clients, without effect
    num_beams: Literal[1] | None = None
    use_cache: bool | None = None

    @model_validator(mode="after")
    def _agrees(self) -> ChatRequest:
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise ValueError("max_tokens and max_completion_tokens are the same; send one of them")
        if self.choices is None and (self.logprobs or self.top_logprobs is not None):
            raise ValueError("logprobs are given for choices only; send choices, or leave logprobs out")
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs")
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options needs stream")
        if self.choices is not None and (self.n > 1 or self.temperature > 0 or self.stops):
            raise ValueError("choices are scored, not sampled: leave out n, temperature and stop")
        return self


class DescribeRequest(_Sampled):
    """A picture and the regions of it that shall be described, each for itself."""

    model: str | None = None
    image: str = Field(description="A data URL, or an http(s) URL of a host that the operator allows")
    regions: (
        Annotated[
            list[RegionSpec],
            Field(fail_fast=True, min_length=1, description="By default where the picture's alpha is > 0"),
        ]
        | None
    ) = None
