"""What clients send, as pydantic models; the OpenAPI document is made of them.

A parameter that this server does not honour is refused, not ignored; those of the OpenAI API that may be sent with a
value that means nothing are taken with that value alone. `null` is the same as left out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

from gar.regions.checks import MAX_POINTS, MAX_SCRIBBLE

__all__ = [
    "ChatRequest",
    "DescribeRequest",
    "ImagePart",
    "Message",
    "RegionSpec",
    "TextPart",
]

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Place = Annotated[list[_Number], Field(min_length=2, max_length=2, description="x and y in pixels of the picture")]
_MAX_RINGS = 1_000
_Ring = Annotated[list[_Place], Field(min_length=3, max_length=100_000)]
_Text = Annotated[str, StringConstraints(max_length=100_000)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, sent: Any) -> Any:
        return {name: value for name, value in sent.items() if value is not None} if isinstance(sent, dict) else sent


class MaskSpec(_Sent):
    """A mask of the picture's size: whatever is not black is inside."""

    mask: str = Field(description="A picture as a data URL, or its bytes as base64")


class RleSpec(_Sent):
    """A mask as COCO's run-length code."""

    class _Rle(_Sent):
        size: Annotated[list[int], Field(min_length=2, max_length=2)]
        counts: str | list[int]

    rle: _Rle


class BoxSpec(_Sent):
    """A box; it stands for the ellipse in it unless it is whole."""

    box: Annotated[list[_Number], Field(min_length=4, max_length=4, description="x1, y1, x2, y2")]
    whole: bool = False


class PointsSpec(_Sent):
    """Points on a thing (label 1) and beside it (label 0)."""

    points: Annotated[list[_Place], Field(min_length=1, max_length=MAX_POINTS)]
    labels: Annotated[list[Literal[0, 1]], Field(max_length=MAX_POINTS)] | None = None
    radius: Annotated[float, Field(gt=0)] | None = None


class ScribbleSpec(_Sent):
    """A line drawn over a thing."""

    scribble: Annotated[list[_Place], Field(min_length=2, max_length=MAX_SCRIBBLE)]
    width: Annotated[float, Field(gt=0)] | None = None


class PolygonSpec(_Sent):
    """An outline; a ring inside another is a hole."""

    polygon: Annotated[list[_Ring], Field(min_length=1, max_length=_MAX_RINGS, description="rings")]


_KINDS = ("mask", "rle", "box", "points", "scribble", "polygon")


def _kind(sent: Any) -> str | None:
    """The only kind of region that a dictionary holds."""
    if isinstance(sent, dict):
        present = [kind for kind in _KINDS if sent.get(kind) is not None]
        return present[0] if len(present) == 1 else None
    return next((kind for kind in _KINDS if hasattr(sent, kind)), None)


RegionSpec = Annotated[
    Annotated[MaskSpec, Tag("mask")]
    | Annotated[RleSpec, Tag("rle")]
    | Annotated[BoxSpec, Tag("box")]
    | Annotated[PointsSpec, Tag("points")]
    | Annotated[ScribbleSpec, Tag("scribble")]
    | Annotated[PolygonSpec, Tag("polygon")],
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


_Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class UserMessage(_Sent):
    """What the user says."""

    role: Literal["user"]
    content: _Text | Annotated[list[_Part], Field(min_length=1)]
    name: str | None = None


class AssistantMessage(_Sent):
    """What the model said before."""

    role: Literal["assistant"]
    content: _Text | Annotated[list[TextPart], Field(min_length=1)]
    name: str | None = None


Message = Annotated[UserMessage | AssistantMessage, Field(discriminator="role")]


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
        Annotated[str, StringConstraints(min_length=1, max_length=100)]
        | Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=100)]], Field(max_length=4)]
        | None
    ) = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop sequences."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class ChatRequest(_Sampled):
    """A question about regions of a picture, with the conversation before it."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1, max_length=256)]
    regions: (
        Annotated[
            list[RegionSpec],
            Field(min_length=1, description="`<Prompt0>`, `<Prompt1>`, …; by default where the picture's alpha is > 0"),
        ]
        | None
    ) = None
    choices: (
        Annotated[
            list[Annotated[str, StringConstraints(min_length=1, max_length=200)]],
            Field(min_length=2, max_length=32, description="Options; each is scored as the whole answer"),
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
        Annotated[list[RegionSpec], Field(min_length=1, description="By default where the picture's alpha is > 0")]
        | None
    ) = None
