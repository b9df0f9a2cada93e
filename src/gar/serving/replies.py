"""What clients get, as pydantic models in the form of the OpenAI API; what it does not know is marked as ours."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, Field

from gar.assistant import Answer

__all__ = [
    "ChatCompletion",
    "Choice",
    "Descriptions",
    "ModelCard",
    "ModelList",
    "Usage",
    "choice_of",
    "chunk",
    "descriptions_of",
    "finish_reason",
    "new_id",
    "usage_of",
]


class Usage(BaseModel):
    """Tokens read and written; what several answers read together counts once."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class _Likelihood(BaseModel):
    token: str = Field(description="A whole option")
    logprob: float
    bytes: list[int]


class _ChosenLikelihood(_Likelihood):
    top_logprobs: list[_Likelihood]


class _Logprobs(BaseModel):
    content: list[_ChosenLikelihood]
    refusal: None = None


class _Said(BaseModel):
    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(BaseModel):
    """One answer."""

    index: int
    message: _Said
    finish_reason: Literal["stop", "length"]
    logprobs: _Logprobs | None = None
    probabilities: dict[str, float] | None = Field(None, description="Ours: of each option, summing to 1")
    notes: list[str] = Field(default_factory=list, description="Ours: such as a region cut at the picture's edge")
    seed: int | None = Field(None, description="Ours: of the sampling, if it was not greedy")


class ChatCompletion(BaseModel):
    """The answer to a chat."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class _Description(BaseModel):
    index: int
    text: str
    box: list[int] = Field(description="x1, y1, x2, y2 around the region in pixels, x2 and y2 exclusive")
    finish_reason: Literal["stop", "length"]
    notes: list[str]
    seed: int | None = None


class Descriptions(BaseModel):
    """One description for each region, in their order."""

    id: str
    object: Literal["regions.descriptions"] = "regions.descriptions"
    created: int
    model: str
    descriptions: list[_Description]
    usage: Usage


class ModelCard(BaseModel):
    """A model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "grasp-any-region"
    max_regions: int = Field(description="Ours: regions that one question can name")
    context_length: int = Field(description="Ours: tokens, read and written")


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


def new_id(kind: str) -> str:
    """A name for something new."""
    return f"{kind}-{uuid4().hex}"


def finish_reason(answer: Answer) -> Literal["stop", "length"]:
    """Why an answer ends, in OpenAI's words."""
    return "length" if answer.finish_reason == "length" else "stop"


def choice_of(answer: Answer, index: int, top_logprobs: int | None) -> Choice:
    """An answer as one of a completion.

    Args:
        answer: The answer.
        index: Which of several.
        top_logprobs: How many options' likelihoods are told; None for no likelihoods at all.
    """
    logprobs = None
    if answer.probabilities is not None and top_logprobs is not None:
        likely = sorted(
            map(_likelihood, *zip(*answer.probabilities.items(), strict=True)), key=lambda one: -one.logprob
        )
        content = _ChosenLikelihood(**likely[0].model_dump(), top_logprobs=likely[:top_logprobs])
        logprobs = _Logprobs(content=[content])
    return Choice(
        index=index,
        message=_Said(content=answer.text),
        finish_reason=finish_reason(answer),
        logprobs=logprobs,
        probabilities=answer.probabilities,
        notes=list(answer.notes),
        seed=answer.seed,
    )


def descriptions_of(answers: Iterable[tuple[Answer, tuple[int, int, int, int]]]) -> list[_Description]:
    """Descriptions of answers and the boxes of their regions."""
    return [
        _Description(
            index=index,
            text=answer.text,
            box=list(box),
            finish_reason=finish_reason(answer),
            notes=list(answer.notes),
            seed=answer.seed,
        )
        for index, (answer, box) in enumerate(answers)
    ]


def usage_of(read: int, answers: Iterable[Answer]) -> Usage:
    """Tokens of some answers that read so many together."""
    written = sum(answer.new_tokens for answer in answers)
    return Usage(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)


def chunk(about: dict[str, Any], choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """One event of a stream; all have the same `id`, `created` and `model`."""
    return {**about, "object": "chat.completion.chunk", "choices": choices, **more}


def _likelihood(option: str, probability: float) -> _Likelihood:
    # JSON has no infinity; what float64 cannot tell from 0 is as unlikely as it can say
    logprob = math.log(max(probability, 5e-324))
    return _Likelihood(token=option, logprob=logprob, bytes=list(option.encode()))
