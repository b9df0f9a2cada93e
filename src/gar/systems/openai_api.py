"""A generalist behind an OpenAI-style API, asked by visual prompts: GPT-4o, InternVL3, Qwen3-VL, … and Azure's."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from threading import Event
from typing import Any

from PIL import Image

from gar.errors import GARError, InputError
from gar.processing.prompts import prompts_in
from gar.systems.endpoint import Chat, Endpoint
from gar.systems.in_order import map_in_order
from gar.systems.protocol import Question, Reply
from gar.systems.visual_prompts import STYLES, Part, Style, show, unnamed

__all__ = ["Generalist", "data_url", "message_content"]

JPEG_QUALITY = 95
"""Of the pictures that are sent, without color subsampling: a third of PNG's bytes, and no mark is blurred."""


class Generalist:
    """A vision-language model that has no regions of its own.

    Args:
        endpoint: Where it is asked.
        style: How regions are shown, see `gar.systems.visual_prompts`.
        temperature: 0 is greedy.

    Raises:
        InputError: The style is unknown, or the temperature outside 0 to 2.
    """

    scores_choices = False

    def __init__(self, endpoint: Endpoint, style: Style = "marks", temperature: float = 0.0):
        if style not in STYLES:
            raise InputError(f"the style is {style!r}; allowed: {', '.join(STYLES)}")
        if not 0.0 <= temperature <= 2.0:
            raise InputError(f"temperature is {temperature}; allowed: 0 (greedy) to 2")
        self.endpoint = endpoint
        self.style: Style = style
        self.temperature = temperature

    @property
    def name(self) -> str:
        """As `openai:gpt-4o (marks)`."""
        kind = "openai" if self.endpoint.api_version is None else "azure"
        return f"{kind}:{self.endpoint.model} ({self.style})"

    @property
    def settings(self) -> dict[str, Any]:
        """Endpoint, style and sampling."""
        return {
            **self.endpoint.settings,
            "style": self.style,
            "temperature": self.temperature,
            "pictures": f"JPEG, quality {JPEG_QUALITY}",
        }

    def answer(self, questions: Sequence[Question]) -> Iterator[Reply]:
        """Asks several at once; what cannot be shown or answered is a reply with an error."""
        return map_in_order(self._reply, questions, self.endpoint.concurrency)

    def _reply(self, question: Question, stop: Event) -> Reply:
        if question.choices is not None:
            return Reply(error="an OpenAI-style API gives no probabilities of choices; ask without them")
        try:
            content = message_content(show(question, self.style))
        except GARError as error:
            return Reply.failure(error)
        messages = [{"role": "user", "content": content}]
        completion = self.endpoint.complete(Chat(messages, question.max_new_tokens, self.temperature), stop)
        text = (completion.text or "").strip()
        if question.text is not None and prompts_in(question.text):
            text = unnamed(text, len(question.regions))
        return Reply(
            text=text,
            error=completion.error,
            prompt_tokens=completion.prompt_tokens,
            new_tokens=completion.new_tokens,
            seconds=completion.seconds,
        )


def message_content(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Texts and pictures as the content of an OpenAI-style message."""
    return [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": data_url(part, "JPEG")}}
        for part in parts
    ]


def data_url(image: Image.Image, form: str = "PNG") -> str:
    """A picture as a data URL.

    Args:
        image: RGB, or with a form that has it, RGBA or L.
        form: "PNG" (exact) or "JPEG".
    """
    buffer = io.BytesIO()
    options: dict[str, Any] = {"quality": JPEG_QUALITY, "subsampling": 0} if form == "JPEG" else {}
    image.save(buffer, form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
