"""A limit on tokens that holds before they are spent, and the estimate that it needs.

Nobody outside knows how a server counts, so the estimate is on the high side: one token for three bytes of text, and
for a picture the higher of two published rules. What the server says it used replaces the estimate afterwards, and
where that was more (GPT-4o mini counts a picture 33 times), later estimates are raised as much.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
from collections.abc import Mapping, Sequence
from threading import Condition, Event
from typing import Any

from PIL import Image

from gar.errors import InputError

__all__ = ["Budget", "estimate_tokens"]

_BYTES_PER_TOKEN = 3
"""English has about four characters a token, code and numbers three."""
_TOKENS_PER_MESSAGE = 8
"""Role and separators."""
_HEADER_CHARACTERS = 1 << 16
"""Of a data URL, from which a picture's size is read."""
_UNKNOWN_PICTURE = 2000
"""Tokens of a picture whose size cannot be read, such as one behind a web address."""


class Budget:
    """Tokens spent, tokens in flight and the limit on both. May be used from several threads.

    Args:
        limit: Most tokens that may be spent; None for no limit.

    Raises:
        InputError: The limit is below 1.

    Example:
        >>> budget = Budget(100)
        >>> budget.reserve(30)
        True
        >>> budget.settle(30, 45); budget.spent  # half as much again
        45
        >>> budget.reserve(40)  # so this counts as 60
        False
    """

    def __init__(self, limit: int | None = None):
        if limit is not None and limit < 1:
            raise InputError(f"the limit is {limit} tokens; at least 1 is needed")
        self.limit = limit
        self._spent = 0
        self._in_flight = 0
        self._raised = 1.0
        self._changed = Condition()

    @property
    def spent(self) -> int:
        """Tokens spent so far."""
        with self._changed:
            return self._spent

    def reserve(self, estimate: int, stop: Event | None = None) -> bool:
        """Sets tokens aside for a request, to be settled when it is over.

        Waits where only requests in flight stand in the way: they mostly cost less than was set aside for them.

        Args:
            estimate: What the request may cost.
            stop: Once set, the wait ends and nothing is set aside.

        Returns:
            Whether they were set aside; if not, sending would pass the limit.
        """
        with self._changed:
            while not self._fits(self._in_flight + estimate):
                if not self._fits(estimate) or (stop is not None and stop.is_set()):
                    return False
                self._changed.wait(timeout=1.0)
            self._in_flight += estimate
            return True

    def settle(self, estimate: int, spent: int) -> None:
        """Ends a request: what was set aside is free again, what it cost is spent."""
        with self._changed:
            self._in_flight -= estimate
            self._spent += spent
            self._raised = max(self._raised, spent / max(1, estimate))
            self._changed.notify_all()

    def _fits(self, estimate: int) -> bool:
        return self.limit is None or self._spent + estimate * self._raised <= self.limit


def estimate_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """How many tokens messages have to read, rather too many than too few.

    Example:
        >>> estimate_tokens([{"role": "user", "content": "Is 2 an even number?"}])
        15
    """
    total = 0
    for message in messages:
        content = message.get("content") or ""
        total += _TOKENS_PER_MESSAGE
        parts: Sequence[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for part in parts:
            if part.get("type") == "image_url":
                total += _picture_tokens(str(part["image_url"]["url"]))
            else:
                total += math.ceil(len(str(part.get("text", "")).encode()) / _BYTES_PER_TOKEN)
    return total


def _picture_tokens(url: str) -> int:
    """The higher of two rules: OpenAI's for GPT-4o (high detail), and 28 x 28 pixels a token (Qwen2.5-VL).

    GPT-4o's (platform.openai.com, "Images and vision"): shrunk into 2048 x 2048, then to a shorter side of 768 px,
    then 170 tokens for each square of 512 px and 85 for the picture.
    """
    size = _picture_size(url)
    if size is None:
        return _UNKNOWN_PICTURE
    width, height = size
    fit = min(1.0, 2048 / max(size))
    fit *= min(1.0, 768 / (fit * min(size)))
    squares = math.ceil(fit * width / 512) * math.ceil(fit * height / 512)
    return max(85 + 170 * squares, math.ceil(width / 28) * math.ceil(height / 28))


def _picture_size(url: str) -> tuple[int, int] | None:
    """(width, height) of a picture in a base64 data URL, from its header alone."""
    head, _, payload = url.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64"):
        return None
    try:
        data = base64.b64decode(payload[:_HEADER_CHARACTERS])
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            return image.size
    except (binascii.Error, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
